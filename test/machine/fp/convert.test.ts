import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  BINARY32,
  BINARY64,
  FFLAG,
  type FpEnvironment,
  fromInteger,
  INT32,
  INT64,
  type IntegerRange,
  nanBox,
  nanUnbox,
  ROUNDING,
  type RoundingMode,
  toFormat,
  toInteger,
  UINT32,
  UINT64,
} from '../../../src/machine/fp/soft-float.ts';
import { anyFinite, anyNonZero, anyPattern, anyRoundingMode, FORMATS } from './arbitrary-pattern.ts';
import { type Fraction, fractionOf, numberOfPattern, patternOfNumber, roundFraction } from './rational-oracle.ts';

const RUNS = { numRuns: 3000 };
const environment = (rm: RoundingMode): FpEnvironment => ({ rm, flags: 0 });

const RANGES: readonly (readonly [string, IntegerRange])[] = [
  ['int32', INT32],
  ['uint32', UINT32],
  ['int64', INT64],
  ['uint64', UINT64],
];

/** The integers on both sides of a fraction, and the one `rm` chooses. */
function roundToIntegerExactly({ numerator, denominator }: Fraction, rm: RoundingMode): bigint {
  const truncated = numerator / denominator;
  const floor = truncated * denominator > numerator ? truncated - 1n : truncated;
  const twiceAboveFloor = 2n * (numerator - floor * denominator);
  if (twiceAboveFloor === 0n) return floor;
  const side = twiceAboveFloor - denominator;
  const negative = numerator < 0n;
  switch (rm) {
    case ROUNDING.RNE:
      return side > 0n || (side === 0n && floor % 2n !== 0n) ? floor + 1n : floor;
    case ROUNDING.RTZ:
      return negative ? floor + 1n : floor;
    case ROUNDING.RDN:
      return floor;
    case ROUNDING.RUP:
      return floor + 1n;
    case ROUNDING.RMM:
      return side > 0n || (side === 0n && !negative) ? floor + 1n : floor;
  }
}

describe.each(FORMATS)('%s and integers', (_name, format) => {
  const nearRangeEnds = fc
    .tuple(fc.constantFrom(2 ** 31, 2 ** 32, 2 ** 63, 2 ** 64), fc.boolean(), fc.bigInt({ min: -4n, max: 4n }))
    .map(([end, negative, offset]) => patternOfNumber(format, negative ? -end : end) + offset);
  const smallHalves = fc.integer({ min: -64, max: 64 }).map((quarters) => patternOfNumber(format, quarters / 4));

  test.each(RANGES)('to %s rounds, or saturates with NV alone', (_range, range) => {
    fc.assert(
      fc.property(fc.oneof(anyFinite(format), nearRangeEnds, smallHalves), anyRoundingMode, (a, rm) => {
        const exact = fractionOf(format, a);
        const rounded = roundToIntegerExactly(exact, rm);
        const env = environment(rm);
        const result = toInteger(format, a, range, env);
        if (rounded < range.min || rounded > range.max) {
          expect([result, env.flags]).toEqual([rounded < range.min ? range.min : range.max, FFLAG.NV]);
        } else {
          const isExact = rounded * exact.denominator === exact.numerator;
          expect([result, env.flags]).toEqual([rounded, isExact ? 0 : FFLAG.NX]);
        }
      }),
      RUNS,
    );
  });

  test.each(RANGES)('to %s saturates infinities by sign and takes every NaN for +∞', (_range, range) => {
    const cases: [bigint, bigint][] = [
      [format.infinity, range.max],
      [format.infinity | format.signBit, range.min],
      [format.canonicalNan, range.max],
      [format.canonicalNan | format.signBit, range.max],
      [format.infinity | format.signBit | 1n, range.max],
    ];
    for (const [a, expected] of cases) {
      const env = environment(ROUNDING.RNE);
      expect(toInteger(format, a, range, env)).toBe(expected);
      expect(env.flags).toBe(FFLAG.NV);
    }
  });

  test.each(RANGES)('from %s rounds the integer in every mode, flags included', (_range, range) => {
    const integer = fc.oneof(
      fc.bigInt(range),
      fc.constantFrom(range.min, range.max, range.max - 1n, range.max / 2n),
      fc.bigInt({ min: 0n, max: 63n }).map((shift) => (range.max >> shift) - (shift & 1n)),
    );
    fc.assert(
      fc.property(integer, anyRoundingMode, (value, rm) => {
        const env = environment(rm);
        const pattern = fromInteger(format, value, env);
        const expected =
          value === 0n ? { pattern: 0n, flags: 0 } : roundFraction(format, { numerator: value, denominator: 1n }, rm);
        expect({ pattern, flags: env.flags }).toEqual(expected);
        if (rm === ROUNDING.RNE && format === BINARY64) expect(pattern).toBe(patternOfNumber(format, Number(value)));
      }),
      RUNS,
    );
  });
});

describe('binary32 and binary64', () => {
  test('widening is exact and gives what the processor gives', () => {
    fc.assert(
      fc.property(anyPattern(BINARY32), (a) => {
        const env = environment(ROUNDING.RNE);
        const signalling = a % 0x8000_0000n > 0x7f80_0000n && (a & BINARY32.quietBit) === 0n;
        expect(toFormat(BINARY32, BINARY64, a, env)).toBe(patternOfNumber(BINARY64, numberOfPattern(BINARY32, a)));
        expect(env.flags).toBe(signalling ? FFLAG.NV : 0);
      }),
      RUNS,
    );
  });

  test('narrowing to nearest even gives what Math.fround gives', () => {
    fc.assert(
      fc.property(anyPattern(BINARY64), (a) => {
        const expected = patternOfNumber(BINARY32, Math.fround(numberOfPattern(BINARY64, a)));
        expect(toFormat(BINARY64, BINARY32, a, environment(ROUNDING.RNE))).toBe(expected);
      }),
      RUNS,
    );
  });

  test('narrowing rounds in every mode, flags included', () => {
    const nearBinary32 = anyFinite(BINARY32)
      .map((a) => patternOfNumber(BINARY64, numberOfPattern(BINARY32, a)) | 1n)
      .filter((a) => (a & (BINARY64.signBit - 1n)) > 1n);
    fc.assert(
      fc.property(fc.oneof(anyNonZero(BINARY64), nearBinary32), anyRoundingMode, (a, rm) => {
        const env = environment(rm);
        const pattern = toFormat(BINARY64, BINARY32, a, env);
        expect({ pattern, flags: env.flags }).toEqual(roundFraction(BINARY32, fractionOf(BINARY64, a), rm));
      }),
      RUNS,
    );
  });

  test('a binary32 value survives widening and narrowing', () => {
    fc.assert(
      fc.property(anyFinite(BINARY32), anyRoundingMode, (a, rm) => {
        const env = environment(rm);
        expect(toFormat(BINARY64, BINARY32, toFormat(BINARY32, BINARY64, a, env), env)).toBe(a);
        expect(env.flags).toBe(0);
      }),
      RUNS,
    );
  });
});

describe('NaN boxing', () => {
  test('unboxing a boxed pattern gives it back', () => {
    fc.assert(
      fc.property(anyPattern(BINARY32), (a) => {
        expect(nanUnbox(nanBox(a))).toBe(a);
      }),
    );
  });

  test('a register that is not a box reads as the canonical NaN', () => {
    fc.assert(
      fc.property(fc.bigInt({ min: 0n, max: 0xffff_fffe_ffff_ffffn }), (register) => {
        expect(nanUnbox(register)).toBe(BINARY32.canonicalNan);
      }),
    );
  });

  test('the canonical NaNs are those of the specification', () => {
    expect(BINARY32.canonicalNan).toBe(0x7fc0_0000n);
    expect(BINARY64.canonicalNan).toBe(0x7ff8_0000_0000_0000n);
  });
});
