import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  add,
  BINARY32,
  BINARY64,
  div,
  FFLAG,
  type FloatFormat,
  type FpEnvironment,
  mul,
  mulAdd,
  negate,
  ROUNDING,
  type RoundingMode,
  sqrt,
  sub,
} from '../../../src/machine/fp/soft-float.ts';
import { anyFinite, anyNonZero, anyPattern, anyRoundingMode, FORMATS } from './arbitrary-pattern.ts';
import {
  type Fraction,
  fractionOf,
  numberOfPattern,
  patternOfNumber,
  product,
  quotient,
  roundFraction,
  sum,
} from './rational-oracle.ts';

const RUNS = { numRuns: 3000 };

type Binary = (format: FloatFormat, a: bigint, b: bigint, env: FpEnvironment) => bigint;

function evaluate(rm: RoundingMode, operation: (env: FpEnvironment) => bigint): { pattern: bigint; flags: number } {
  const env: FpEnvironment = { rm, flags: 0 };
  const pattern = operation(env);
  return { pattern, flags: env.flags };
}

const NATIVE: readonly (readonly [string, Binary, (a: number, b: number) => number])[] = [
  ['add', add, (a, b) => a + b],
  ['sub', sub, (a, b) => a - b],
  ['mul', mul, (a, b) => a * b],
  ['div', div, (a, b) => a / b],
];

const minus = (a: Fraction): Fraction => ({ numerator: -a.numerator, denominator: a.denominator });

const EXACT: readonly (readonly [string, Binary, (a: Fraction, b: Fraction) => Fraction])[] = [
  ['add', add, sum],
  ['sub', sub, (a, b) => sum(a, minus(b))],
  ['mul', mul, product],
  ['div', div, quotient],
];

describe.each(FORMATS)('%s arithmetic', (_name, format) => {
  const pattern = anyPattern(format);

  // A binary64 result of binary32 operands rounds to binary32 as the exact one does: 53 ≥ 2 × 24 + 2.
  test.each(NATIVE)('%s to nearest even gives what the processor gives', (_operation, operation, native) => {
    fc.assert(
      fc.property(pattern, pattern, (a, b) => {
        const expected = native(numberOfPattern(format, a), numberOfPattern(format, b));
        expect(evaluate(ROUNDING.RNE, (env) => operation(format, a, b, env)).pattern).toBe(
          patternOfNumber(format, expected),
        );
      }),
      RUNS,
    );
  });

  test('sqrt to nearest even gives what the processor gives', () => {
    fc.assert(
      fc.property(pattern, (a) => {
        const expected = patternOfNumber(format, Math.sqrt(numberOfPattern(format, a)));
        expect(evaluate(ROUNDING.RNE, (env) => sqrt(format, a, env)).pattern).toBe(expected);
      }),
      RUNS,
    );
  });

  test.each(EXACT)('%s rounds the exact value in every mode, flags included', (_operation, operation, exact) => {
    fc.assert(
      fc.property(anyFinite(format), anyNonZero(format), anyRoundingMode, (a, b, rm) => {
        const value = exact(fractionOf(format, a), fractionOf(format, b));
        fc.pre(value.numerator !== 0n);
        expect(evaluate(rm, (env) => operation(format, a, b, env))).toEqual(roundFraction(format, value, rm));
      }),
      RUNS,
    );
  });

  test('mulAdd rounds a × b + c once in every mode, flags included', () => {
    fc.assert(
      fc.property(anyFinite(format), anyFinite(format), anyFinite(format), anyRoundingMode, (a, b, c, rm) => {
        const value = sum(product(fractionOf(format, a), fractionOf(format, b)), fractionOf(format, c));
        fc.pre(value.numerator !== 0n);
        expect(evaluate(rm, (env) => mulAdd(format, a, b, c, env))).toEqual(roundFraction(format, value, rm));
      }),
      RUNS,
    );
  });

  test('mulAdd rounds once where c all but cancels the product', () => {
    fc.assert(
      fc.property(anyNonZero(format), anyNonZero(format), anyRoundingMode, (a, b, rm) => {
        const c = negate(format, evaluate(ROUNDING.RNE, (env) => mul(format, a, b, env)).pattern);
        fc.pre((c & (format.signBit - 1n)) < format.infinity);
        const value = sum(product(fractionOf(format, a), fractionOf(format, b)), fractionOf(format, c));
        fc.pre(value.numerator !== 0n);
        expect(evaluate(rm, (env) => mulAdd(format, a, b, c, env))).toEqual(roundFraction(format, value, rm));
      }),
      RUNS,
    );
  });

  test('sqrt brackets the root: down² ≤ a ≤ up², exact exactly when NX is clear', () => {
    fc.assert(
      fc.property(anyNonZero(format), (signed) => {
        const a = signed & (format.signBit - 1n);
        const square = (root: bigint): Fraction => product(fractionOf(format, root), fractionOf(format, root));
        const down = evaluate(ROUNDING.RDN, (env) => sqrt(format, a, env));
        const up = evaluate(ROUNDING.RUP, (env) => sqrt(format, a, env));
        const difference = (root: bigint): bigint => sum(fractionOf(format, a), minus(square(root))).numerator;
        expect(difference(down.pattern) >= 0n).toBe(true);
        expect(difference(up.pattern) <= 0n).toBe(true);
        expect(up.pattern - down.pattern).toBe(difference(down.pattern) === 0n ? 0n : 1n);
        expect(down.flags).toBe(difference(down.pattern) === 0n ? 0 : FFLAG.NX);
        expect(evaluate(ROUNDING.RTZ, (env) => sqrt(format, a, env))).toEqual(down);
        expect([down.pattern, up.pattern]).toContain(evaluate(ROUNDING.RMM, (env) => sqrt(format, a, env)).pattern);
      }),
      RUNS,
    );
  });

  test('operations only ever set flags', () => {
    fc.assert(
      fc.property(pattern, pattern, pattern, anyRoundingMode, fc.nat(31), (a, b, c, rm, flags) => {
        const env: FpEnvironment = { rm, flags };
        for (const [, operation] of EXACT) operation(format, a, b, env);
        sqrt(format, a, env);
        mulAdd(format, a, b, c, env);
        expect(env.flags & flags).toBe(flags);
        expect(env.flags & ~0x1f).toBe(0);
      }),
      RUNS,
    );
  });
});

describe.each(FORMATS)('%s special cases', (_name, format) => {
  const infinity = format.infinity;
  const quiet = format.canonicalNan | 5n;
  const signalling = infinity | 1n;
  const one = patternOfNumber(format, 1);
  const zero = 0n;
  const minusZero = format.signBit;
  const nan = format.canonicalNan;
  const minusOne = negate(format, one);
  const RNE = ROUNDING.RNE;

  test.each([
    ['∞ − ∞ is invalid', RNE, (env) => sub(format, infinity, infinity, env), nan, FFLAG.NV],
    ['∞ + ∞ is exact', RNE, (env) => add(format, infinity, infinity, env), infinity, 0],
    ['0 × ∞ is invalid', RNE, (env) => mul(format, zero, infinity, env), nan, FFLAG.NV],
    ['0 ÷ 0 is invalid', RNE, (env) => div(format, zero, zero, env), nan, FFLAG.NV],
    ['∞ ÷ ∞ is invalid', RNE, (env) => div(format, infinity, infinity, env), nan, FFLAG.NV],
    ['−1 ÷ 0 divides by zero', RNE, (env) => div(format, minusOne, zero, env), infinity | format.signBit, FFLAG.DZ],
    ['∞ ÷ 0 is exact', RNE, (env) => div(format, infinity, zero, env), infinity, 0],
    ['√−1 is invalid', RNE, (env) => sqrt(format, minusOne, env), nan, FFLAG.NV],
    ['√−0 is −0', RNE, (env) => sqrt(format, minusZero, env), minusZero, 0],
    ['√∞ is ∞', RNE, (env) => sqrt(format, infinity, env), infinity, 0],
    ['a quiet NaN gives the canonical one', RNE, (env) => add(format, quiet, one, env), nan, 0],
    ['a signalling NaN is invalid', RNE, (env) => mul(format, one, signalling, env), nan, FFLAG.NV],
    ['1 − 1 is +0', RNE, (env) => sub(format, one, one, env), zero, 0],
    ['1 − 1 is −0 rounding down', ROUNDING.RDN, (env) => sub(format, one, one, env), minusZero, 0],
    ['−0 + −0 is −0', ROUNDING.RUP, (env) => add(format, minusZero, minusZero, env), minusZero, 0],
    ['0 + −0 is +0', RNE, (env) => add(format, zero, minusZero, env), zero, 0],
    ['0 + −0 is −0 rounding down', ROUNDING.RDN, (env) => add(format, zero, minusZero, env), minusZero, 0],
    ['0 × ∞ + quiet NaN is invalid', RNE, (env) => mulAdd(format, zero, infinity, quiet, env), nan, FFLAG.NV],
    ['1 × 1 + quiet NaN is quiet', RNE, (env) => mulAdd(format, one, one, quiet, env), nan, 0],
    ['NaN × 1 + signalling NaN is invalid', RNE, (env) => mulAdd(format, quiet, one, signalling, env), nan, FFLAG.NV],
    ['∞ × 1 − ∞ is invalid', RNE, (env) => mulAdd(format, infinity, minusOne, infinity, env), nan, FFLAG.NV],
    ['0 × −1 + 0 is +0', RNE, (env) => mulAdd(format, zero, minusOne, zero, env), zero, 0],
    ['0 × −1 + 0 is −0 rounding down', ROUNDING.RDN, (env) => mulAdd(format, zero, minusOne, zero, env), minusZero, 0],
    ['1 × 1 − 1 is −0 rounding down', ROUNDING.RDN, (env) => mulAdd(format, one, one, minusOne, env), minusZero, 0],
  ] as [string, RoundingMode, (env: FpEnvironment) => bigint, bigint, number][])(
    '%s',
    (_case, rm, operation, expected, flags) => {
      expect(evaluate(rm, operation)).toEqual({ pattern: expected, flags });
    },
  );
});

test('tininess is detected after rounding', () => {
  // The greatest subnormal plus a bit more than half a unit is carried to the least normal number: tiny only if it
  // would also be below it with unbounded exponents.
  const leastNormal = BINARY64.hiddenBit;
  const justBelowOne = patternOfNumber(BINARY64, 1 - 2 ** -53);
  const farBelowOne = patternOfNumber(BINARY64, 1 - 2 ** -52);
  expect(evaluate(ROUNDING.RUP, (env) => mul(BINARY64, leastNormal, justBelowOne, env))).toEqual({
    pattern: leastNormal,
    flags: FFLAG.NX | FFLAG.UF,
  });
  const almostTwice = mulAdd(BINARY64, leastNormal, farBelowOne, 0n, { rm: ROUNDING.RNE, flags: 0 });
  expect(almostTwice).toBe(leastNormal - 1n);
  const carried = evaluate(ROUNDING.RUP, (env) => mulAdd(BINARY64, 1n, 1n, leastNormal - 1n, env));
  expect(carried).toEqual({ pattern: leastNormal, flags: FFLAG.NX | FFLAG.UF });
  const notTiny = evaluate(ROUNDING.RNE, (env) =>
    mulAdd(
      BINARY32,
      patternOfNumber(BINARY32, -(2 ** -100)),
      patternOfNumber(BINARY32, 2 ** -100),
      BINARY32.hiddenBit,
      env,
    ),
  );
  expect(notTiny).toEqual({ pattern: BINARY32.hiddenBit, flags: FFLAG.NX });
});
