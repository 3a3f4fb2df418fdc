/** Filling of the TLBs in generated code: walk, PMP check of the whole page, entry. */
import {
  type Callable,
  call,
  callFor,
  choose,
  type Expr,
  i32,
  i64,
  returns,
  type Stmt,
  seq,
  when,
} from '../wasm/code.ts';
import type { ModuleBuilder } from '../wasm/module-builder.ts';
import { type GuestRam, inRam, toLinear } from './guest-ram.ts';
import {
  DATA_BANK_BYTES,
  DATA_ENTRY,
  DATA_ENTRY_SHIFT,
  FETCH_BANK_BYTES,
  FETCH_ENTRY,
  FETCH_ENTRY_SHIFT,
  PAGE_BYTES,
  PAGE_SHIFT,
  PERMISSION,
  TLB_CONTEXT,
  TLB_ENTRIES,
} from './layout.ts';
import { ACCESS, definePmpOfPage, defineWalk } from './page-walk.ts';
import type { StateAccess } from './state-access.ts';
import { CAUSE } from './trap-cause.ts';

const PAGE_MASK = -PAGE_BYTES;
const LOAD_AND_STORE = PERMISSION.load | PERMISSION.store;

export interface TranslationImports {
  /** Takes a trap of the instruction at state pc: (cause, virtual address). */
  readonly fault: Callable<undefined>;
  /** (linear address of a page) → its records. */
  readonly recordsOfPage: Callable<'i32'>;
  /** (physical address of a page table entry, PERMISSION) → 1 when S-mode may: for pages that PMP cuts. */
  readonly pmpAllowsEntry: Callable<'i32'>;
  /** (virtual address) → record of one instruction whose bytes are checked by themselves; 0: trapped. */
  readonly checkedFetch: Callable<'i32'>;
}

export interface Translation {
  /**
   * (virtual address, ACCESS, class) → 0 when mapped and permitted, else the cause of the exception. Leaves physical
   * address and permissions in state.
   */
  readonly walk: Callable<'i32'>;
  /**
   * (virtual address, ACCESS.load or store) → linear address when the access may go to RAM there; 0: trapped (state
   * `trapped` is set) or for the control plane (MMIO, PMP boundary inside the page; physical address in state).
   * Fills the TLB where the whole page allows it.
   */
  readonly fillData: Callable<'i32'>;
  /**
   * (virtual address) → records of its page, or the record in state `checkedRecord` when the page has a PMP boundary;
   * 0: trapped.
   */
  readonly fillFetch: Callable<'i32'>;
}

export function defineTranslation(
  module: ModuleBuilder,
  state: StateAccess,
  ram: GuestRam,
  imports: TranslationImports,
): Translation {
  const pmpOfPage = definePmpOfPage(module, state);
  const walk = defineWalk(module, state, ram, pmpOfPage, imports.pmpAllowsEntry);
  const fillData = defineFillData(module, state, ram, imports, walk, pmpOfPage);
  const fillFetch = defineFillFetch(module, state, ram, imports, walk, pmpOfPage);
  return { walk, fillData, fillFetch };
}

/** Appends to a fill log what it does not have. */
function logged(
  context: Expr<'i32'>,
  { count, log, flag }: { readonly count: number; readonly log: number; readonly flag: number },
  entry: Expr<'i32'>,
): Stmt {
  const index = i32.load(context, count);
  return when(
    i32.eqz(i32.load(entry, flag)),
    seq(
      i32.store(entry, i32.const(1), flag),
      i32.store(i32.add(context, i32.shl(index, i32.const(2))), entry, log),
      i32.store(context, i32.add(index, i32.const(1)), count),
    ),
  );
}

const DATA_LOG = { count: TLB_CONTEXT.dataLogCount, log: TLB_CONTEXT.dataLog, flag: DATA_ENTRY.logged } as const;
const FETCH_LOG = { count: TLB_CONTEXT.fetchLogCount, log: TLB_CONTEXT.fetchLog, flag: FETCH_ENTRY.logged } as const;

const indexOf = (address: Expr<'i64'>): Expr<'i32'> =>
  i32.and(i32.wrap(i64.shr_u(address, i64.const(PAGE_SHIFT))), i32.const(TLB_ENTRIES - 1));

/** The class a bank is for. */
const classOf = (bank: Expr<'i32'>, banks: Expr<'i32'>, bankBytes: number): Expr<'i32'> =>
  i32.div_u(i32.sub(bank, banks), i32.const(bankBytes));

function defineFillData(
  module: ModuleBuilder,
  state: StateAccess,
  ram: GuestRam,
  imports: TranslationImports,
  walk: Callable<'i32'>,
  pmpOfPage: Callable<'i32'>,
): Callable<'i32'> {
  const f = module.function(['i64', 'i32'], 'i32', 'fillData');
  const address = f.parameter(0, 'i64');
  const access = f.parameter(1, 'i32');
  const context = f.local('i32');
  const bank = f.local('i32');
  const tlbClass = f.local('i32');
  const code = f.local('i32');
  const allowed = f.local('i32');
  const page = f.local('i64');
  const linearPage = f.local('i32');
  const records = f.local('i32');
  const entry = f.local('i32');
  const beforePage = i64.sub(i64.and(address.get, i64.const(PAGE_MASK)), i64.const(1));
  const fault = (cause: Expr<'i32'>): Stmt => seq(call(imports.fault, cause, address.get), returns(i32.const(0)));
  const physical = state.load64('walkAddress');
  const index = indexOf(address.get);

  f.define(
    bank.set(state.load32('dataBank')),
    context.set(state.load32('tlbContext')),
    tlbClass.set(classOf(bank.get, i32.add(context.get, i32.const(TLB_CONTEXT.dataBanks)), DATA_BANK_BYTES)),
    state.store64('accessAddress', address.get),
    state.store32('codeRecords', i32.const(0)),
    code.set(callFor(walk, address.get, access.get, tlbClass.get)),
    when(code.get, fault(code.get)),
    page.set(i64.and(physical, i64.const(PAGE_MASK))),
    allowed.set(callFor(pmpOfPage, page.get, tlbClass.get)),
    // A PMP boundary inside the page: each access is looked at by itself.
    when(i32.eq(allowed.get, i32.const(-1)), returns(i32.const(0))),
    when(
      i32.eqz(i32.and(i32.shr_u(allowed.get, access.get), i32.const(1))),
      fault(choose(access.get, i32.const(CAUSE.storeAccess), i32.const(CAUSE.loadAccess))),
    ),
    when(i32.eqz(inRam(ram, page.get)), returns(i32.const(0))),
    allowed.set(i32.and(allowed.get, state.load32('walkPermissions'))),
    linearPage.set(toLinear(ram, page.get)),
    records.set(recordsOf(ram, page.get)),
    state.store32('codeRecords', records.get),
    entry.set(i32.add(bank.get, i32.shl(index, i32.const(DATA_ENTRY_SHIFT)))),
    // A page that two virtual pages share an entry for loses the other one's rights.
    i64.store(
      entry.get,
      choose(i32.and(allowed.get, i32.const(PERMISSION.load)), beforePage, invalid(index)),
      DATA_ENTRY.loadTag,
    ),
    i64.store(
      entry.get,
      choose(
        // Code checks the store tag alone where it loads and stores.
        i32.and(
          i32.eq(i32.and(allowed.get, i32.const(LOAD_AND_STORE)), i32.const(LOAD_AND_STORE)),
          i32.eqz(records.get),
        ),
        beforePage,
        invalid(index),
      ),
      DATA_ENTRY.storeTag,
    ),
    i32.store(entry.get, i32.sub(linearPage.get, i32.const(1)), DATA_ENTRY.memory),
    logged(context.get, DATA_LOG, entry.get),
    returns(i32.or(linearPage.get, i32.and(i32.wrap(address.get), i32.const(PAGE_BYTES - 1)))),
  );
  return f;
}

/** Records of the page of RAM at a physical address, 0 when it has none. */
const recordsOf = (ram: GuestRam, page: Expr<'i64'>): Expr<'i32'> =>
  i32.load(
    i32.shl(i32.wrap(i64.shr_u(i64.sub(page, i64.const(ram.base)), i64.const(PAGE_SHIFT))), i32.const(2)),
    ram.pageRecordsOffset,
  );

/** As `invalidTag`, of a data bank. */
const invalid = (index: Expr<'i32'>): Expr<'i64'> =>
  i64.sub(i64.shl(i64.extend_u(i32.xor(index, i32.const(1))), i64.const(PAGE_SHIFT)), i64.const(1));

function defineFillFetch(
  module: ModuleBuilder,
  state: StateAccess,
  ram: GuestRam,
  imports: TranslationImports,
  walk: Callable<'i32'>,
  pmpOfPage: Callable<'i32'>,
): Callable<'i32'> {
  const f = module.function(['i64'], 'i32', 'fillFetch');
  const address = f.parameter(0, 'i64');
  const context = f.local('i32');
  const bank = f.local('i32');
  const tlbClass = f.local('i32');
  const code = f.local('i32');
  const page = f.local('i64');
  const allowed = f.local('i32');
  const records = f.local('i32');
  const entry = f.local('i32');
  const accessFault = seq(call(imports.fault, i32.const(CAUSE.instructionAccess), address.get), returns(i32.const(0)));
  const index = indexOf(address.get);
  f.define(
    bank.set(state.load32('fetchBank')),
    context.set(state.load32('tlbContext')),
    tlbClass.set(classOf(bank.get, i32.add(context.get, i32.const(TLB_CONTEXT.fetchBanks)), FETCH_BANK_BYTES)),
    code.set(callFor(walk, address.get, i32.const(ACCESS.fetch), tlbClass.get)),
    when(code.get, seq(call(imports.fault, code.get, address.get), returns(i32.const(0)))),
    page.set(i64.and(state.load64('walkAddress'), i64.const(PAGE_MASK))),
    allowed.set(callFor(pmpOfPage, page.get, tlbClass.get)),
    state.store32('checkedRecord', i32.const(0)),
    when(
      i32.eq(allowed.get, i32.const(-1)),
      seq(
        records.set(callFor(imports.checkedFetch, address.get)),
        state.store32('checkedRecord', records.get),
        returns(records.get),
      ),
    ),
    // Code is fetched from RAM only.
    when(
      i32.or(i32.eqz(i32.and(allowed.get, i32.const(PERMISSION.fetch))), i32.eqz(inRam(ram, page.get))),
      accessFault,
    ),
    records.set(recordsOf(ram, page.get)),
    when(i32.eqz(records.get), records.set(callFor(imports.recordsOfPage, toLinear(ram, page.get)))),
    entry.set(i32.add(bank.get, i32.shl(index, i32.const(FETCH_ENTRY_SHIFT)))),
    i64.store(entry.get, i64.and(address.get, i64.const(PAGE_MASK)), FETCH_ENTRY.tag),
    i32.store(entry.get, records.get, FETCH_ENTRY.records),
    logged(context.get, FETCH_LOG, entry.get),
    returns(records.get),
  );
  return f;
}
