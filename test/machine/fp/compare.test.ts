import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  classify,
  eq,
  FCLASS,
  FFLAG,
  type FloatFormat,
  type FpEnvironment,
  le,
  lt,
  max,
  min,
  ROUNDING,
} from '../../../src/machine/fp/soft-float.ts';
import { anyPattern, FORMATS } from './arbitrary-pattern.ts';
import { numberOfPattern, patternOfNumber } from './rational-oracle.ts';

const RUNS = { numRuns: 3000 };
const environment = (): FpEnvironment => ({ rm: ROUNDING.RNE, flags: 0 });

const isNanPattern = (format: FloatFormat, pattern: bigint): boolean => Number.isNaN(numberOfPattern(format, pattern));
const isSignalling = (format: FloatFormat, pattern: bigint): boolean =>
  isNanPattern(format, pattern) && (pattern & format.quietBit) === 0n;

describe.each(FORMATS)('%s comparisons', (_name, format) => {
  const pattern = anyPattern(format);

  test.each([
    ['eq', eq, (a: number, b: number) => a === b, isSignalling],
    ['lt', lt, (a: number, b: number) => a < b, isNanPattern],
    ['le', le, (a: number, b: number) => a <= b, isNanPattern],
  ] as const)(
    '%s gives what the processor gives and NV for the NaNs it signals',
    (_predicate, holds, native, invalid) => {
      fc.assert(
        fc.property(pattern, pattern, (a, b) => {
          const env = environment();
          expect(holds(format, a, b, env)).toBe(native(numberOfPattern(format, a), numberOfPattern(format, b)));
          expect(env.flags).toBe(invalid(format, a) || invalid(format, b) ? FFLAG.NV : 0);
        }),
        RUNS,
      );
    },
  );

  test.each([
    ['min', min, Math.min],
    ['max', max, Math.max],
  ] as const)('%s of two numbers gives what Math gives, −0 below +0', (_operation, operation, native) => {
    const number = pattern.filter((candidate) => !isNanPattern(format, candidate));
    fc.assert(
      fc.property(number, number, (a, b) => {
        const env = environment();
        const expected = native(numberOfPattern(format, a), numberOfPattern(format, b));
        expect(operation(format, a, b, env)).toBe(patternOfNumber(format, expected));
        expect(env.flags).toBe(0);
      }),
      RUNS,
    );
  });

  test.each([
    ['min', min],
    ['max', max],
  ] as const)('%s prefers a number to a NaN, and only a signalling one is invalid', (_operation, operation) => {
    const one = patternOfNumber(format, 1);
    const quiet = format.canonicalNan | 7n | format.signBit;
    const signalling = format.infinity | 7n;
    const cases: [bigint, bigint, bigint, number][] = [
      [one, quiet, one, 0],
      [quiet, one, one, 0],
      [one, signalling, one, FFLAG.NV],
      [signalling, one, one, FFLAG.NV],
      [quiet, quiet, format.canonicalNan, 0],
      [quiet, signalling, format.canonicalNan, FFLAG.NV],
    ];
    for (const [a, b, expected, flags] of cases) {
      const env = environment();
      expect(operation(format, a, b, env)).toBe(expected);
      expect(env.flags).toBe(flags);
    }
  });

  test('classify puts each boundary pattern into its class', () => {
    const positive: [bigint, number, number][] = [
      [0n, FCLASS.positiveZero, FCLASS.negativeZero],
      [1n, FCLASS.positiveSubnormal, FCLASS.negativeSubnormal],
      [format.hiddenBit - 1n, FCLASS.positiveSubnormal, FCLASS.negativeSubnormal],
      [format.hiddenBit, FCLASS.positiveNormal, FCLASS.negativeNormal],
      [format.infinity - 1n, FCLASS.positiveNormal, FCLASS.negativeNormal],
      [format.infinity, FCLASS.positiveInfinity, FCLASS.negativeInfinity],
      [format.infinity + 1n, FCLASS.signallingNan, FCLASS.signallingNan],
      [format.canonicalNan - 1n, FCLASS.signallingNan, FCLASS.signallingNan],
      [format.canonicalNan, FCLASS.quietNan, FCLASS.quietNan],
      [format.signBit - 1n, FCLASS.quietNan, FCLASS.quietNan],
    ];
    for (const [magnitude, expected, expectedNegative] of positive) {
      expect(classify(format, magnitude)).toBe(expected);
      expect(classify(format, magnitude | format.signBit)).toBe(expectedNegative);
    }
  });

  test('the ten classes are the ten bits of fclass, in the order of the specification', () => {
    expect(Object.values(FCLASS)).toEqual([1, 2, 4, 8, 16, 32, 64, 128, 256, 512]);
    expect(FCLASS.negativeInfinity).toBe(1);
    expect(FCLASS.quietNan).toBe(512);
  });
});
