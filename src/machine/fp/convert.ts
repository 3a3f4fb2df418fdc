/**
 * Conversions between formats and to and from integers.
 *
 * Source: [Unpriv] "Single-Precision Floating-Point Conversion and Move Instructions", table "Domains of float-to-integer
 * conversions and behavior for invalid inputs".
 */
import { FFLAG, type FpEnvironment } from './environment.ts';
import {
  exponentOf,
  type FloatFormat,
  isInfinite,
  isNan,
  isNegative,
  isSignallingNan,
  isZero,
  signedInfinity,
  signedZero,
  significandOf,
} from './format.ts';
import { roundAndPack, roundToInteger } from './round.ts';

/** An integer type of the conversion instructions: w, wu, l, lu. */
export interface IntegerRange {
  readonly min: bigint;
  readonly max: bigint;
}

export const INT32: IntegerRange = { min: -(1n << 31n), max: (1n << 31n) - 1n };
export const UINT32: IntegerRange = { min: 0n, max: (1n << 32n) - 1n };
export const INT64: IntegerRange = { min: -(1n << 63n), max: (1n << 63n) - 1n };
export const UINT64: IntegerRange = { min: 0n, max: (1n << 64n) - 1n };

/** A value with a higher exponent than this is beyond every integer type. */
const INTEGER_BITS_MAX = 64;

/**
 * fcvt to an integer: rounded by `env.rm`, saturated to `range` with NV (then not NX); a NaN counts as +∞. The result is
 * the mathematical integer: sign-extending a 32-bit one (fcvt.wu too) is the instruction's matter.
 */
export function toInteger(format: FloatFormat, a: bigint, range: IntegerRange, env: FpEnvironment): bigint {
  if (isZero(format, a)) return 0n;
  const negative = isNegative(format, a);
  const exponent = exponentOf(format, a);
  // NaN and infinity are caught here: their exponents are the highest.
  if (exponent > INTEGER_BITS_MAX) return saturate(negative && !isNan(format, a), range, env);
  const flagsBefore = env.flags;
  const rounded = roundToInteger(negative, significandOf(format, a), exponent, env);
  const value = negative ? -rounded : rounded;
  if (value >= range.min && value <= range.max) return value;
  env.flags = flagsBefore;
  return saturate(negative, range, env);
}

function saturate(negative: boolean, range: IntegerRange, env: FpEnvironment): bigint {
  env.flags |= FFLAG.NV;
  return negative ? range.min : range.max;
}

/** fcvt from an integer, given as the mathematical integer. */
export function fromInteger(format: FloatFormat, value: bigint, env: FpEnvironment): bigint {
  if (value === 0n) return 0n;
  return roundAndPack(format, value < 0n, value < 0n ? -value : value, 0, env);
}

/** fcvt.s.d and fcvt.d.s. */
export function toFormat(from: FloatFormat, to: FloatFormat, a: bigint, env: FpEnvironment): bigint {
  if (isNan(from, a)) {
    if (isSignallingNan(from, a)) env.flags |= FFLAG.NV;
    return to.canonicalNan;
  }
  const negative = isNegative(from, a);
  if (isInfinite(from, a)) return signedInfinity(to, negative);
  if (isZero(from, a)) return signedZero(to, negative);
  return roundAndPack(to, negative, significandOf(from, a), exponentOf(from, a), env);
}
