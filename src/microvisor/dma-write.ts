import { setDmaRanges } from '../firmware/partition.ts';
import type { MachineModeHart, MemoryRegion } from '../machine/index.ts';
import { SIDES, SLOTS_PER_SIDE } from '../machine/index.ts';
import { dmaRangesOf } from './iopmp-plan.ts';
import type { Partition, SlotName } from './partition.ts';

const ALL_SLOTS: readonly SlotName[] = SIDES.flatMap((side) =>
  Array.from({ length: SLOTS_PER_SIDE }, (_, index) => ({ side, index })),
);

/** Writes the DMA ranges of each slot that differ from those of `before` (absent: unknown). */
export function writeDmaPlan(hart: MachineModeHart, partition: Partition, before?: Partition): void {
  for (const slot of ALL_SLOTS) {
    const ranges = dmaRangesOf(partition, slot);
    if (before !== undefined && sameRanges(ranges, dmaRangesOf(before, slot))) continue;
    setDmaRanges(hart, slot.side, slot.index, ranges);
  }
}

/** @throws Refusal when a slot's owner has more regions than a slot has ranges */
export function checkDmaPlan(partition: Partition): void {
  for (const slot of ALL_SLOTS) dmaRangesOf(partition, slot);
}

const sameRanges = (left: readonly MemoryRegion[], right: readonly MemoryRegion[]): boolean =>
  left.length === right.length &&
  left.every((range, index) => range.base === right[index]?.base && range.bytes === right[index]?.bytes);
