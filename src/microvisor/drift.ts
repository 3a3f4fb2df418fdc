/** Guards that what M-mode owns is what M-mode left there. */
import { PMP_ENTRIES, type PmpEntry } from '../firmware/index.ts';
import { SIDES, type Side } from '../machine/index.ts';
import { dmaState } from './dma-write.ts';
import { differences, type MachineState } from './machine-state.ts';
import type { Partition } from './partition.ts';
import { packConfig } from './pmp-write.ts';
import { Refusal } from './refusal.ts';

/** Differences a refusal names. */
const NAMED_MAX = 8;

/** @throws Refusal `state-drifted` that names what is not as expected */
export function checkNotDrifted(expected: MachineState, found: MachineState): void {
  const drift = differences(expected, found);
  if (drift.length === 0) return;
  const named = drift.slice(0, NAMED_MAX).map((one) => `${one.name} is ${one.found}, not ${one.expected}`);
  throw new Refusal('state-drifted', `${drift.length} values changed: ${named.join('; ')}`);
}

/** What changes in a hart of a virtualized machine, as its Microvisor believes it to be. */
export interface HartParts {
  readonly pmp: readonly PmpEntry[];
  readonly mtimecmp: bigint;
}

/** `applied`, a capture of the hart made right after virtualize, with what has changed by intent since. */
export function expectedHartState(applied: MachineState, parts: HartParts): MachineState {
  const expected = new Map(applied);
  for (let index = 0; index < PMP_ENTRIES; index++) {
    expected.set(`pmpaddr${index}`, parts.pmp[index]?.address ?? 0n);
  }
  expected.set('pmpcfg0', packConfig(parts.pmp, 0));
  expected.set('pmpcfg2', packConfig(parts.pmp, 1));
  expected.set('mtimecmp', parts.mtimecmp);
  return expected;
}

/** What the harts share, as the Microvisor believes it to be; `steer`: the bits of each hart. */
export function expectedBoardState(
  partition: Partition,
  steer: readonly Readonly<Record<Side, bigint>>[],
): MachineState {
  const expected = new Map(dmaState(partition));
  for (const side of SIDES) {
    expected.set(
      `steer.${side}`,
      steer.reduce((word, of) => word | of[side], 0n),
    );
  }
  return expected;
}
