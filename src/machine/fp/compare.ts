/**
 * Minimum and maximum, comparisons, classification: operations that round nothing.
 *
 * Sources: IEEE 754-2019 "9.6 Minimum and maximum operations", "5.11 Details of comparison predicates"; [Unpriv]
 * "Single-Precision Floating-Point Compare Instructions", "Single-Precision Floating-Point Classify Instruction".
 */
import { FFLAG, type FpEnvironment } from './environment.ts';
import { type FloatFormat, isInfinite, isNan, isNegative, isSignallingNan, isZero, magnitude } from './format.ts';

/** Position of a number (no NaN) in the order of the reals, −0 just below +0. */
const orderKey = (format: FloatFormat, pattern: bigint): bigint =>
  isNegative(format, pattern) ? -1n - magnitude(format, pattern) : pattern;

function flagSignalling(format: FloatFormat, a: bigint, b: bigint, env: FpEnvironment): void {
  if (isSignallingNan(format, a) || isSignallingNan(format, b)) env.flags |= FFLAG.NV;
}

/** minimumNumber: a NaN loses against a number, two NaNs give the canonical one; −0 is less than +0. */
export function min(format: FloatFormat, a: bigint, b: bigint, env: FpEnvironment): bigint {
  flagSignalling(format, a, b, env);
  if (isNan(format, a)) return isNan(format, b) ? format.canonicalNan : b;
  return isNan(format, b) || orderKey(format, a) <= orderKey(format, b) ? a : b;
}

/** maximumNumber, as {@link min}. */
export function max(format: FloatFormat, a: bigint, b: bigint, env: FpEnvironment): bigint {
  flagSignalling(format, a, b, env);
  if (isNan(format, a)) return isNan(format, b) ? format.canonicalNan : b;
  return isNan(format, b) || orderKey(format, a) >= orderKey(format, b) ? a : b;
}

/** Quiet: only a signalling NaN sets NV. */
export function eq(format: FloatFormat, a: bigint, b: bigint, env: FpEnvironment): boolean {
  flagSignalling(format, a, b, env);
  if (isNan(format, a) || isNan(format, b)) return false;
  return a === b || (isZero(format, a) && isZero(format, b));
}

/** Signalling: any NaN sets NV. */
export function lt(format: FloatFormat, a: bigint, b: bigint, env: FpEnvironment): boolean {
  if (isUnordered(format, a, b, env) || (isZero(format, a) && isZero(format, b))) return false;
  return orderKey(format, a) < orderKey(format, b);
}

/** Signalling: any NaN sets NV. */
export function le(format: FloatFormat, a: bigint, b: bigint, env: FpEnvironment): boolean {
  if (isUnordered(format, a, b, env)) return false;
  return (isZero(format, a) && isZero(format, b)) || orderKey(format, a) <= orderKey(format, b);
}

function isUnordered(format: FloatFormat, a: bigint, b: bigint, env: FpEnvironment): boolean {
  const unordered = isNan(format, a) || isNan(format, b);
  if (unordered) env.flags |= FFLAG.NV;
  return unordered;
}

/** Result bits of `fclass`. */
export const FCLASS = {
  negativeInfinity: 1 << 0,
  negativeNormal: 1 << 1,
  negativeSubnormal: 1 << 2,
  negativeZero: 1 << 3,
  positiveZero: 1 << 4,
  positiveSubnormal: 1 << 5,
  positiveNormal: 1 << 6,
  positiveInfinity: 1 << 7,
  signallingNan: 1 << 8,
  quietNan: 1 << 9,
} as const;

/** The one bit of {@link FCLASS} that a pattern belongs to; sets no flag. */
export function classify(format: FloatFormat, a: bigint): number {
  const negative = isNegative(format, a);
  if (isNan(format, a)) return isSignallingNan(format, a) ? FCLASS.signallingNan : FCLASS.quietNan;
  if (isInfinite(format, a)) return negative ? FCLASS.negativeInfinity : FCLASS.positiveInfinity;
  if (isZero(format, a)) return negative ? FCLASS.negativeZero : FCLASS.positiveZero;
  if (magnitude(format, a) < format.hiddenBit) return negative ? FCLASS.negativeSubnormal : FCLASS.positiveSubnormal;
  return negative ? FCLASS.negativeNormal : FCLASS.positiveNormal;
}
