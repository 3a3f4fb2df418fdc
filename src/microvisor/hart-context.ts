/**
 * What a guest has in a hart, and how it leaves and enters it.
 *
 * F and D registers move with every switch. Without the H extension a guest turns FS on itself, with no trap, and Linux
 * turns it off on each kernel entry while the registers still hold a program's values: neither hiding FS nor its dirty
 * bits would tell what may be left behind.
 */

import { COUNTEREN_CY_TM_IR, CSR, type HartStart, INTERRUPT, MSTATUS } from '../firmware/index.ts';
import type { MachineModeHart } from '../machine/index.ts';
import { MICROVISOR_COSTS } from './cost-table.ts';
import { TIMER_OFF } from './hart-timer.ts';

/** S-mode CSRs saved and restored as they read. satp comes last: its write takes the new guest's page tables. */
const S_MODE_CSRS = [
  CSR.stvec,
  CSR.sscratch,
  CSR.sepc,
  CSR.scause,
  CSR.stval,
  CSR.scounteren,
  CSR.senvcfg,
  CSR.stimecmp,
  CSR.satp,
] as const;

/** Bits of mstatus that are the guest's: what sstatus shows of it, and the mode it was trapped in. */
const MSTATUS_GUEST =
  MSTATUS.SIE |
  MSTATUS.SPIE |
  MSTATUS.UBE |
  MSTATUS.SPP |
  MSTATUS.VS |
  MSTATUS.MPP |
  MSTATUS.FS |
  MSTATUS.XS |
  MSTATUS.SUM |
  MSTATUS.MXR |
  MSTATUS.UXL;

/** S-mode CSRs that are not 0 when an OS is entered, as the firmware's startOs leaves them. */
const FRESH_CSRS: Readonly<Record<number, bigint>> = {
  [CSR.stimecmp]: TIMER_OFF,
  [CSR.scounteren]: COUNTEREN_CY_TM_IR,
};

const REGISTERS = 32;
const A0 = 10;
const A1 = 11;

/** How many registers of each kind a context has. */
export const CONTEXT_REGISTERS = { x: REGISTERS - 1, f: REGISTERS, csrs: S_MODE_CSRS.length } as const;

export interface HartContext {
  /** x1..x31. */
  readonly x: readonly bigint[];
  /** f0..f31, raw. */
  readonly f: readonly bigint[];
  readonly fcsr: bigint;
  readonly pc: bigint;
  readonly mstatus: bigint;
  /** Its interrupts' enable bits in mie. */
  readonly sie: bigint;
  /** mip.SSIP, the only pending bit that is state: STIP follows stimecmp, SEIP the PLIC. */
  readonly ssip: bigint;
  /** In the order of S_MODE_CSRS. */
  readonly csrs: readonly bigint[];
}

/** stimecmp of a context that waits. */
export const stimecmpOf = (context: HartContext): bigint => context.csrs[S_MODE_CSRS.indexOf(CSR.stimecmp)] ?? 0n;

/**
 * A hart about to execute an OS's first instruction in S-mode: a0 = hart id, a1 = `opaque`, translation and interrupts
 * off. Source: [SBI] "Hart State Management Extension", register state on hart start.
 */
export function freshContext(hart: MachineModeHart, start: HartStart): HartContext {
  // An OS that was here before may have had its page tables where this one has them.
  hart.fenceVma();
  const x = new Array<bigint>(REGISTERS - 1).fill(0n);
  x[A0 - 1] = BigInt(hart.hartId);
  x[A1 - 1] = start.opaque;
  return {
    x,
    f: new Array<bigint>(REGISTERS).fill(0n),
    fcsr: 0n,
    pc: start.address,
    mstatus: (hart.csr(CSR.mstatus) & MSTATUS.UXL) | MSTATUS.MPP_S,
    sie: 0n,
    ssip: 0n,
    csrs: S_MODE_CSRS.map((address) => FRESH_CSRS[address] ?? 0n),
  };
}

/** Takes the guest's state out of the hart. */
export function saveContext(hart: MachineModeHart): HartContext {
  const mstatus = hart.csr(CSR.mstatus);
  hart.setCsr(CSR.mstatus, mstatus | MSTATUS.FS);
  hart.charge(REGISTERS * MICROVISOR_COSTS.floatRegister);
  return {
    x: Array.from({ length: REGISTERS - 1 }, (_, index) => hart.x(index + 1)),
    f: Array.from({ length: REGISTERS }, (_, index) => hart.f(index)),
    fcsr: hart.csr(CSR.fcsr),
    pc: hart.csr(CSR.mepc),
    mstatus: mstatus & MSTATUS_GUEST,
    sie: hart.csr(CSR.mie) & INTERRUPT.S,
    ssip: hart.csr(CSR.mip) & INTERRUPT.SSI,
    csrs: S_MODE_CSRS.map((address) => hart.csr(address)),
  };
}

/** Puts a guest's state into the hart; `mret` continues it. The caller has written the PMP. */
export function restoreContext(hart: MachineModeHart, context: HartContext): void {
  const mstatus = hart.csr(CSR.mstatus) & ~MSTATUS_GUEST;
  hart.setCsr(CSR.mstatus, mstatus | MSTATUS.FS);
  hart.charge(REGISTERS * MICROVISOR_COSTS.floatRegister);
  for (const [index, value] of context.f.entries()) hart.setF(index, value);
  hart.setCsr(CSR.fcsr, context.fcsr);
  hart.setCsr(CSR.mstatus, mstatus | context.mstatus);
  for (const [index, address] of S_MODE_CSRS.entries()) hart.setCsr(address, context.csrs[index] ?? 0n);
  restoreInterrupts(hart, context);
  for (const [index, value] of context.x.entries()) hart.setX(index + 1, value);
  hart.setCsr(CSR.mepc, context.pc);
}

function restoreInterrupts(hart: MachineModeHart, context: HartContext): void {
  hart.setCsr(CSR.mie, (hart.csr(CSR.mie) & ~INTERRUPT.S) | context.sie);
  // SEIP reads as the PLIC's line: written back as 0, or the read would make a software interrupt of it.
  hart.setCsr(CSR.mip, context.ssip);
}

/** Nothing of a guest that has ended wakes the hart. */
export function clearContext(hart: MachineModeHart): void {
  hart.setCsr(CSR.mie, hart.csr(CSR.mie) & ~INTERRUPT.S);
  hart.setCsr(CSR.stimecmp, TIMER_OFF);
  hart.setCsr(CSR.mip, 0n);
}
