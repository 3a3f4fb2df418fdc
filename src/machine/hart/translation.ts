/**
 * Address translation in generated code: page table walk, PMP check of whole pages, filling of the TLBs.
 * Source: [Priv] "Sv39: Page-Based 39-bit Virtual-Memory System", "Virtual Address Translation Process".
 *
 * The hart sets A and D bits itself.
 */
import {
  block,
  br,
  brIf,
  type Callable,
  call,
  callFor,
  choose,
  type Expr,
  i32,
  i64,
  Label,
  loop,
  returns,
  type Stmt,
  seq,
  when,
} from '../wasm/code.ts';
import type { ModuleBuilder } from '../wasm/module-builder.ts';
import {
  AREA,
  DATA_BANK_BYTES,
  DATA_ENTRY,
  DATA_ENTRY_SHIFT,
  FETCH_BANK_BYTES,
  FETCH_ENTRY,
  FETCH_ENTRY_SHIFT,
  FILL_LOG_ENTRIES,
  PAGE_BYTES,
  PAGE_SHIFT,
  PERMISSION,
  PERMISSION_MACHINE_SHIFT,
  PMP_INTERVAL,
  PMP_INTERVAL_BYTES,
  STATE,
  TLB_CLASS,
  TLB_ENTRIES,
} from './layout.ts';
import type { StateAccess } from './state-access.ts';
import { CAUSE } from './trap-cause.ts';

/** Access types of the walk: also the bit number of the permission. */
export const ACCESS = { load: 0, store: 1, fetch: 2 } as const;

const PTE = { V: 1, R: 2, W: 4, X: 8, U: 16, G: 32, A: 64, D: 128 } as const;
const PTE_PPN_SHIFT = 10;
const PTE_PPN_MASK = (1n << 44n) - 1n;
/** N, PBMT and reserved bits: none of their extensions is here, so they must be zero. */
const PTE_RESERVED = 0xffc0_0000_0000_0000n;
const SV39_LEVELS = 3;
const VPN_BITS = 9;
const PAGE_MASK = -PAGE_BYTES;

export interface TranslationImports {
  /** Takes a trap of the instruction at state pc: (cause, virtual address). */
  readonly fault: Callable<undefined>;
  /** (linear address of a page) → its records. */
  readonly recordsOfPage: Callable<'i32'>;
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

export interface GuestRam {
  readonly base: number;
  readonly bytes: number;
  readonly ramOffset: number;
  readonly pageRecordsOffset: number;
}

export function defineTranslation(
  module: ModuleBuilder,
  state: StateAccess,
  ram: GuestRam,
  imports: TranslationImports,
): Translation {
  const pmpOfPage = definePmpOfPage(module, state);
  const walk = defineWalk(module, state, ram, pmpOfPage);
  const fillData = defineFillData(module, state, ram, imports, walk, pmpOfPage);
  const fillFetch = defineFillFetch(module, state, ram, imports, walk, pmpOfPage);
  return { walk, fillData, fillFetch };
}

/** 1 when a physical address of u64 is in RAM. */
const inRam = (ram: GuestRam, address: Expr<'i64'>): Expr<'i32'> =>
  i64.lt_u(i64.sub(address, i64.const(ram.base)), i64.const(ram.bytes));
const toLinear = (ram: GuestRam, address: Expr<'i64'>): Expr<'i32'> =>
  i32.wrap(i64.add(address, i64.const(ram.ramOffset - ram.base)));

/** (physical address of a page, class) → PERMISSION bits; -1 when a PMP boundary lies inside the page. */
function definePmpOfPage(module: ModuleBuilder, state: StateAccess): Callable<'i32'> {
  const f = module.function(['i64', 'i32'], 'i32');
  const page = f.parameter(0, 'i64');
  const tlbClass = f.parameter(1, 'i32');
  const interval = f.local('i32');
  const next = new Label();
  const last = i64.load(interval.get, state.base + STATE.pmp + PMP_INTERVAL.last);
  const permissions = i32.load(interval.get, state.base + STATE.pmp + PMP_INTERVAL.permissions);
  f.define(
    loop(
      next,
      when(i64.gt_u(page.get, last), seq(interval.set(i32.add(interval.get, i32.const(PMP_INTERVAL_BYTES))), br(next))),
    ),
    when(i64.gt_u(i64.or(page.get, i64.const(PAGE_BYTES - 1)), last), returns(i32.const(-1))),
    when(
      i32.eq(tlbClass.get, i32.const(TLB_CLASS.machine)),
      returns(i32.shr_u(permissions, i32.const(PERMISSION_MACHINE_SHIFT))),
    ),
    returns(i32.and(permissions, i32.const(7))),
  );
  return f;
}

function defineWalk(
  module: ModuleBuilder,
  state: StateAccess,
  ram: GuestRam,
  pmpOfPage: Callable<'i32'>,
): Callable<'i32'> {
  const f = module.function(['i64', 'i32', 'i32'], 'i32', 'walk');
  const address = f.parameter(0, 'i64');
  const access = f.parameter(1, 'i32');
  const tlbClass = f.parameter(2, 'i32');
  const table = f.local('i64');
  const shift = f.local('i64');
  const entryAddress = f.local('i64');
  const entry = f.local('i64');
  const flags = f.local('i32');
  const update = f.local('i32');
  const pmp = f.local('i32');

  const causeOf = (load: number, store: number, fetch: number): Stmt =>
    returns(
      choose(
        i32.eq(access.get, i32.const(ACCESS.load)),
        i32.const(load),
        choose(i32.eq(access.get, i32.const(ACCESS.store)), i32.const(store), i32.const(fetch)),
      ),
    );
  const pageFault = causeOf(CAUSE.loadPage, CAUSE.storePage, CAUSE.instructionPage);
  const accessFault = causeOf(CAUSE.loadAccess, CAUSE.storeAccess, CAUSE.instructionAccess);
  const flag = (bits: number): Expr<'i32'> => i32.and(flags.get, i32.const(bits));
  const has = (bits: number): Expr<'i32'> => i32.ne(flag(bits), i32.const(0));
  const isAccess = (type: number): Expr<'i32'> => i32.eq(access.get, i32.const(type));

  /** Page tables are read and written with the rights of S-mode. -1 (boundary in the page) counts as no right. */
  const pteAllowed = (bit: number): Expr<'i32'> =>
    i32.and(
      i32.and(i32.gt_s(pmp.get, i32.const(0)), inRam(ram, entryAddress.get)),
      i32.ne(i32.and(pmp.get, i32.const(bit)), i32.const(0)),
    );

  const bare: Stmt = seq(
    state.store64('walkAddress', address.get),
    state.store32('walkPermissions', i32.const(PERMISSION.load | PERMISSION.store | PERMISSION.fetch)),
    returns(i32.const(0)),
  );

  const found = new Label();
  const descend = new Label();
  const offsetMask = i64.sub(i64.shl(i64.const(1), shift.get), i64.const(1));
  const ppnAddress = i64.shl(
    i64.and(i64.shr_u(entry.get, i64.const(PTE_PPN_SHIFT)), i64.const(PTE_PPN_MASK)),
    i64.const(PAGE_SHIFT),
  );

  f.define(
    when(i32.or(i32.eqz(state.load32('sv39')), i32.eq(tlbClass.get, i32.const(TLB_CLASS.machine))), bare),
    // "Instruction fetch addresses and load and store effective addresses ... must have bits 63–39 all equal to bit 38"
    when(i64.ne(i64.shr_s(i64.shl(address.get, i64.const(25)), i64.const(25)), address.get), pageFault),
    table.set(state.load64('rootTable')),
    shift.set(i64.const(PAGE_SHIFT + (SV39_LEVELS - 1) * VPN_BITS)),
    block(
      found,
      loop(
        descend,
        entryAddress.set(
          i64.add(
            table.get,
            i64.shl(i64.and(i64.shr_u(address.get, shift.get), i64.const((1 << VPN_BITS) - 1)), i64.const(3)),
          ),
        ),
        pmp.set(callFor(pmpOfPage, i64.and(entryAddress.get, i64.const(PAGE_MASK)), i32.const(TLB_CLASS.supervisor))),
        when(i32.eqz(pteAllowed(PERMISSION.load)), accessFault),
        entry.set(i64.load(toLinear(ram, entryAddress.get))),
        flags.set(i32.wrap(entry.get)),
        when(
          i32.or(
            i64.ne(i64.and(entry.get, i64.const(PTE_RESERVED)), i64.const(0)),
            i32.or(i32.eqz(flag(PTE.V)), i32.eq(flag(PTE.R | PTE.W), i32.const(PTE.W))),
          ),
          pageFault,
        ),
        brIf(found, has(PTE.R | PTE.X)),
        // "For non-leaf PTEs, the D, A, and U bits are reserved"
        when(i32.or(has(PTE.D | PTE.A | PTE.U), i64.eq(shift.get, i64.const(PAGE_SHIFT))), pageFault),
        table.set(ppnAddress),
        shift.set(i64.sub(shift.get, i64.const(VPN_BITS))),
        br(descend),
      ),
    ),
    when(
      i32.eq(tlbClass.get, i32.const(TLB_CLASS.user)),
      when(i32.eqz(flag(PTE.U)), pageFault),
      // "Irrespective of SUM, the supervisor may not execute code on pages with U=1."
      when(
        i32.and(
          has(PTE.U),
          i32.or(isAccess(ACCESS.fetch), i32.ne(tlbClass.get, i32.const(TLB_CLASS.supervisorUserMemory))),
        ),
        pageFault,
      ),
    ),
    // With MXR a load may also use X.
    when(i32.and(state.load32('mxr'), has(PTE.X)), flags.set(i32.or(flags.get, i32.const(PTE.R)))),
    // PTE.R, W, X lie one bit above PERMISSION.load, store, fetch.
    when(i32.eqz(i32.and(i32.shr_u(flags.get, i32.add(access.get, i32.const(1))), i32.const(1))), pageFault),
    // Superpage: "if any of the low PPN fields is not zero, this is a misaligned superpage"
    when(i64.ne(i64.and(ppnAddress, offsetMask), i64.const(0)), pageFault),
    update.set(
      i32.and(
        choose(isAccess(ACCESS.store), i32.const(PTE.A | PTE.D), i32.const(PTE.A)),
        i32.xor(flags.get, i32.const(-1)),
      ),
    ),
    when(
      update.get,
      seq(
        when(i32.eqz(pteAllowed(PERMISSION.store)), accessFault),
        flags.set(i32.or(flags.get, update.get)),
        i64.store(
          toLinear(ram, entryAddress.get),
          i64.or(entry.get, i64.extend_u(i32.or(update.get, i32.const(PTE.A)))),
        ),
      ),
    ),
    state.store64('walkAddress', i64.or(ppnAddress, i64.and(address.get, offsetMask))),
    // Until a store set D, the TLB may not let stores pass.
    state.store32(
      'walkPermissions',
      i32.and(
        i32.shr_u(flags.get, i32.const(1)),
        choose(has(PTE.D), i32.const(7), i32.const(PERMISSION.load | PERMISSION.fetch)),
      ),
    ),
    returns(i32.const(0)),
  );
  return f;
}

/** Appends to a fill log; a full log keeps counting, which tells the flush to visit everything. */
function logged(
  state: StateAccess,
  count: 'dataLogCount' | 'fetchLogCount',
  logOffset: number,
  entry: Expr<'i32'>,
): Stmt {
  const index = state.load32(count);
  return seq(
    when(
      i32.lt_u(index, i32.const(FILL_LOG_ENTRIES)),
      i32.store(i32.shl(index, i32.const(2)), entry, state.base + logOffset),
    ),
    state.store32(count, i32.add(index, i32.const(1))),
  );
}

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
  const bank = f.local('i32');
  const tlbClass = f.local('i32');
  const code = f.local('i32');
  const allowed = f.local('i32');
  const page = f.local('i64');
  const linearPage = f.local('i32');
  const records = f.local('i32');
  const entry = f.local('i32');
  const virtualPage = i64.and(address.get, i64.const(PAGE_MASK));
  const fault = (cause: Expr<'i32'>): Stmt => seq(call(imports.fault, cause, address.get), returns(i32.const(0)));
  const physical = state.load64('walkAddress');
  const index = i32.and(i32.wrap(i64.shr_u(address.get, i64.const(PAGE_SHIFT))), i32.const(TLB_ENTRIES - 1));

  f.define(
    bank.set(state.load32('dataBank')),
    tlbClass.set(i32.div_u(i32.sub(bank.get, i32.const(state.base + AREA.dataBanks)), i32.const(DATA_BANK_BYTES))),
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
    records.set(
      i32.load(
        i32.shl(i32.wrap(i64.shr_u(i64.sub(page.get, i64.const(ram.base)), i64.const(PAGE_SHIFT))), i32.const(2)),
        ram.pageRecordsOffset,
      ),
    ),
    state.store32('codeRecords', records.get),
    entry.set(i32.add(bank.get, i32.shl(index, i32.const(DATA_ENTRY_SHIFT)))),
    // A page that two virtual pages share an entry for loses the other one's rights.
    i64.store(
      entry.get,
      choose(i32.and(allowed.get, i32.const(PERMISSION.load)), virtualPage, invalid(index)),
      DATA_ENTRY.loadTag,
    ),
    i64.store(
      entry.get,
      choose(
        i32.and(i32.ne(i32.and(allowed.get, i32.const(PERMISSION.store)), i32.const(0)), i32.eqz(records.get)),
        virtualPage,
        invalid(index),
      ),
      DATA_ENTRY.storeTag,
    ),
    i32.store(entry.get, linearPage.get, DATA_ENTRY.memory),
    logged(state, 'dataLogCount', AREA.dataLog, entry.get),
    returns(i32.or(linearPage.get, i32.and(i32.wrap(address.get), i32.const(PAGE_BYTES - 1)))),
  );
  return f;
}

/** As `invalidTag`. */
const invalid = (index: Expr<'i32'>): Expr<'i64'> =>
  i64.shl(i64.extend_u(i32.xor(index, i32.const(1))), i64.const(PAGE_SHIFT));

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
  const bank = f.local('i32');
  const tlbClass = f.local('i32');
  const code = f.local('i32');
  const page = f.local('i64');
  const allowed = f.local('i32');
  const records = f.local('i32');
  const entry = f.local('i32');
  const accessFault = seq(call(imports.fault, i32.const(CAUSE.instructionAccess), address.get), returns(i32.const(0)));
  const index = i32.and(i32.wrap(i64.shr_u(address.get, i64.const(PAGE_SHIFT))), i32.const(TLB_ENTRIES - 1));
  f.define(
    bank.set(state.load32('fetchBank')),
    tlbClass.set(i32.div_u(i32.sub(bank.get, i32.const(state.base + AREA.fetchBanks)), i32.const(FETCH_BANK_BYTES))),
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
    records.set(callFor(imports.recordsOfPage, toLinear(ram, page.get))),
    entry.set(i32.add(bank.get, i32.shl(index, i32.const(FETCH_ENTRY_SHIFT)))),
    i64.store(entry.get, i64.and(address.get, i64.const(PAGE_MASK)), FETCH_ENTRY.tag),
    i32.store(entry.get, records.get, FETCH_ENTRY.records),
    logged(state, 'fetchLogCount', AREA.fetchLog, entry.get),
    returns(records.get),
  );
  return f;
}
