/** Writes DMA ranges: registers of a device are slow, so that only what differs is written. */
import type { MachineModeHart } from '../machine/index.ts';
import { PARTITION_CONTROLLER, PARTITION_REGISTERS, SIDES, SLOTS_PER_SIDE } from '../machine/index.ts';
import { dmaRangesOf } from './iopmp-plan.ts';
import type { MachineState } from './machine-state.ts';
import type { Partition, SlotName } from './partition.ts';

const RANGES = PARTITION_REGISTERS.iopmpRangesPerSlot;
const RANGE_BYTES = 16;

export const ALL_SLOTS: readonly SlotName[] = SIDES.flatMap((side) =>
  Array.from({ length: SLOTS_PER_SIDE }, (_, index) => ({ side, index })),
);

/** Base and size of each range of each slot as values of a machine state. A range a slot does not have is 0, 0. */
export function dmaState(partition: Partition): MachineState {
  const state = new Map<string, bigint>();
  for (const slot of ALL_SLOTS) setRanges(state, slot, dmaRangesOf(partition, slot));
  return state;
}

/** The ranges of a slot in a machine state. */
export function setRanges(
  state: Map<string, bigint>,
  slot: SlotName,
  ranges: readonly { readonly base: number; readonly bytes: number }[],
): void {
  for (let range = 0; range < RANGES; range++) {
    const { base, bytes } = ranges[range] ?? { base: 0, bytes: 0 };
    state.set(rangeKey(slot, range, 'base'), BigInt(base));
    state.set(rangeKey(slot, range, 'bytes'), BigInt(bytes));
  }
}

/** Makes the DMA ranges those of `wanted`; `before`: what they are (absent: unknown). */
export function writeDmaState(hart: MachineModeHart, wanted: MachineState, before?: MachineState): void {
  for (const slot of ALL_SLOTS) {
    for (let range = 0; range < RANGES; range++) writeRange(hart, slot, range, wanted, before);
  }
}

function writeRange(
  hart: MachineModeHart,
  slot: SlotName,
  range: number,
  wanted: MachineState,
  before: MachineState | undefined,
): void {
  const changes = (field: 'base' | 'bytes'): boolean => {
    const key = rangeKey(slot, range, field);
    return before === undefined || before.get(key) !== wanted.get(key);
  };
  const value = (field: 'base' | 'bytes'): bigint => {
    const key = rangeKey(slot, range, field);
    const found = wanted.get(key);
    if (found === undefined) throw new Error(`no ${key} in the machine state to be written`);
    return found;
  };
  if (!changes('base') && !changes('bytes')) return;
  const register = rangeRegister(slot, range);
  // Off while the base changes, so that no moment gives the device more than before or after.
  hart.store(register + 8, 8, 0n);
  hart.store(register, 8, value('base'));
  hart.store(register + 8, 8, value('bytes'));
}

export const rangeKey = ({ side, index }: SlotName, range: number, field: 'base' | 'bytes'): string =>
  `iopmp.${side}${index}.${field}${range}`;

/** Address of a range's base; its size is 8 bytes further. */
export function rangeRegister({ side, index }: SlotName, range: number): number {
  const slot = SIDES.indexOf(side) * SLOTS_PER_SIDE + index;
  return PARTITION_CONTROLLER.base + PARTITION_REGISTERS.iopmp + (slot * RANGES + range) * RANGE_BYTES;
}
