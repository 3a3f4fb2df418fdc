/**
 * The two floating-point formats of F and D, and what their bit patterns mean.
 *
 * A bit pattern is an unsigned `bigint` of `width` bits. A finite value is (-1)^sign × significand × 2^exponent with an
 * integer significand; nothing here is normalised, a subnormal just has a small significand.
 *
 * Sources: IEEE 754-2019 "3.4 Binary interchange format encodings"; [Unpriv] "NaN Generation and Propagation" and "NaN
 * Boxing of Narrower Values".
 */

export interface FloatFormat {
  readonly width: 32 | 64;
  /** Bits of a normal significand, the hidden one included (p in IEEE 754). */
  readonly precision: number;
  /** Exponent of the least significant bit of the smallest subnormal number. */
  readonly leastExponent: number;
  readonly fractionBits: bigint;
  readonly fractionMask: bigint;
  /** The hidden bit of a normal significand. */
  readonly hiddenBit: bigint;
  readonly signBit: bigint;
  /** Positive infinity; without the sign bit, every greater pattern is a NaN. */
  readonly infinity: bigint;
  /** The most significant bit of the fraction: set in a quiet NaN, clear in a signalling one. */
  readonly quietBit: bigint;
  readonly canonicalNan: bigint;
  readonly wordMask: bigint;
}

function floatFormat(width: 32 | 64, precision: number): FloatFormat {
  const fractionBits = BigInt(precision - 1);
  const signBit = 1n << BigInt(width - 1);
  const hiddenBit = 1n << fractionBits;
  const infinity = signBit - hiddenBit;
  const quietBit = hiddenBit >> 1n;
  const exponentMax = 2 ** (width - precision - 1) - 1;
  return {
    width,
    precision,
    leastExponent: 2 - exponentMax - precision,
    fractionBits,
    fractionMask: hiddenBit - 1n,
    hiddenBit,
    signBit,
    infinity,
    quietBit,
    canonicalNan: infinity | quietBit,
    wordMask: (signBit << 1n) - 1n,
  };
}

/** binary32: the format of F. */
export const BINARY32: FloatFormat = floatFormat(32, 24);
/** binary64: the format of D. */
export const BINARY64: FloatFormat = floatFormat(64, 53);

export const magnitude = (format: FloatFormat, pattern: bigint): bigint => pattern & (format.signBit - 1n);

export const isNegative = (format: FloatFormat, pattern: bigint): boolean => (pattern & format.signBit) !== 0n;

export const isNan = (format: FloatFormat, pattern: bigint): boolean => magnitude(format, pattern) > format.infinity;

export const isSignallingNan = (format: FloatFormat, pattern: bigint): boolean =>
  isNan(format, pattern) && (pattern & format.quietBit) === 0n;

export const isInfinite = (format: FloatFormat, pattern: bigint): boolean =>
  magnitude(format, pattern) === format.infinity;

export const isZero = (format: FloatFormat, pattern: bigint): boolean => magnitude(format, pattern) === 0n;

export const negate = (format: FloatFormat, pattern: bigint): bigint => pattern ^ format.signBit;

export const signedZero = (format: FloatFormat, negative: boolean): bigint => (negative ? format.signBit : 0n);

export const signedInfinity = (format: FloatFormat, negative: boolean): bigint =>
  negative ? format.infinity | format.signBit : format.infinity;

/** Integer significand of a finite pattern; its weight is 2^{@link exponentOf}. */
export function significandOf(format: FloatFormat, pattern: bigint): bigint {
  const fraction = pattern & format.fractionMask;
  return magnitude(format, pattern) < format.hiddenBit ? fraction : fraction | format.hiddenBit;
}

/** Exponent of the least significant bit of a finite pattern's significand. */
export function exponentOf(format: FloatFormat, pattern: bigint): number {
  const biased = Number(magnitude(format, pattern) >> format.fractionBits);
  return format.leastExponent + (biased === 0 ? 0 : biased - 1);
}

const BOX = 0xffff_ffff_0000_0000n;

/** A binary32 pattern as a 64-bit f register holds it. */
export const nanBox = (pattern: bigint): bigint => pattern | BOX;

/** The binary32 operand in a 64-bit f register: "if not [correctly boxed], the input value is treated as the canonical NaN". */
export const nanUnbox = (register: bigint): bigint =>
  (register & BOX) === BOX ? register & BINARY32.wordMask : BINARY32.canonicalNan;
