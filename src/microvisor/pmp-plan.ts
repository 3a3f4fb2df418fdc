/**
 * The PMP of a hart while a guest runs on it. The lowest matching entry decides; below M-mode an address no entry
 * matches is denied ([Priv] "Physical Memory Protection").
 *
 * | entries | region                                                       | S and U mode |
 * |---------|--------------------------------------------------------------|--------------|
 * | 0       | firmware memory                                              | denied       |
 * | 1       | M-mode I/O: ACLINT, partition controller                     | denied       |
 * | next    | slots of the guest's own block that another owns, or nobody  | denied       |
 * | next    | slots the guest owns in a block that is not its own          | rwx          |
 * | next    | the guest's own block, or both when it is alone              | rwx          |
 * | next    | memory the guest owns: NAPOT (1 entry) or TOR (2 entries)    | rwx          |
 * | rest    | off: everything else is denied by absence of a match         | denied       |
 */
import { napot, PMP_CFG, PMP_ENTRIES, PMP_OFF, type PmpEntry } from '../firmware/index.ts';
import type { MemoryRegion, Side } from '../machine/index.ts';
import { M_MODE_IO, SIDE_IO, SIDE_IO_BASE, SIDE_IO_BYTES, SIDES, SLOTS_PER_SIDE, slotBase } from '../machine/index.ts';
import { memoryOf, type Partition } from './partition.ts';
import { Refusal } from './refusal.ts';

const RWX = PMP_CFG.R | PMP_CFG.W | PMP_CFG.X;
const DENIED = 0;
/** [Priv] pmpcfg.A = 1: the entry's upper bound, from the address of the entry before. */
const TOR = 1 << 3;

/** Made once for each partition: a world switch asks for it. */
const plans = new WeakMap<Partition, Map<Side, readonly PmpEntry[]>>();

/** All sixteen entries for a hart on which `guest` runs. @throws Refusal `pmp-exhausted` */
export function pmpForPartition(partition: Partition, guest: Side): readonly PmpEntry[] {
  const known = plans.get(partition) ?? new Map<Side, readonly PmpEntry[]>();
  plans.set(partition, known);
  const plan = known.get(guest) ?? makePlan(partition, guest);
  known.set(guest, plan);
  return plan;
}

function makePlan(partition: Partition, guest: Side): readonly PmpEntry[] {
  const entries = [
    napot(partition.board.firmware, DENIED),
    napot(M_MODE_IO, DENIED),
    ...foreignSlotsOfOwnBlocks(partition, guest).map((region) => napot(region, DENIED)),
    ...slotsOfForeignBlocks(partition, guest).map((region) => napot(region, RWX)),
    ...ownBlocks(partition, guest).map((region) => napot(region, RWX)),
    ...memoryOf(partition, guest).flatMap(memoryEntries),
  ];
  if (entries.length > PMP_ENTRIES) {
    throw new Refusal(
      'pmp-exhausted',
      `guest ${guest} would need ${entries.length} PMP entries, the hart has ${PMP_ENTRIES}`,
    );
  }
  return [...entries, ...Array.from({ length: PMP_ENTRIES - entries.length }, () => PMP_OFF)];
}

function foreignSlotsOfOwnBlocks(partition: Partition, guest: Side): readonly MemoryRegion[] {
  return blockSides(partition, guest).flatMap((side) =>
    slotCover(side, (index) => partition.slots[side][index] !== guest),
  );
}

function slotsOfForeignBlocks(partition: Partition, guest: Side): readonly MemoryRegion[] {
  return SIDES.filter((side) => partition.blocks[side] !== guest).flatMap((side) =>
    slotCover(side, (index) => partition.slots[side][index] === guest),
  );
}

const blockSides = (partition: Partition, guest: Side): readonly Side[] =>
  SIDES.filter((side) => partition.blocks[side] === guest);

/** The two blocks are neighbours, together one naturally aligned region. */
function ownBlocks(partition: Partition, guest: Side): readonly MemoryRegion[] {
  const sides = blockSides(partition, guest);
  if (sides.length === SIDES.length) return [{ base: SIDE_IO_BASE.A, bytes: 2 * SIDE_IO_BYTES }];
  return sides.map((side) => ({ base: SIDE_IO_BASE[side], bytes: SIDE_IO_BYTES }));
}

/** The slots that `belongs` says, as the fewest naturally aligned regions. */
function slotCover(
  side: Side,
  belongs: (index: number) => boolean,
  first = 0,
  count = SLOTS_PER_SIDE,
): readonly MemoryRegion[] {
  const members = Array.from({ length: count }, (_, index) => belongs(first + index));
  if (members.every((member) => member)) {
    return [{ base: slotBase(side, first), bytes: count * SIDE_IO.slots.bytes }];
  }
  if (!members.some((member) => member)) return [];
  const half = count / 2;
  return [...slotCover(side, belongs, first, half), ...slotCover(side, belongs, first + half, half)];
}

function memoryEntries(region: MemoryRegion): readonly PmpEntry[] {
  if (isNaturallyAligned(region)) return [napot(region, RWX)];
  return [
    { config: 0, address: pmpAddress(region.base) },
    { config: TOR | RWX, address: pmpAddress(region.base + region.bytes) },
  ];
}

const pmpAddress = (address: number): bigint => BigInt(address) >> 2n;

const isNaturallyAligned = ({ base, bytes }: MemoryRegion): boolean =>
  Number.isInteger(Math.log2(bytes)) && base % bytes === 0;
