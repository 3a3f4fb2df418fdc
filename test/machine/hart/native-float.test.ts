import { describe, expect, test } from 'vitest';
import {
  add,
  BINARY32,
  BINARY64,
  type FloatFormat,
  type FpEnvironment,
  mul,
  nanBox,
  nanUnbox,
  type RoundingMode,
  sub,
} from '../../../src/machine/fp/soft-float.ts';
import { type RandomSource, randomSource } from '../differential/random-source.ts';
import { bareHart, RAM } from './bare-hart.ts';

const CASES = 3000;

/** Few significant bits, so that many results are exact; some have them all; some are zero. */
function pattern(random: RandomSource, format: FloatFormat): bigint {
  const isDouble = format === BINARY64;
  const significandBits = isDouble ? 52 : 23;
  const kept = random.pick([2, 5, significandBits / 2, significandBits]);
  const fraction =
    BigInt.asUintN(significandBits, random.integerPattern()) >> BigInt(Math.ceil(significandBits - kept));
  const shifted = fraction << BigInt(Math.ceil(significandBits - kept));
  const exponent = BigInt((isDouble ? 1023 : 127) + random.pick([0, 1, -1, random.below(60) - 30]));
  const sign = BigInt(random.below(2)) << BigInt(isDouble ? 63 : 31);
  if (random.below(8) === 0) return sign;
  return sign | (exponent << BigInt(significandBits)) | BigInt.asUintN(significandBits, shifted);
}

type Operation = (format: FloatFormat, a: bigint, b: bigint, env: FpEnvironment) => bigint;

describe('arithmetic with no flag set yet', () => {
  test.each<[string, FloatFormat, Operation]>([
    ['fadd.d', BINARY64, add],
    ['fsub.d', BINARY64, sub],
    ['fmul.d', BINARY64, mul],
    ['fadd.s', BINARY32, add],
    ['fsub.s', BINARY32, sub],
    ['fmul.s', BINARY32, mul],
  ])(
    '%s gives value and flags of the exact form, inexact or not, in every rounding mode',
    (name, format, operation) => {
      const random = randomSource(3);
      const h = bareHart(`loop: ${name} fa2, fa0, fa1, dyn\n j loop`);
      h.setCsr('mstatus', 3 << 13);
      const box = (bits: bigint): bigint => (format === BINARY64 ? bits : nanBox(bits));
      let exact = 0;
      for (let i = 0; i < CASES; i++) {
        const [a, b] = [pattern(random, format), pattern(random, format)];
        const rm = random.below(5) as RoundingMode;
        h.setCsr('fcsr', rm << 5);
        h.hart.state.setF(10, box(a));
        h.hart.state.setF(11, box(b));
        h.hart.pc = BigInt(RAM);
        h.run(1);
        const env = { rm, flags: 0 };
        const expected = operation(format, a, b, env);
        const found = h.hart.state.f(12);
        expect([a, b, rm, format === BINARY64 ? found : nanUnbox(found)]).toEqual([a, b, rm, expected]);
        expect([a, b, h.csr('fflags')]).toEqual([a, b, BigInt(env.flags)]);
        if (env.flags === 0) exact++;
      }
      expect(exact).toBeGreaterThan(CASES / 10);
      expect(exact).toBeLessThan(CASES);
    },
  );
});
