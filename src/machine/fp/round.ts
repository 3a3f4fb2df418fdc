/**
 * The one place where a value becomes a bit pattern: rounding, overflow, underflow, inexact.
 *
 * Sources: IEEE 754-2019 "4.3 Rounding-direction attributes", "7.4 Overflow", "7.5 Underflow"; [Unpriv] "F Standard
 * Extension": "underflow tininess is detected after rounding".
 */
import { FFLAG, type FpEnvironment, ROUNDING, type RoundingMode } from './environment.ts';
import { type FloatFormat, signedInfinity, signedZero } from './format.ts';

const scratch = new DataView(new ArrayBuffer(8));
const NUMBER_BIAS = 1023;

/** Number of bits of a positive integer below 2^1023. */
function bitLength(value: bigint): number {
  scratch.setFloat64(0, Number(value));
  const exponent = (scratch.getUint32(0) >>> 20) - NUMBER_BIAS;
  // Number() rounds to nearest, so it may have carried into the next power of two.
  return value >> BigInt(exponent) === 0n ? exponent : exponent + 1;
}

/** significand × 2^-shift, shift > 0, rounded to an integer. */
function shiftRight(negative: boolean, significand: bigint, shift: number, rm: RoundingMode): bigint {
  const bits = BigInt(shift);
  const kept = significand >> bits;
  const lost = significand - (kept << bits);
  return lost !== 0n && roundsAway(negative, kept, lost, 1n << (bits - 1n), rm) ? kept + 1n : kept;
}

function roundsAway(negative: boolean, kept: bigint, lost: bigint, half: bigint, rm: RoundingMode): boolean {
  switch (rm) {
    case ROUNDING.RNE:
      return lost > half || (lost === half && (kept & 1n) === 1n);
    case ROUNDING.RTZ:
      return false;
    case ROUNDING.RDN:
      return negative;
    case ROUNDING.RUP:
      return !negative;
    case ROUNDING.RMM:
      return lost >= half;
  }
}

/**
 * Nearest integer to significand × 2^exponent by `rm`, magnitude only; NX when it is not exact. A shift beyond the
 * significand's length is cut to one that rounds alike.
 */
export function roundToInteger(negative: boolean, significand: bigint, exponent: number, env: FpEnvironment): bigint {
  if (exponent >= 0) return significand << BigInt(exponent);
  const shift = Math.min(-exponent, bitLength(significand) + 2);
  if (significand & ((1n << BigInt(shift)) - 1n)) env.flags |= FFLAG.NX;
  return shiftRight(negative, significand, shift, env.rm);
}

/**
 * Bit pattern of (-1)^negative × significand × 2^exponent, significand > 0, rounded by `env.rm`; sets OF, UF and NX.
 *
 * A caller that has only the leading bits of a value hands in at least precision + 3 of them with the least significant one as
 * sticky bit: it then rounds as the whole value would.
 */
export function roundAndPack(
  format: FloatFormat,
  negative: boolean,
  significand: bigint,
  exponent: number,
  env: FpEnvironment,
): bigint {
  const length = bitLength(significand);
  // Exponent of the last place of the result if exponents had no lower bound, and with it.
  const freePlace = exponent + length - format.precision;
  const place = Math.max(freePlace, format.leastExponent);
  if (place <= exponent) {
    return pack(format, negative, place, significand << BigInt(exponent - place), env);
  }
  const shift = Math.min(place - exponent, length + 2);
  const rounded = shiftRight(negative, significand, shift, env.rm);
  if (significand & ((1n << BigInt(shift)) - 1n)) {
    env.flags |= FFLAG.NX;
    if (freePlace < place && isTiny(format, negative, significand, freePlace, exponent, env.rm)) env.flags |= FFLAG.UF;
  }
  return pack(format, negative, place, rounded, env);
}

/**
 * Whether a value below the least normal number stays there when it is rounded as if exponents had no lower bound. Only
 * one binade below the least normal number can it be carried up to it.
 */
function isTiny(
  format: FloatFormat,
  negative: boolean,
  significand: bigint,
  freePlace: number,
  exponent: number,
  rm: RoundingMode,
): boolean {
  if (freePlace < format.leastExponent - 1 || freePlace <= exponent) return true;
  return shiftRight(negative, significand, freePlace - exponent, rm) < format.hiddenBit << 1n;
}

/** `significand` ≤ 2^precision counts units of 2^place; when it has carried, the sum carries into the exponent field. */
function pack(format: FloatFormat, negative: boolean, place: number, significand: bigint, env: FpEnvironment): bigint {
  const pattern = (BigInt(place - format.leastExponent) << format.fractionBits) + significand;
  if (pattern < format.infinity) return pattern | signedZero(format, negative);
  env.flags |= FFLAG.OF | FFLAG.NX;
  const toInfinity =
    env.rm === ROUNDING.RNE || env.rm === ROUNDING.RMM || env.rm === (negative ? ROUNDING.RDN : ROUNDING.RUP);
  return signedInfinity(format, negative) - (toInfinity ? 0n : 1n);
}
