import { expect, it } from 'vitest';
import { bareState, napot, PMP_CFG, pmpCsrs, writePmp } from '../../src/firmware/index.ts';
import { memoryMap } from '../../src/machine/index.ts';
import { FakeHart } from './fake-hart.ts';

it('a NAPOT entry has the size of its region in the trailing ones of its address', () => {
  expect(napot({ base: 0x8000_0000, bytes: 0x20_0000 }, PMP_CFG.R)).toEqual({ config: 0x19, address: 0x2003_ffffn });
  expect(napot({ base: 0x1000, bytes: 8 }, 0)).toEqual({ config: 0x18, address: 0x400n });
});

it.each([
  [0x1000, 12],
  [0x1004, 8],
  [0x0, 4],
])('a region at 0x%x of %i bytes is no NAPOT entry', (base, bytes) => {
  expect(() => napot({ base, bytes }, 0)).toThrow('is not a naturally aligned power of two');
});

it('writing entry by entry and writing the CSRs of all entries is the same', () => {
  const entries = Array.from({ length: 16 }, (_, index) => napot({ base: 0x1000 * index, bytes: 0x1000 }, index % 8));
  const one = new FakeHart(0);
  const all = new FakeHart(0);
  for (const [index, entry] of entries.entries()) writePmp(one, index, entry);
  for (const [address, value] of pmpCsrs(entries)) all.setCsr(address, value);
  expect(one.csrs).toEqual(
    new Map([...all.csrs].sort(([a], [b]) => [...one.csrs.keys()].indexOf(a) - [...one.csrs.keys()].indexOf(b))),
  );
});

it('the bare state denies firmware memory and M-mode I/O, allows the rest, and names every PMP entry', () => {
  const { csrs } = bareState('A', memoryMap(256 << 20));
  const value = new Map(csrs.map((csr) => [csr.address, csr.value]));
  expect(value.get(0x3a0)).toBe(0x1818n);
  expect(value.get(0x3a2)).toBe(0x1fn << 56n);
  expect(value.get(0x3b0)).toBe(0x2003_ffffn);
  expect(value.get(0x3b1)).toBe(0x009f_ffffn);
  expect(value.get(0x3bf)).toBe((1n << 54n) - 1n);
  for (let entry = 2; entry < 15; entry++) expect(value.get(0x3b0 + entry)).toBe(0n);
});
