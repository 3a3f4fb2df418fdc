/**
 * The DMA ranges of a slot: its owner's memory, nothing for a slot without owner. PMP checks the harts only, so that
 * without this a guest could have a device read or write what it may not itself.
 */
import { type MemoryRegion, PARTITION_REGISTERS } from '../machine/index.ts';
import { describeRegion, memoryOf, type Partition, type SlotName } from './partition.ts';
import { Refusal } from './refusal.ts';

/** @throws Refusal `iopmp-exhausted` */
export function dmaRangesOf(partition: Partition, { side, index }: SlotName): readonly MemoryRegion[] {
  const owner = partition.slots[side][index] ?? null;
  if (owner === null) return [];
  const ranges = memoryOf(partition, owner);
  const most = PARTITION_REGISTERS.iopmpRangesPerSlot;
  if (ranges.length > most) {
    throw new Refusal(
      'iopmp-exhausted',
      `a slot has ${most} DMA ranges, guest ${owner} owns ${ranges.map(describeRegion).join(', ')}`,
    );
  }
  return ranges;
}
