import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { PMP_ENTRIES } from '../../src/firmware/index.ts';
import {
  M_MODE_IO,
  MEMORY_BLOCK_BYTES,
  memoryMap,
  RAM_BASE,
  SIDE_IO,
  SIDE_IO_BASE,
  SIDE_IO_BYTES,
  SIDES,
  type Side,
  SLOTS_PER_SIDE,
  slotBase,
} from '../../src/machine/index.ts';
import { dmaRangesOf } from '../../src/microvisor/iopmp-plan.ts';
import {
  assignBlock,
  assignMemory,
  assignSlot,
  memoryOf,
  ownsMemory,
  type Partition,
  release,
  soleOwner,
} from '../../src/microvisor/partition.ts';
import { pmpForPartition } from '../../src/microvisor/pmp-plan.ts';
import { Refusal } from '../../src/microvisor/refusal.ts';
import { partitions } from './partition-arbitrary.ts';
import { pmpAllows } from './pmp-reference.ts';

const MAP = memoryMap(4 * MEMORY_BLOCK_BYTES);

/** Whether the partition gives `guest` the byte at `address`: the definition the plan is held against. */
function owns(partition: Partition, guest: Side, address: number): boolean {
  for (const side of SIDES) {
    const offset = address - SIDE_IO_BASE[side];
    if (offset < 0 || offset >= SIDE_IO_BYTES) continue;
    const slot = Math.floor((offset - SIDE_IO.slots.offset) / SIDE_IO.slots.bytes);
    const isSlot = slot >= 0 && slot < SLOTS_PER_SIDE;
    return (isSlot ? partition.slots[side][slot] : partition.blocks[side]) === guest;
  }
  return ownsMemory(partition, guest, address, 1);
}

/** Both sides of every boundary there is, and what lies between. */
function probes(partition: Partition): readonly number[] {
  const boundaries = [
    0,
    M_MODE_IO.base,
    M_MODE_IO.base + M_MODE_IO.bytes,
    RAM_BASE,
    RAM_BASE + partition.board.ramBytes,
    ...SIDES.flatMap((side) => [
      SIDE_IO_BASE[side],
      SIDE_IO_BASE[side] + SIDE_IO.uart.offset,
      SIDE_IO_BASE[side] + SIDE_IO_BYTES,
      ...Array.from({ length: SLOTS_PER_SIDE + 1 }, (_, index) => slotBase(side, index)),
    ]),
    ...partition.memory.flatMap(({ base, bytes }) => [base, base + bytes, base + bytes / 2]),
  ];
  return boundaries.flatMap((at) => [at - 4096, at - 1, at, at + 1, at + 4096]).filter((at) => at >= 0);
}

/** The plan, or undefined where the hart has too few entries for it. */
function planOf(partition: Partition, guest: Side): ReturnType<typeof pmpForPartition> | undefined {
  try {
    return pmpForPartition(partition, guest);
  } catch (error) {
    if (error instanceof Refusal && error.code === 'pmp-exhausted') return undefined;
    throw error;
  }
}

describe('pmpForPartition', () => {
  it('allows an address if and only if the guest owns it', () => {
    fc.assert(
      fc.property(
        partitions,
        fc.constantFrom(...SIDES),
        fc.array(fc.nat({ max: 0xffff_ffff })),
        (partition, guest, random) => {
          const plan = planOf(partition, guest);
          fc.pre(plan !== undefined);
          for (const address of [...probes(partition), ...random]) {
            expect([address.toString(16), pmpAllows(plan!, address)]).toEqual([
              address.toString(16),
              owns(partition, guest, address),
            ]);
          }
        },
      ),
      { numRuns: 300 },
    );
  });

  it('has room for both guests whatever slots change hands between two sides', () => {
    fc.assert(
      fc.property(fc.array(fc.constantFrom<Side>('A', 'B'), { minLength: 4, maxLength: 4 }), (owners) => {
        let partition = twoGuests();
        for (const [index, owner] of owners.entries()) partition = assignSlot(partition, { side: 'A', index }, owner);
        for (const guest of SIDES) expect(pmpForPartition(partition, guest)).toHaveLength(PMP_ENTRIES);
      }),
    );
  });

  it('refuses a partition that needs more entries than the hart has', () => {
    let partition = twoGuests();
    for (let index = 0; index < 12; index++) {
      const region = { base: MAP.bank.A.base + index * 0x20_0000, bytes: 0x1000 };
      partition = assignMemory(partition, region, 'B');
    }
    expect(() => pmpForPartition(partition, 'A')).toThrow(/would need \d+ PMP entries, the hart has 16/);
  });
});

describe('a partition', () => {
  it('gives all of memory but the firmware to a guest that is alone', () => {
    expect(memoryOf(soleOwner(MAP, 'A'), 'A')).toEqual([
      { base: MAP.firmware.base + MAP.firmware.bytes, bytes: MAP.ramBytes - MAP.firmware.bytes },
    ]);
  });

  it('keeps memory disjoint and sorted through any changes', () => {
    fc.assert(
      fc.property(partitions, ({ memory }) => {
        for (const [index, region] of memory.entries()) {
          const next = memory[index + 1];
          if (next !== undefined) expect(region.base + region.bytes).toBeLessThanOrEqual(next.base);
        }
      }),
    );
  });

  it('gives a slot the DMA of its owner and of nobody else', () => {
    const partition = assignSlot(twoGuests(), { side: 'A', index: 3 }, 'B');
    expect(dmaRangesOf(partition, { side: 'A', index: 3 })).toEqual([MAP.lowStub.B, MAP.bank.B]);
    expect(dmaRangesOf(release(partition, 'B'), { side: 'A', index: 3 })).toEqual([]);
  });

  it.each([
    { base: MAP.firmware.base, bytes: 4096, why: 'firmware memory' },
    { base: RAM_BASE + MAP.ramBytes, bytes: 4096, why: 'memory there is not' },
    { base: MAP.bank.B.base + 12, bytes: 4096, why: 'part of a page' },
    { base: MAP.bank.B.base, bytes: 0, why: 'no memory' },
    { base: MAP.bank.B.base, bytes: -4096, why: 'a negative size' },
  ])('refuses to give away $why', ({ base, bytes }) => {
    expect(() => assignMemory(soleOwner(MAP, 'A'), { base, bytes }, 'B')).toThrow(Refusal);
  });
});

function twoGuests(): Partition {
  let partition = assignBlock(soleOwner(MAP, 'A'), 'B', 'B');
  for (const region of [MAP.lowStub.B, MAP.bank.B]) partition = assignMemory(partition, region, 'B');
  for (let index = 0; index < SLOTS_PER_SIDE; index++) partition = assignSlot(partition, { side: 'B', index }, 'B');
  return partition;
}
