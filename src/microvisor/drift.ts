/** Guards that what M-mode owns is what M-mode left there. */
import { PMP_ENTRIES, type PmpEntry } from '../firmware/index.ts';
import { SIDES } from '../machine/index.ts';
import { dmaState } from './dma-write.ts';
import { differences, type MachineState } from './machine-state.ts';
import type { Partition } from './partition.ts';
import { packConfig } from './pmp-write.ts';
import { Refusal } from './protocol.ts';

/** Differences a refusal names. */
const NAMED_MAX = 8;

/** @throws Refusal `state-drifted` that names what is not as expected */
export function checkNotDrifted(expected: MachineState, found: MachineState): void {
  const drift = differences(expected, found);
  if (drift.length === 0) return;
  const named = drift.slice(0, NAMED_MAX).map((one) => `${one.name} is ${one.found}, not ${one.expected}`);
  throw new Refusal('state-drifted', `${drift.length} values changed: ${named.join('; ')}`);
}

/** What changes in a virtualized machine, as its Microvisor believes it to be. */
export interface VirtualizedParts {
  readonly pmp: readonly PmpEntry[];
  readonly partition: Partition;
  /** Values of the steering registers and the hart's mtimecmp. */
  readonly steer: Readonly<Record<'A' | 'B', bigint>>;
  readonly mtimecmp: bigint;
}

/** `applied`, a capture made right after virtualize, with what has changed by intent since. */
export function expectedVirtualizedState(applied: MachineState, parts: VirtualizedParts): MachineState {
  const expected = new Map(applied);
  for (let index = 0; index < PMP_ENTRIES; index++) {
    expected.set(`pmpaddr${index}`, parts.pmp[index]?.address ?? 0n);
  }
  expected.set('pmpcfg0', packConfig(parts.pmp, 0));
  expected.set('pmpcfg2', packConfig(parts.pmp, 1));
  expected.set('mtimecmp', parts.mtimecmp);
  for (const side of SIDES) expected.set(`steer.${side}`, parts.steer[side]);
  for (const [name, value] of dmaState(parts.partition)) expected.set(name, value);
  return expected;
}
