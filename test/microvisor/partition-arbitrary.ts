import fc from 'fast-check';
import {
  MEMORY_BLOCK_BYTES,
  type MemoryRegion,
  MIB,
  memoryMap,
  SIDES,
  SLOTS_PER_SIDE,
} from '../../src/machine/index.ts';
import {
  assignBlock,
  assignMemory,
  assignSlot,
  guestMemory,
  type Partition,
  soleOwner,
} from '../../src/microvisor/partition.ts';

const side = fc.constantFrom(...SIDES);
const owner = fc.constantFrom(...SIDES, null);

/** Regions as they are given away: low stubs, banks with and without scratch, blocks, odd pages. */
const region = (partition: Partition): fc.Arbitrary<MemoryRegion> => {
  const { board } = partition;
  const all = guestMemory(board);
  const pages = fc
    .tuple(fc.nat({ max: all.bytes / 4096 - 1 }), fc.integer({ min: 1, max: 4096 }))
    .map(([page, count]) => ({
      base: all.base + page * 4096,
      bytes: Math.min(count * 4096, all.bytes - page * 4096),
    }));
  const named = fc.constantFrom(
    board.lowStub.A,
    board.lowStub.B,
    board.bank.A,
    board.bank.B,
    { base: board.scratch.B.base, bytes: 2 * MIB + board.bank.B.bytes },
    { base: board.bank.B.base, bytes: MEMORY_BLOCK_BYTES },
  );
  return fc.oneof({ weight: 4, arbitrary: named }, { weight: 1, arbitrary: pages });
};

type Change = (partition: Partition) => Partition;

/** A partition any sequence of requests could lead to. */
export const partitions: fc.Arbitrary<Partition> = fc
  .tuple(fc.constantFrom(1, 2, 3, 4, 8), side)
  .chain(([blocks, first]) => {
    const start = soleOwner(memoryMap(blocks * MEMORY_BLOCK_BYTES), first);
    const change: fc.Arbitrary<Change> = fc.oneof(
      fc.tuple(region(start), owner).map(
        ([of, to]): Change =>
          (partition) =>
            assignMemory(partition, of, to),
      ),
      fc.tuple(side, fc.nat({ max: SLOTS_PER_SIDE - 1 }), owner).map(
        ([of, index, to]): Change =>
          (partition) =>
            assignSlot(partition, { side: of, index }, to),
      ),
      fc.tuple(side, owner).map(
        ([of, to]): Change =>
          (partition) =>
            assignBlock(partition, of, to),
      ),
    );
    return fc
      .array(change, { maxLength: 12 })
      .map((changes) => changes.reduce((partition, apply) => apply(partition), start));
  });
