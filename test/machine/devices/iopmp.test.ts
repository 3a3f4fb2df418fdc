import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Iopmp } from '../../../src/machine/devices/iopmp.ts';
import { createPhysicalMemory } from '../../../src/machine/memory.ts';
import { RAM } from './support.ts';

const SLOT = 6;

describe('the IOPMP', () => {
  it('allows an access exactly when each of its bytes is in RAM and in some range of the slot', () => {
    const iopmp = new Iopmp(createPhysicalMemory(RAM.base, RAM.bytes));
    const offset = fc.integer({ min: -8, max: 40 });
    const range = fc.record({ base: offset, bytes: fc.nat(16) });
    fc.assert(
      fc.property(
        fc.array(range, { minLength: 4, maxLength: 4 }),
        offset,
        fc.integer({ min: 1, max: 24 }),
        (ranges, at, bytes) => {
          ranges.forEach((each, index) => {
            iopmp.setRange(SLOT * 4 + index, 'base', BigInt(RAM.base + each.base));
            iopmp.setRange(SLOT * 4 + index, 'bytes', BigInt(each.bytes));
          });
          const isAllowed = (byte: number): boolean =>
            byte >= 0 && ranges.some(({ base, bytes }) => byte >= base && byte < base + bytes);
          const expected = Array.from({ length: bytes }, (_, index) => at + index).every(isAllowed);
          expect(iopmp.allows(SLOT, RAM.base + at, bytes)).toBe(expected);
        },
      ),
      { numRuns: 3000 },
    );
  });

  it('counts what it denies, and moves no byte of it', () => {
    const memory = createPhysicalMemory(RAM.base, RAM.bytes);
    const iopmp = new Iopmp(memory);
    const port = iopmp.port(SLOT);
    iopmp.setRange(SLOT * 4, 'bytes', 0x1000n);
    expect(port.write(RAM.base + 0xffc, Uint8Array.of(1, 2, 3, 4))).toBe(true);
    expect(port.write(RAM.base + 0xffd, Uint8Array.of(5, 6, 7, 8))).toBe(false);
    expect(port.read(RAM.base + 0x1000, 1)).toBeUndefined();
    expect([...memory.view(RAM.base + 0xffc, 8)]).toEqual([1, 2, 3, 4, 0, 0, 0, 0]);
    expect([iopmp.denied(SLOT), iopmp.denied(SLOT + 1)]).toEqual([2, 0]);
  });

  it('denies addresses no memory can have', () => {
    const iopmp = new Iopmp(createPhysicalMemory(RAM.base, RAM.bytes));
    iopmp.setRange(0, 'base', 0n);
    iopmp.setRange(0, 'bytes', 2n ** 64n - 1n);
    for (const address of [0, RAM.base - 1, RAM.base + RAM.bytes, 2 ** 53, 2 ** 64]) {
      expect(iopmp.allows(0, address, 1)).toBe(false);
    }
    expect(iopmp.allows(0, RAM.base, RAM.bytes)).toBe(true);
  });
});
