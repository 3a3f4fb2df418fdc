import { CSR, EXCEPTION, MSTATUS } from '../firmware/index.ts';
import type { MachineModeHart } from '../machine/index.ts';
import type { MachineState } from './machine-state.ts';

/** What a `wfi` raises under mstatus.TW. */
const ILLEGAL_INSTRUCTION = 1n << BigInt(EXCEPTION.illegalInstruction);

/**
 * Whether a `wfi` on a hart comes to M-mode: only where another guest could have the hart meanwhile. A guest that has the
 * hart for itself waits as on a bare machine, and M-mode is not entered for it. Registers are written only when it changes.
 */
export class WaitTrap {
  #isSet: boolean;

  constructor(isSet: boolean) {
    this.#isSet = isSet;
  }

  get isSet(): boolean {
    return this.#isSet;
  }

  set(hart: MachineModeHart, wanted: boolean): void {
    if (wanted === this.#isSet) return;
    this.#isSet = wanted;
    const write = (address: number, bits: bigint, on: boolean): void => {
      const others = hart.csr(address) & ~bits;
      hart.setCsr(address, on ? others | bits : others);
    };
    write(CSR.mstatus, MSTATUS.TW, wanted);
    write(CSR.medeleg, ILLEGAL_INSTRUCTION, !wanted);
  }

  /** `applied`, in which no `wfi` traps, as it is now. */
  expected(applied: MachineState): MachineState {
    if (!this.#isSet) return applied;
    const expected = new Map(applied);
    expected.set('mstatus', (applied.get('mstatus') ?? 0n) | MSTATUS.TW);
    expected.set('medeleg', (applied.get('medeleg') ?? 0n) & ~ILLEGAL_INSTRUCTION);
    return expected;
  }
}

/** A machine state with the trap as it was right after virtualize: off. */
export function withoutWaitTrap(state: MachineState): MachineState {
  const without = new Map(state);
  without.set('mstatus', (state.get('mstatus') ?? 0n) & ~MSTATUS.TW);
  without.set('medeleg', (state.get('medeleg') ?? 0n) | ILLEGAL_INSTRUCTION);
  return without;
}
