/**
 * Rounding by its definition: the exact value as a fraction, the two neighbouring patterns by binary search over the
 * patterns (which are in the order of their values), and a choice between them. Slow, and unlike the soft float.
 */
import { BINARY64, FFLAG, type FloatFormat, ROUNDING, type RoundingMode } from '../../../src/machine/fp/soft-float.ts';

/** numerator / denominator, denominator > 0. */
export interface Fraction {
  readonly numerator: bigint;
  readonly denominator: bigint;
}

export interface Rounded {
  readonly pattern: bigint;
  readonly flags: number;
}

/** Every finite binary32 and binary64 number is an integer multiple of 2^-1074. */
const SCALE = 1074n;

/** Magnitude of a non-NaN pattern times 2^1074; infinity counts as the power of two after the greatest number. */
function scaledMagnitude(format: FloatFormat, pattern: bigint): bigint {
  const biased = (pattern & (format.signBit - 1n)) >> format.fractionBits;
  const fraction = pattern & format.fractionMask;
  const lowest = SCALE + BigInt(format.leastExponent);
  return biased === 0n ? fraction << lowest : (fraction | format.hiddenBit) << (lowest + biased - 1n);
}

/** Exact value of a finite pattern. */
export function fractionOf(format: FloatFormat, pattern: bigint): Fraction {
  const scaled = scaledMagnitude(format, pattern);
  return { numerator: (pattern & format.signBit) === 0n ? scaled : -scaled, denominator: 1n << SCALE };
}

export const sum = (a: Fraction, b: Fraction): Fraction => ({
  numerator: a.numerator * b.denominator + b.numerator * a.denominator,
  denominator: a.denominator * b.denominator,
});

export const product = (a: Fraction, b: Fraction): Fraction => ({
  numerator: a.numerator * b.numerator,
  denominator: a.denominator * b.denominator,
});

export function quotient(a: Fraction, b: Fraction): Fraction {
  const sign = b.numerator < 0n ? -1n : 1n;
  return { numerator: sign * a.numerator * b.denominator, denominator: sign * a.denominator * b.numerator };
}

/** The greatest pattern up to infinity whose value does not exceed `value` ≥ 0. */
function patternBelow(format: FloatFormat, { numerator, denominator }: Fraction): bigint {
  const scaledNumerator = numerator << SCALE;
  let low = 0n;
  let high = format.infinity + 1n;
  while (high - low > 1n) {
    const middle = (low + high) / 2n;
    if (scaledMagnitude(format, middle) * denominator <= scaledNumerator) low = middle;
    else high = middle;
  }
  return low;
}

/** Sign of value − (midpoint of a pattern and the next one). */
function compareToMidpoint(format: FloatFormat, { numerator, denominator }: Fraction, pattern: bigint): number {
  const twiceMidpoint = scaledMagnitude(format, pattern) + scaledMagnitude(format, pattern + 1n);
  const difference = 2n * (numerator << SCALE) - twiceMidpoint * denominator;
  return difference < 0n ? -1 : difference > 0n ? 1 : 0;
}

function chooses(rm: RoundingMode, negative: boolean, lower: bigint, midpoint: number): 'lower' | 'upper' {
  switch (rm) {
    case ROUNDING.RNE:
      return midpoint > 0 || (midpoint === 0 && lower % 2n === 1n) ? 'upper' : 'lower';
    case ROUNDING.RTZ:
      return 'lower';
    case ROUNDING.RDN:
      return negative ? 'upper' : 'lower';
    case ROUNDING.RUP:
      return negative ? 'lower' : 'upper';
    case ROUNDING.RMM:
      return midpoint >= 0 ? 'upper' : 'lower';
  }
}

/** Rounds a non-zero value, flags included. */
export function roundFraction(format: FloatFormat, value: Fraction, rm: RoundingMode): Rounded {
  const negative = value.numerator < 0n;
  const size = { numerator: negative ? -value.numerator : value.numerator, denominator: value.denominator };
  const sign = negative ? format.signBit : 0n;
  const lower = patternBelow(format, size);
  if (lower === format.infinity) {
    const choice = rm === ROUNDING.RNE ? 'upper' : chooses(rm, negative, lower, 1);
    return { pattern: sign | (format.infinity - (choice === 'upper' ? 0n : 1n)), flags: FFLAG.OF | FFLAG.NX };
  }
  if (scaledMagnitude(format, lower) * size.denominator === size.numerator << SCALE) {
    return { pattern: sign | lower, flags: 0 };
  }
  const choice = chooses(rm, negative, lower, compareToMidpoint(format, size, lower));
  const pattern = choice === 'upper' ? lower + 1n : lower;
  const overflow = pattern === format.infinity ? FFLAG.OF : 0;
  const underflow = isTinyAfterRounding(format, value, rm) ? FFLAG.UF : 0;
  return { pattern: sign | pattern, flags: FFLAG.NX | overflow | underflow };
}

/** "With unbounded exponent range": the value is rounded 64 binades higher, where numbers of its size are normal. */
function isTinyAfterRounding(format: FloatFormat, value: Fraction, rm: RoundingMode): boolean {
  const raised = { numerator: value.numerator << 64n, denominator: value.denominator };
  const size = raised.numerator < 0n ? -raised.numerator : raised.numerator;
  const leastNormalRaised = scaledMagnitude(format, format.hiddenBit) << 64n;
  if (size << SCALE >= leastNormalRaised * value.denominator) return false;
  const rounded = roundFraction(format, raised, rm).pattern & (format.signBit - 1n);
  return scaledMagnitude(format, rounded) < leastNormalRaised;
}

const scratch = new DataView(new ArrayBuffer(8));

/** Number to pattern and back; NaN gives the canonical NaN. */
export function patternOfNumber(format: FloatFormat, value: number): bigint {
  if (Number.isNaN(value)) return format.canonicalNan;
  if (format === BINARY64) scratch.setFloat64(0, value);
  else scratch.setFloat32(0, value);
  return format === BINARY64 ? scratch.getBigUint64(0) : BigInt(scratch.getUint32(0));
}

export function numberOfPattern(format: FloatFormat, pattern: bigint): number {
  if (format === BINARY64) scratch.setBigUint64(0, pattern);
  else scratch.setUint32(0, Number(pattern));
  return format === BINARY64 ? scratch.getFloat64(0) : scratch.getFloat32(0);
}
