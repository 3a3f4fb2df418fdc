/**
 * Addition, subtraction, multiplication, fused multiply-add, division and square root, each exact up to one rounding.
 *
 * Every NaN result is the canonical NaN; a signalling operand sets NV. Operands are bit patterns of `format`.
 * Sources: IEEE 754-2019 "5.4.1 Arithmetic operations", "6.3 The sign bit", "7.2 Invalid operation"; [Unpriv]
 * "Single-Precision Floating-Point Computational Instructions".
 */
import { FFLAG, type FpEnvironment, ROUNDING } from './environment.ts';
import {
  exponentOf,
  type FloatFormat,
  isInfinite,
  isNan,
  isNegative,
  isSignallingNan,
  isZero,
  negate,
  signedInfinity,
  signedZero,
  significandOf,
} from './format.ts';
import { roundAndPack } from './round.ts';

/** The NaN that an operation with a NaN operand gives. */
function propagateNan(format: FloatFormat, env: FpEnvironment, a: bigint, b: bigint): bigint {
  if (isSignallingNan(format, a) || isSignallingNan(format, b)) env.flags |= FFLAG.NV;
  return format.canonicalNan;
}

function invalid(format: FloatFormat, env: FpEnvironment): bigint {
  env.flags |= FFLAG.NV;
  return format.canonicalNan;
}

/** Sign of an exact sum of zero: that of both terms, or + (RDN: −) where they differ. */
const zeroSum = (format: FloatFormat, env: FpEnvironment, aNegative: boolean, bNegative: boolean): bigint =>
  signedZero(format, aNegative === bNegative ? aNegative : env.rm === ROUNDING.RDN);

/**
 * Rounded sum of two non-zero terms, significands signed. When the terms are so far apart that the smaller one cannot
 * touch a bit that matters, it counts as one unit far below the greater one's last place.
 */
function addExact(
  format: FloatFormat,
  env: FpEnvironment,
  aSignificand: bigint,
  aExponent: number,
  bSignificand: bigint,
  bExponent: number,
): bigint {
  if (aExponent < bExponent) return addExact(format, env, bSignificand, bExponent, aSignificand, aExponent);
  // A product's significand has 2 × precision bits.
  const guardBits = format.precision + 4;
  const distance = aExponent - bExponent;
  const isFar = distance > guardBits + 2 * format.precision;
  const shift = isFar ? guardBits : distance;
  const low = isFar ? (bSignificand < 0n ? -1n : 1n) : bSignificand;
  const sum = (aSignificand << BigInt(shift)) + low;
  if (sum === 0n) return zeroSum(format, env, false, true);
  return roundAndPack(format, sum < 0n, sum < 0n ? -sum : sum, aExponent - shift, env);
}

const signedSignificand = (format: FloatFormat, pattern: bigint): bigint =>
  isNegative(format, pattern) ? -significandOf(format, pattern) : significandOf(format, pattern);

export function add(format: FloatFormat, a: bigint, b: bigint, env: FpEnvironment): bigint {
  if (isNan(format, a) || isNan(format, b)) return propagateNan(format, env, a, b);
  if (isInfinite(format, a)) return b === negate(format, a) ? invalid(format, env) : a;
  if (isInfinite(format, b)) return b;
  if (isZero(format, a)) return isZero(format, b) ? zeroSum(format, env, a !== 0n, b !== 0n) : b;
  if (isZero(format, b)) return a;
  return addExact(
    format,
    env,
    signedSignificand(format, a),
    exponentOf(format, a),
    signedSignificand(format, b),
    exponentOf(format, b),
  );
}

export function sub(format: FloatFormat, a: bigint, b: bigint, env: FpEnvironment): bigint {
  return add(format, a, negate(format, b), env);
}

export function mul(format: FloatFormat, a: bigint, b: bigint, env: FpEnvironment): bigint {
  if (isNan(format, a) || isNan(format, b)) return propagateNan(format, env, a, b);
  const negative = isNegative(format, a) !== isNegative(format, b);
  if (isInfinite(format, a) || isInfinite(format, b)) {
    return isZero(format, a) || isZero(format, b) ? invalid(format, env) : signedInfinity(format, negative);
  }
  if (isZero(format, a) || isZero(format, b)) return signedZero(format, negative);
  const exponent = exponentOf(format, a) + exponentOf(format, b);
  return roundAndPack(format, negative, significandOf(format, a) * significandOf(format, b), exponent, env);
}

/**
 * a × b + c with one rounding. The other three instructions negate operands: fmsub c, fnmsub a, fnmadd a and c.
 * "The fused multiply-add instructions must set the invalid operation exception flag when the multiplicands are ∞ and
 * zero, even when the addend is a quiet NaN."
 */
export function mulAdd(format: FloatFormat, a: bigint, b: bigint, c: bigint, env: FpEnvironment): bigint {
  if (isNan(format, a) || isNan(format, b)) {
    if (isSignallingNan(format, c)) env.flags |= FFLAG.NV;
    return propagateNan(format, env, a, b);
  }
  const negative = isNegative(format, a) !== isNegative(format, b);
  const productIsInfinite = isInfinite(format, a) || isInfinite(format, b);
  const productIsZero = isZero(format, a) || isZero(format, b);
  if (productIsInfinite && productIsZero) return invalid(format, env);
  if (isNan(format, c)) return propagateNan(format, env, c, c);
  if (productIsInfinite) {
    const product = signedInfinity(format, negative);
    return c === negate(format, product) ? invalid(format, env) : product;
  }
  if (isInfinite(format, c)) return c;
  if (productIsZero) return isZero(format, c) ? zeroSum(format, env, negative, c !== 0n) : c;
  const exponent = exponentOf(format, a) + exponentOf(format, b);
  const product = significandOf(format, a) * significandOf(format, b);
  if (isZero(format, c)) return roundAndPack(format, negative, product, exponent, env);
  return addExact(
    format,
    env,
    negative ? -product : product,
    exponent,
    signedSignificand(format, c),
    exponentOf(format, c),
  );
}

export function div(format: FloatFormat, a: bigint, b: bigint, env: FpEnvironment): bigint {
  if (isNan(format, a) || isNan(format, b)) return propagateNan(format, env, a, b);
  const negative = isNegative(format, a) !== isNegative(format, b);
  if (isInfinite(format, a)) return isInfinite(format, b) ? invalid(format, env) : signedInfinity(format, negative);
  if (isInfinite(format, b)) return signedZero(format, negative);
  if (isZero(format, b)) {
    if (isZero(format, a)) return invalid(format, env);
    env.flags |= FFLAG.DZ;
    return signedInfinity(format, negative);
  }
  if (isZero(format, a)) return signedZero(format, negative);
  // However few bits the dividend has, the quotient gets precision + 3.
  const shift = 2 * format.precision + 4;
  const dividend = significandOf(format, a) << BigInt(shift);
  const divisor = significandOf(format, b);
  const quotient = dividend / divisor;
  const sticky = quotient * divisor === dividend ? 0n : 1n;
  const exponent = exponentOf(format, a) - exponentOf(format, b) - shift;
  return roundAndPack(format, negative, (quotient << 1n) | sticky, exponent - 1, env);
}

export function sqrt(format: FloatFormat, a: bigint, env: FpEnvironment): bigint {
  if (isNan(format, a)) return propagateNan(format, env, a, a);
  if (isZero(format, a)) return a;
  if (isNegative(format, a)) return invalid(format, env);
  if (isInfinite(format, a)) return a;
  const exponent = exponentOf(format, a);
  // An even exponent for the radicand, and precision + 3 bits for its root.
  const shift = 2 * (format.precision + 3) + (exponent & 1);
  const radicand = significandOf(format, a) << BigInt(shift);
  const root = integerSquareRoot(radicand);
  const sticky = root * root === radicand ? 0n : 1n;
  return roundAndPack(format, false, (root << 1n) | sticky, (exponent - shift) / 2 - 1, env);
}

/** ⌊√n⌋ of 0 < n < 2^1023: Newton's iteration falls monotonically to it from any start above it. */
function integerSquareRoot(n: bigint): bigint {
  // Math.sqrt is within a few parts in 2^53 of the root; the margin lifts the start above it.
  const estimate = BigInt(Math.ceil(Math.sqrt(Number(n))));
  let root = estimate + (estimate >> 50n) + 1n;
  for (;;) {
    const next = (root + n / root) >> 1n;
    if (next >= root) return root;
    root = next;
  }
}
