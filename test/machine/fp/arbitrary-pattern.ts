/** Bit patterns worth trying: any, special, near powers of two, and near each other so that sums cancel. */
import fc from 'fast-check';
import { BINARY32, BINARY64, type FloatFormat, ROUNDING } from '../../../src/machine/fp/soft-float.ts';

export const FORMATS: readonly (readonly [string, FloatFormat])[] = [
  ['binary32', BINARY32],
  ['binary64', BINARY64],
];

export const anyRoundingMode = fc.constantFrom(...Object.values(ROUNDING));

function specialPatterns(format: FloatFormat): bigint[] {
  const one = (format.infinity >> 1n) & ~format.fractionMask;
  const positive = [
    0n,
    1n,
    format.fractionMask,
    format.hiddenBit,
    format.hiddenBit + 1n,
    one,
    one + 1n,
    one - 1n,
    format.infinity - 1n,
    format.infinity,
    format.canonicalNan,
    format.infinity + 1n,
  ];
  return positive.flatMap((pattern) => [pattern, pattern | format.signBit]);
}

export function anyPattern(format: FloatFormat): fc.Arbitrary<bigint> {
  const uniform = fc.bigInt({ min: 0n, max: format.wordMask });
  const exponentMax = Number(format.infinity >> format.fractionBits);
  const sparse = fc
    .tuple(fc.boolean(), fc.nat(exponentMax), fc.bigInt({ min: -8n, max: 8n }))
    .map(
      ([negative, exponent, offset]) =>
        ((BigInt(exponent) << format.fractionBits) + offset + (negative ? format.signBit : 0n)) & format.wordMask,
    );
  const moderate = uniform.map(
    (pattern) =>
      (pattern & (format.signBit | format.fractionMask)) |
      ((BigInt(exponentMax >> 1) - 4n + ((pattern >> 3n) & 7n)) << format.fractionBits),
  );
  return fc.oneof(uniform, sparse, moderate, fc.constantFrom(...specialPatterns(format)));
}

export const anyFinite = (format: FloatFormat): fc.Arbitrary<bigint> =>
  anyPattern(format).filter((pattern) => (pattern & (format.signBit - 1n)) < format.infinity);

export const anyNonZero = (format: FloatFormat): fc.Arbitrary<bigint> =>
  anyFinite(format).filter((pattern) => (pattern & (format.signBit - 1n)) !== 0n);
