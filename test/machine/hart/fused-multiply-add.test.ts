import { describe, expect, test } from 'vitest';
import { BINARY32, BINARY64, mulAdd, nanBox, nanUnbox, negate } from '../../../src/machine/fp/soft-float.ts';
import { type RandomSource, randomSource } from '../differential/random-source.ts';
import { bareHart, RAM } from './bare-hart.ts';

const CASES = 4000;
const FFLAG_NX = 1;

const bits64 = (value: number): bigint => {
  const view = new DataView(new ArrayBuffer(8));
  view.setFloat64(0, value);
  return view.getBigUint64(0);
};
const bits32 = (value: number): bigint => {
  const view = new DataView(new ArrayBuffer(4));
  view.setFloat32(0, value);
  return BigInt(view.getUint32(0));
};

/** A number whose significand has runs of ones and zeros: products and sums then come close to ties. */
function awkward(random: RandomSource, significandBits: number): number {
  let significand = 1;
  for (let bit = 1, ones = random.below(2); bit < significandBits; bit++) {
    if (random.below(6) === 0) ones ^= 1;
    significand = significand * 2 + ones;
  }
  const sign = random.below(2) === 0 ? 1 : -1;
  return sign * significand * 2 ** (random.below(40) - significandBits - 20);
}

/** An addend that nearly cancels the product, or lies around half a unit of its last place, or is a zero. */
function addendFor(random: RandomSource, product: number, significandBits: number): number {
  switch (random.below(5)) {
    case 0:
      return -product * (1 + (random.below(9) - 4) * 2 ** -significandBits);
    case 1:
      return product * 2 ** -(significandBits + random.below(4) - 2);
    case 2:
      return product * 2 ** (significandBits + random.below(4) - 2);
    case 3:
      return random.pick([0, -0]);
    default:
      return awkward(random, significandBits);
  }
}

describe('fused multiply-add in native arithmetic', () => {
  test.each([
    ['fmadd.d', false, false],
    ['fmsub.d', false, true],
    ['fnmsub.d', true, false],
    ['fnmadd.d', true, true],
  ])('%s rounds once, as the exact one does', (name, negateProduct, negateAddend) => {
    const random = randomSource(7);
    const h = bareHart(`loop: ${name} fa3, fa0, fa1, fa2, dyn\n j loop`);
    h.setCsr('mstatus', 3 << 13);
    h.setCsr('fflags', FFLAG_NX);
    const f = (register: number, value: bigint): void => h.hart.state.setF(register, value);
    for (let i = 0; i < CASES; i++) {
      const [a, b] = [awkward(random, 53), awkward(random, 53)];
      const c = addendFor(random, a * b, 53);
      f(10, bits64(a));
      f(11, bits64(b));
      f(12, bits64(c));
      h.hart.pc = BigInt(RAM);
      h.run(1);
      const first = negateProduct ? negate(BINARY64, bits64(a)) : bits64(a);
      const addend = negateAddend ? negate(BINARY64, bits64(c)) : bits64(c);
      const expected = mulAdd(BINARY64, first, bits64(b), addend, { rm: 0, flags: 0 });
      expect([a, b, c, h.hart.state.f(13)]).toEqual([a, b, c, expected]);
    }
    expect(h.csr('fflags')).toBe(BigInt(FFLAG_NX));
  });

  test.each([
    ['fmadd.s', false, false],
    ['fmsub.s', false, true],
    ['fnmsub.s', true, false],
    ['fnmadd.s', true, true],
  ])('%s rounds once, as the exact one does', (name, negateProduct, negateAddend) => {
    const random = randomSource(11);
    const h = bareHart(`loop: ${name} fa3, fa0, fa1, fa2, dyn\n j loop`);
    h.setCsr('mstatus', 3 << 13);
    h.setCsr('fflags', FFLAG_NX);
    for (let i = 0; i < CASES; i++) {
      const [a, b] = [awkward(random, 24), awkward(random, 24)];
      const c = Math.fround(addendFor(random, a * b, 24));
      for (const [register, value] of [a, b, c].entries()) h.hart.state.setF(10 + register, nanBox(bits32(value)));
      h.hart.pc = BigInt(RAM);
      h.run(1);
      const first = negateProduct ? negate(BINARY32, bits32(a)) : bits32(a);
      const addend = negateAddend ? negate(BINARY32, bits32(c)) : bits32(c);
      const expected = mulAdd(BINARY32, first, bits32(b), addend, { rm: 0, flags: 0 });
      expect([a, b, c, nanUnbox(h.hart.state.f(13))]).toEqual([a, b, c, expected]);
    }
    expect(h.csr('fflags')).toBe(BigInt(FFLAG_NX));
  });
});
