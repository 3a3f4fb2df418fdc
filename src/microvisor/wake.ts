/** When a guest that waits can go on. */
import type { MachineModeHart } from '../machine/index.ts';
import { CSR, INTERRUPT, S_INTERRUPTS } from './csr.ts';
import type { Guest } from './guest.ts';
import { type HartContext, stimecmpOf } from './hart-context.ts';
import { ticksOf } from './virtualized.ts';

const WFI_BYTES = 4n;

/** Whether an interrupt the guest in the hart has enabled is pending: [Priv] "Wait for Interrupt". */
export const hasInterruptInHart = (hart: MachineModeHart): boolean =>
  (hart.csr(CSR.mip) & hart.csr(CSR.mie) & S_INTERRUPTS) !== 0n;

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

/** Lets a guest that waited go on, with the interrupt that ends its wait pending. False: its call still waits. */
export function endWait(hart: MachineModeHart, guest: Guest): boolean {
  const { wait } = guest;
  if (wait === undefined) return true;
  if (wait.kind === 'sbi' && !wait.until()) return false;
  if (wait.kind === 'wfi') advance(hart, guest);
  guest.wait = undefined;
  return true;
}

function advance(hart: MachineModeHart, guest: Guest): void {
  if (guest.context === undefined) hart.setCsr(CSR.mepc, hart.csr(CSR.mepc) + WFI_BYTES);
  else guest.context = { ...guest.context, pc: guest.context.pc + WFI_BYTES };
}
