/**
 * Generates the interpreter of one hart as a WebAssembly module from the rows of the instruction table: a loop around
 * a `br_table` over predecoded records.
 *
 * Locals while it runs: `ip`, the address of the present record; `pcBase`, such that pc = pcBase + ip / 4; `budget`,
 * instructions left including the present one. Before anything that can look at the hart (imports, traps), pc and
 * budget are written to state; after it budget and banks are read back.
 */
import {
  block,
  br,
  brIf,
  brTable,
  type Callable,
  call,
  callFor,
  callIndirect,
  choose,
  type Expr,
  i32,
  i64,
  Label,
  type Local,
  loop,
  type Stmt,
  seq,
  type TableType,
  unreachable,
  when,
} from '../wasm/code.ts';
import { ModuleBuilder } from '../wasm/module-builder.ts';
import { advance, type Engine } from './engine.ts';
import {
  csrRead,
  csrSwap,
  type FastCsrContext,
  flagsRead,
  flagsSwap,
  SSTATUS_WRITE,
  sstatusModify,
} from './fast-csr.ts';
import type { GuestRam } from './guest-ram.ts';
import { OWN_HANDLERS, type OwnHandler, PAIR_HANDLERS, ROW_HANDLERS } from './handlers.ts';
import { type ImportedFunctions, importFunctions } from './hart-imports.ts';
import {
  CROSSING_DECODED,
  dataBankOffset,
  ENTRY,
  FETCH_ENTRY,
  FETCH_ENTRY_SHIFT,
  PAGE_BYTES,
  PAGE_FOOTER,
  PAGE_SHIFT,
  RECORD,
  RECORD_BYTES,
  RECORDS_PER_PAGE,
  SINK_REGISTER,
  STATE,
  TLB_ENTRIES,
} from './layout.ts';
import { RecordSemantics } from './record-semantics.ts';
import { REGION_PARAMETERS } from './region-type.ts';
import { defineSlowAccess, type SlowAccess } from './slow-access.ts';
import { type StateAccess, stateAccess } from './state-access.ts';
import { callFromUser, type SupervisorTrapContext, supervisorReturn, WORD } from './supervisor-traps.ts';
import { defineTranslation } from './translation.ts';

/** Machine code of the hart whose area is at `base`. */
export function generateInterpreter(base: number, ram: GuestRam, memoryPages: number): Uint8Array<ArrayBuffer> {
  const module = new ModuleBuilder({ pagesMin: memoryPages });
  const imports = importFunctions(module);
  const regions = module.importTable('regions', ENTRY.regionsMax, REGION_PARAMETERS, 'i32');
  const state = stateAccess(base, STATE);
  const translation = defineTranslation(module, state, ram, imports);
  const slow = defineSlowAccess(module, state, imports, translation);
  defineRun(module, state, imports, slow, translation.fillFetch, regions);
  return module.build();
}

/** So few that most slices have a sample; it is no power of two, which loops might keep step with. */
const INTERPRETED_BETWEEN_SAMPLES = 1009;
/** Fields of an instruction's word. */
const RD_SHIFT = 7;
const RS1_SHIFT = 15;
const LAST_RECORD = (RECORDS_PER_PAGE - 1) * RECORD_BYTES;

function defineRun(
  module: ModuleBuilder,
  state: StateAccess,
  imports: ImportedFunctions,
  slow: SlowAccess,
  fillFetch: Callable<'i32'>,
  regions: TableType<'i32'>,
): void {
  const f = module.function([], undefined, 'run');
  const ip = f.local('i32');
  const pcBase = f.local('i64');
  const budget = f.local('i32');
  const target = f.local('i64');
  const entry = f.local('i32');
  const offset = f.local('i64');
  const dataBank = f.local('i32');
  const fetchBank = f.local('i32');
  const stop = new Label();
  const reload = new Label();
  const far = new Label();
  const found = new Label();
  const outOfBudget = new Label();
  const next = new Label();

  const scratchLocals = new Map<string, Local<'i32' | 'i64' | 'f32' | 'f64'>>();
  const scratch: Engine['scratch'] = (type, index) => {
    const key = `${type}${index}`;
    const known = scratchLocals.get(key);
    if (known !== undefined) return known as Local<typeof type>;
    const added = f.local(type);
    scratchLocals.set(key, added as unknown as Local<'i32' | 'i64' | 'f32' | 'f64'>);
    return added;
  };

  const pc = i64.add(pcBase.get, i64.extend_u(i32.shr_u(ip.get, i32.const(2))));
  const countDown = budget.tee(i32.sub(budget.get, i32.const(1)));
  const engine: Engine = {
    state,
    imports,
    slow,
    ip,
    pc,
    dataBank,
    scratch,
    spill: seq(state.store64('pc', pc), state.store32('budget', budget.get)),
    refresh: seq(budget.set(state.load32('budget')), dataBank.set(state.load32('dataBank'))),
    reload: br(reload),
    nextRecord: seq(brIf(next, countDown), br(outOfBudget)),
    goTo: (to) => seq(target.set(to), brIf(far, countDown), br(stop)),
  };

  const fetchEntry = (address: Expr<'i64'>): Expr<'i32'> =>
    i32.add(
      i32.and(
        i32.shr_u(i32.wrap(address), i32.const(PAGE_SHIFT - FETCH_ENTRY_SHIFT)),
        i32.const((TLB_ENTRIES - 1) << FETCH_ENTRY_SHIFT),
      ),
      fetchBank.get,
    );
  // The record lies in the footer: it stands for the same address.
  const toCrossingRecord = seq(
    pcBase.set(i64.sub(pcBase.get, i64.const((PAGE_FOOTER.crossing - LAST_RECORD) / 4))),
    ip.set(i32.add(ip.get, i32.const(PAGE_FOOTER.crossing - LAST_RECORD))),
    br(next),
  );
  const done4 = seq(advance(ip, 4), engine.nextRecord);
  const byControlPlane = (execute: Callable<'i32'>, bytes: number): Stmt =>
    seq(
      engine.spill,
      when(callFor(execute, i32.load(ip.get, RECORD.imm)), br(reload)),
      engine.refresh,
      advance(ip, bytes),
      engine.nextRecord,
    );

  const fastCsr: FastCsrContext = {
    state,
    dataBank,
    scratch,
    bankOf: (tlbClass) => i32.add(state.load32('tlbContext'), i32.const(dataBankOffset(tlbClass))),
    word: i32.load(ip.get, RECORD.imm),
    rs1: i64.load(i32.load8_u(ip.get, RECORD.rs1), state.base + STATE.x),
    rd: (value) => i64.store(i32.load16_u(ip.get, RECORD.rd), value, state.base + STATE.x),
    area: i32.const(0),
    areaOffset: state.base,
    slow: byControlPlane(imports.environment, 4),
    changesFloatStatus: true,
  };

  /** The record of an instruction for the control plane holds its word only. */
  const registerOffset = (shift: number): Expr<'i32'> =>
    i32.shl(i32.and(i32.shr_u(fastCsr.word, i32.const(shift)), i32.const(31)), i32.const(3));
  const rd = registerOffset(RD_SHIFT);
  const registersOfWord = {
    rs1: i64.load(registerOffset(RS1_SHIFT), state.base + STATE.x),
    rd: (value: Expr<'i64'>): Stmt =>
      i64.store(choose(rd, rd, i32.const(SINK_REGISTER * 8)), value, state.base + STATE.x),
  };
  const supervisorTrap: SupervisorTrapContext = {
    state,
    scratch,
    dataBank,
    fetchBank,
    budget: budget.get,
    pc,
    goTo: engine.goTo,
    trapTo: (to) => seq(target.set(to), br(far)),
    slow: fastCsr.slow,
  };
  const ifWord = (word: number, then: Stmt): Stmt => when(i32.eq(fastCsr.word, i32.const(word)), then);

  /** Goes from region to region until one is left for code that is in none, or for an instruction of the interpreter's. */
  const again = new Label();
  const word = scratch('i32', 1);
  const before = scratch('i32', 2);
  /** What is interpreted between regions is charged to the place where the last one was left, and found by sampling. */
  const noteInterpreted = [
    state.store32('interpreted', i32.add(state.load32('interpreted'), i32.sub(state.load32('leftBudget'), budget.get))),
    when(
      i32.ge_s(state.load32('interpreted'), i32.const(INTERPRETED_BETWEEN_SAMPLES)),
      seq(state.store64('missedEntry', state.load64('leftAt')), state.store32('interpreted', i32.const(0))),
      undefined,
      'unlikely',
    ),
  ];
  const enterRegion = (labels: readonly Label[]): Stmt => {
    const readWord = word.set(
      i32.load(
        i32.add(i32.load(entry.get, FETCH_ENTRY.records), i32.shl(i32.wrap(offset.get), i32.const(1))),
        PAGE_FOOTER.entries,
      ),
    );
    const regionOf = i32.and(i32.shr_u(word.get, i32.const(ENTRY.regionShift)), i32.const(ENTRY.regionsMax - 1));
    const dispatchTo = (op: Expr<'i32'>): Stmt => brTable(op, labels, labels[0]!);
    return seq(
      ...noteInterpreted,
      // The word lies as far into the entries as the record into the records, at half the distance.
      word.set(
        i32.load(
          i32.sub(ip.get, i32.shl(i32.and(i32.wrap(pc), i32.const(PAGE_BYTES - 1)), i32.const(1))),
          PAGE_FOOTER.entries,
        ),
      ),
      target.set(pc),
      loop(
        again,
        before.set(budget.get),
        state.store32('stepNext', i32.const(0)),
        budget.set(
          callIndirect(
            regions,
            regionOf,
            i32.shr_u(word.get, i32.const(ENTRY.indexShift)),
            i64.and(target.get, i64.const(-PAGE_BYTES)),
            budget.get,
            i32.const(state.base),
          ),
        ),
        state.store64('translated', i64.add(state.load64('translated'), i64.extend_u(i32.sub(before.get, budget.get)))),
        dataBank.set(state.load32('dataBank')),
        target.set(state.load64('pc')),
        brIf(stop, i32.le_s(budget.get, i32.const(0)), 'unlikely'),
        entry.set(fetchEntry(target.get)),
        brIf(
          far,
          i64.ge_u(offset.tee(i64.sub(target.get, i64.load(entry.get, FETCH_ENTRY.tag))), i64.const(PAGE_BYTES)),
          'unlikely',
        ),
        readWord,
        brIf(
          again,
          i32.and(
            i32.ne(i32.shr_u(word.get, i32.const(ENTRY.regionShift)), i32.const(0)),
            i32.eqz(state.load32('stepNext')),
          ),
        ),
        ip.set(i32.add(i32.shl(i32.wrap(offset.get), i32.const(2)), i32.load(entry.get, FETCH_ENTRY.records))),
        pcBase.set(i64.sub(target.get, i64.extend_u(i32.shr_u(ip.get, i32.const(2))))),
        state.store32('leftBudget', budget.get),
        state.store64('leftAt', i64.add(target.get, i64.extend_u(state.load32('stepNext')))),
        when(word.get, dispatchTo(i32.and(word.get, i32.const(0xff)))),
        dispatchTo(i32.load8_u(ip.get, RECORD.op)),
      ),
      unreachable,
    );
  };

  const own: Readonly<Record<Exclude<OwnHandler, 'translated'>, Stmt>> = {
    csrSwap: seq(csrSwap(fastCsr), done4),
    csrRead: seq(csrRead(fastCsr), done4),
    sstatusSet: seq(sstatusModify(fastCsr, 'set'), done4),
    sstatusClear: seq(sstatusModify(fastCsr, 'clear'), done4),
    flagsRead: seq(flagsRead(fastCsr), done4),
    flagsSwap: seq(flagsSwap(fastCsr), done4),
    undecoded: seq(call(imports.decode, ip.get), br(next)),
    pageEnd: seq(target.set(pc), br(far)),
    crossing: seq(
      target.set(i64.add(pc, i64.const(2))),
      entry.set(fetchEntry(target.get)),
      when(
        i64.lt_u(i64.sub(target.get, i64.load(entry.get, FETCH_ENTRY.tag)), i64.const(PAGE_BYTES)),
        // The record in the footer still holds when the other half is what it was.
        when(
          i32.eq(
            i32.or(
              i32.load16_u(i32.load(i32.load(entry.get, FETCH_ENTRY.records), PAGE_FOOTER.page)),
              i32.const(CROSSING_DECODED),
            ),
            i32.load(ip.get, PAGE_FOOTER.crossingHalf - LAST_RECORD),
          ),
          toCrossingRecord,
        ),
      ),
      engine.spill,
      when(i32.eqz(callFor(imports.crossing, ip.get)), br(reload)),
      toCrossingRecord,
    ),
    illegal: seq(engine.spill, call(imports.illegal, i32.load(ip.get, RECORD.imm)), br(reload)),
    nop4: seq(advance(ip, 4), engine.nextRecord),
    nop2: seq(advance(ip, 2), engine.nextRecord),
    exact4: byControlPlane(imports.floatExact, 4),
    environment4: seq(
      ifWord(WORD.sret, supervisorReturn(supervisorTrap)),
      ifWord(WORD.ecall, callFromUser(supervisorTrap)),
      when(
        i32.eq(i32.and(fastCsr.word, i32.const(SSTATUS_WRITE.mask)), i32.const(SSTATUS_WRITE.word)),
        seq(sstatusModify({ ...fastCsr, ...registersOfWord }, 'write'), done4),
      ),
      byControlPlane(imports.environment, 4),
    ),
    environment2: byControlPlane(imports.environment, 2),
  };
  const handlers: readonly (Stmt | undefined)[] = [
    ...OWN_HANDLERS.map((name) => (name === 'translated' ? undefined : own[name])),
    ...ROW_HANDLERS.map((handler) => {
      const semantics = new RecordSemantics(engine, handler);
      return seq(handler.row.semantics(semantics), semantics.finish());
    }),
    ...PAIR_HANDLERS.map(({ first, second }) => {
      const semantics = [first, second].map((handler) => new RecordSemantics(engine, handler));
      const [a, b] = semantics as [RecordSemantics, RecordSemantics];
      return seq(
        first.row.semantics(a.fallingThrough()),
        advance(ip, first.bytes),
        brIf(outOfBudget, i32.eqz(countDown)),
        // The second record may have been dropped since: by a store of anyone, the first instruction included.
        brIf(next, i32.eqz(i32.load8_u(ip.get, RECORD.op)), 'unlikely'),
        second.row.semantics(b),
        b.finish(),
      );
    }),
  ];

  f.define(
    block(
      stop,
      loop(
        reload,
        state.store32('trapped', i32.const(0)),
        budget.set(state.load32('budget')),
        target.set(state.load64('pc')),
        dataBank.set(state.load32('dataBank')),
        fetchBank.set(state.load32('fetchBank')),
        brIf(stop, i32.le_s(budget.get, i32.const(0))),
        loop(
          far,
          entry.set(fetchEntry(target.get)),
          block(
            found,
            when(
              i64.ge_u(offset.tee(i64.sub(target.get, i64.load(entry.get, FETCH_ENTRY.tag))), i64.const(PAGE_BYTES)),
              seq(
                state.store64('pc', target.get),
                state.store32('budget', budget.get),
                brIf(reload, i32.eqz(callFor(fillFetch, target.get))),
                brIf(found, ip.tee(state.load32('checkedRecord'))),
                // The TLB has it now; the budget may be another, if records had to be given up for it.
                br(reload),
              ),
              undefined,
              'unlikely',
            ),
            ip.set(i32.add(i32.shl(i32.wrap(offset.get), i32.const(2)), i32.load(entry.get, FETCH_ENTRY.records))),
          ),
          pcBase.set(i64.sub(target.get, i64.extend_u(i32.shr_u(ip.get, i32.const(2))))),
          block(outOfBudget, loop(next, dispatch(i32.load8_u(ip.get, RECORD.op), handlers, next, enterRegion))),
          target.set(pc),
        ),
      ),
    ),
    state.store64('pc', target.get),
    state.store32('budget', budget.get),
  );
}

/**
 * Each handler ends in a branch of its own. What enters regions lies innermost, because it must be able to go to every
 * other handler: it stands in the place of the missing one.
 */
function dispatch(
  op: Expr<'i32'>,
  handlers: readonly (Stmt | undefined)[],
  next: Label,
  enterRegion: (labels: readonly Label[]) => Stmt,
): Stmt {
  const labels = handlers.map(() => new Label());
  const last = labels.at(-1);
  if (last === undefined) throw new Error('nothing to dispatch to');
  const entered = labels[handlers.indexOf(undefined)] ?? last;
  const others = labels.map((label) => (label === entered ? next : label));
  const innermost = seq(block(entered, brTable(op, labels, last)), enterRegion(others));
  return handlers.reduce<Stmt>(
    (inner, handler, i) => (handler === undefined ? inner : seq(block(labels[i] ?? last, inner), handler)),
    innermost,
  );
}
