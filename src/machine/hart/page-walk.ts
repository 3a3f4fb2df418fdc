/**
 * The page table walk in generated code. Source: [Priv] "Sv39: Page-Based 39-bit Virtual-Memory System", "Virtual
 * Address Translation Process". The hart sets A and D bits itself.
 */
import {
  block,
  br,
  brIf,
  type Callable,
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
import { type GuestRam, inRam, toLinear } from './guest-ram.ts';
import {
  PAGE_BYTES,
  PAGE_SHIFT,
  PERMISSION,
  PERMISSION_MACHINE_SHIFT,
  PMP_INTERVAL,
  PMP_INTERVAL_BYTES,
  STATE,
  SUPERPAGE_MARKS_PER_HALF,
  TLB_CLASS,
  TLB_CONTEXT,
} from './layout.ts';
import type { StateAccess } from './state-access.ts';
import { CAUSE } from './trap-cause.ts';

/** Access types of the walk: also the bit number of the permission. */
export const ACCESS = { load: 0, store: 1, fetch: 2 } as const;

export const PTE = { V: 1, R: 2, W: 4, X: 8, U: 16, G: 32, A: 64, D: 128 } as const;
export const PTE_PPN_SHIFT = 10;
export const PTE_PPN_MASK = (1n << 44n) - 1n;
/** N, PBMT and reserved bits: none of their extensions is here, so they must be zero. */
const PTE_RESERVED = 0xffc0_0000_0000_0000n;
export const SV39_LEVELS = 3;
export const VPN_BITS = 9;
const PAGE_MASK = -PAGE_BYTES;

/** (physical address of a page, class) → PERMISSION bits; -1 when a PMP boundary lies inside the page. */
export function definePmpOfPage(module: ModuleBuilder, state: StateAccess): Callable<'i32'> {
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

export function defineWalk(
  module: ModuleBuilder,
  state: StateAccess,
  ram: GuestRam,
  pmpOfPage: Callable<'i32'>,
  pmpAllowsEntry: Callable<'i32'>,
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

  /** Page tables are read and written with the rights of S-mode. */
  const pteAllowed = (bit: number): Expr<'i32'> =>
    i32.and(
      inRam(ram, entryAddress.get),
      choose(
        i32.eq(pmp.get, i32.const(-1)),
        callFor(pmpAllowsEntry, entryAddress.get, i32.const(bit)),
        i32.ne(i32.and(pmp.get, i32.const(bit)), i32.const(0)),
      ),
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
    when(i64.ne(shift.get, i64.const(PAGE_SHIFT)), markSuperpage(state, address.get, shift.get)),
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

/** Entries made of a superpage are of single pages: a fence for one address must find them all. */
function markSuperpage(state: StateAccess, address: Expr<'i64'>, shift: Expr<'i64'>): Stmt {
  const upperHalf = i32.and(i32.wrap(i64.shr_u(address, i64.const(63))), i32.const(1));
  const mark = i32.and(i32.wrap(i64.shr_u(address, shift)), i32.const(SUPERPAGE_MARKS_PER_HALF - 1));
  return i32.store8(
    i32.add(
      state.load32('tlbContext'),
      i32.add(mark, i32.shl(upperHalf, i32.const(Math.log2(SUPERPAGE_MARKS_PER_HALF)))),
    ),
    i32.const(1),
    TLB_CONTEXT.superpages,
  );
}
