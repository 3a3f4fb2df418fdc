/** The partition as the machine enforces it, against its definition: random layouts, probed by a guest around every boundary. */
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { type MemoryRegion, SIDES, type Side, SLOTS_PER_SIDE, slotBase } from '../../src/machine/index.ts';
import type { ControlRequest } from '../../src/microvisor/index.ts';
import { type Probe, prober, ticker } from './tiny-guests.ts';
import { BOARD, resultsOf, TinyNode } from './tiny-node.ts';

const PAGE = 4096;
const LOAD_FAULT = 5n;
/** Beyond what the guest's program and results take. */
const FREE_OFFSET = 0x200_0000;

/** Memory that changes hands: of either bank, away from where the guests' own programs are. */
const region: fc.Arbitrary<MemoryRegion> = fc
  .record({
    side: fc.constantFrom(...SIDES),
    page: fc.nat({ max: 8000 }),
    pages: fc.oneof(fc.constantFrom(1, 2, 256, 512, 4096), fc.integer({ min: 1, max: 2000 })),
  })
  .map(({ side, page, pages }) => ({ base: BOARD.bank[side].base + FREE_OFFSET + page * PAGE, bytes: pages * PAGE }));

const change: fc.Arbitrary<ControlRequest> = fc.oneof(
  {
    weight: 3,
    arbitrary: fc
      .record({ region, owner: fc.constantFrom(...SIDES, null) })
      .map((to) => ({ op: 'setMemory' as const, ...to })),
  },
  {
    weight: 2,
    arbitrary: fc
      .record({ side: fc.constantFrom(...SIDES), index: fc.integer({ min: 1, max: SLOTS_PER_SIDE - 1 }) })
      .chain((slot) => fc.constantFrom(...SIDES, null).map((owner) => ({ op: 'moveSlot' as const, slot, owner }))),
  },
);

it('A guest reaches an address if and only if the partition says that it is its own', { timeout: 120_000 }, () => {
  let layouts = 0;
  fc.assert(
    fc.property(fc.array(change, { minLength: 1, maxLength: 6 }), (changes) => {
      const touched = changes.flatMap((each) => ('region' in each ? [each.region] : []));
      const memory = [...touched, BOARD.bank.A, BOARD.bank.B, BOARD.lowStub.A, BOARD.lowStub.B, BOARD.scratch.B];
      const addresses = memory.flatMap(({ base, bytes }) => [
        base - 4,
        base,
        base + bytes / 2,
        base + bytes - 4,
        base + bytes,
      ]);
      const slots = SIDES.flatMap((side) =>
        Array.from({ length: SLOTS_PER_SIDE }, (_, index) => slotBase(side, index)),
      );
      const probes = [...new Set(addresses)].map((address): Probe => ({ kind: 'load', address: address & ~3 }));
      const all = [...probes, ...slots.map((address): Probe => ({ kind: 'load', address }))].map(unsigned);
      const node = new TinyNode({
        guests: {
          A: ticker('A', 'a', 1000),
          B: `${waitForWord(resultsOf('B') + 0x8000)}${prober('B', resultsOf('B'), all)}`,
        },
      });
      node.ask({ op: 'virtualize' });
      node.bootVm('B');
      for (const each of changes) if (node.request(each).ok) layouts += 1;
      const { status } = node.ask({ op: 'status' });
      node.machine.memory.write(resultsOf('B') + 0x8000, Uint8Array.of(1));
      node.runUntilConsole('B', 'P', 200_000_000);
      const isOwn = (address: number): boolean =>
        status.memory.some(({ base, bytes, owner }) => owner === 'B' && address >= base && address < base + bytes);
      for (const [index, { address }] of all.entries()) {
        const [value = 0n, cause = 0n] = node.dwords(resultsOf('B') + 24 * index, 2);
        const side = SIDES.find(
          (each: Side) =>
            slots.indexOf(address) >= 0 && address >= slotBase(each, 0) && address < slotBase(each, SLOTS_PER_SIDE),
        );
        if (side === undefined) {
          expect([address.toString(16), cause]).toEqual([address.toString(16), isOwn(address) ? 0n : LOAD_FAULT]);
        } else {
          // A slot that is another's reads as empty: no magic number.
          const owner = status.slots[side][(address - slotBase(side, 0)) / PAGE];
          expect([address.toString(16), cause, value === 0n]).toEqual([address.toString(16), 0n, owner !== 'B']);
        }
      }
    }),
    { numRuns: 20 },
  );
  expect(layouts).toBeGreaterThan(20);
});

/** Bit operations give signed numbers. */
const unsigned = ({ kind, address }: Probe): Probe => ({ kind, address: address >>> 0 });

/** Spins until the word at `address` is not 0. */
const waitForWord = (address: number): string => `
  li t0, ${address}
before:
  lw t1, 0(t0)
  beqz t1, before
`;
