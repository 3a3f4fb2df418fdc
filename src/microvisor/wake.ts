/** When a guest that waits can go on. */
import { CSR, INTERRUPT } from '../firmware/index.ts';
import type { MachineModeHart } from '../machine/index.ts';
import { type HartContext, stimecmpOf } from './hart-context.ts';
import type { VirtualHart } from './virtual-hart.ts';
import { ticksOf } from './virtualized.ts';

const WFI_BYTES = 4n;

/** Whether an interrupt the guest in the hart has enabled is pending: [Priv] "Wait for Interrupt". */
export const hasInterruptInHart = (hart: MachineModeHart): boolean =>
  (hart.csr(CSR.mip) & hart.csr(CSR.mie) & INTERRUPT.S) !== 0n;

/** Whether one is pending for a guest that is not in the hart; `asserted`: its PLIC has one for it. */
export function hasInterrupt(context: HartContext, asserted: boolean, nowTicks: number): boolean {
  const external = asserted && (context.sie & INTERRUPT.SEI) !== 0n;
  const software = (context.ssip & context.sie) !== 0n;
  return external || software || timerOf(context) <= nowTicks;
}

/** When its own timer wakes a guest that is not in the hart, in ticks; Infinity: never. */
export const timerOf = (context: HartContext): number =>
  (context.sie & INTERRUPT.STI) === 0n ? Number.POSITIVE_INFINITY : ticksOf(stimecmpOf(context));

/** Whether the PLIC can wake it. */
export const heedsPlic = (context: HartContext): boolean => (context.sie & INTERRUPT.SEI) !== 0n;

/**
 * Lets a guest that waited go on: with an interrupt pending, or when the call it is in returns. False: it waits still.
 */
export function endWait(hart: MachineModeHart, virtual: VirtualHart, interrupted: boolean): boolean {
  const { wait } = virtual;
  if (wait === undefined) return true;
  if (!(wait.kind === 'sbi' ? wait.until() : interrupted)) return false;
  if (wait.kind === 'wfi') advance(hart, virtual);
  virtual.wait = undefined;
  return true;
}

function advance(hart: MachineModeHart, virtual: VirtualHart): void {
  if (virtual.context === undefined) hart.setCsr(CSR.mepc, hart.csr(CSR.mepc) + WFI_BYTES);
  else virtual.context = { ...virtual.context, pc: virtual.context.pc + WFI_BYTES };
}
