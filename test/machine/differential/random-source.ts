/** Seeded numbers for generated programs, and the 64-bit patterns that find mistakes. */

export interface RandomSource {
  /** 32 random bits as a signed number. */
  word(): number;
  /** 0 ≤ result < bound. */
  below(bound: number): number;
  pick<T>(choices: readonly T[]): T;
  /** Any 64 bits, or a value near an end of a 32- or 64-bit range. */
  integerPattern(): bigint;
  /** Bits of an f register: binary64, boxed binary32, or neither. */
  floatPattern(): bigint;
}

/** xorshift32. */
export function randomSource(seed: number): RandomSource {
  let state = (seed * 0x9e37_79b1) | 1;
  const word = (): number => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return state;
  };
  const below = (bound: number): number => (word() >>> 0) % bound;
  const pick = <T>(choices: readonly T[]): T => choices[below(choices.length)] as T;
  const doubleWord = (): bigint => (BigInt(word() >>> 0) << 32n) | BigInt(word() >>> 0);

  const integerPattern = (): bigint => {
    switch (below(4)) {
      case 0:
        return doubleWord();
      case 1:
        return BigInt.asUintN(64, BigInt(below(17) - 8));
      case 2:
        return BigInt.asUintN(64, (1n << BigInt(below(64))) + BigInt(below(5) - 2));
      default:
        return BigInt.asUintN(64, BigInt(word()));
    }
  };

  /** Exponents near the middle make sums and products that meet; the ends make overflow and subnormals. */
  const float = (exponentBits: number, fractionBits: number): bigint => {
    const exponentMax = 2 ** exponentBits - 1;
    const middle = (exponentMax - 1) / 2;
    const exponent = pick([
      middle - 2 + below(5),
      below(3),
      exponentMax - below(3),
      below(exponentMax + 1),
      middle + below(70),
    ]);
    const fraction = pick([doubleWord(), 0n, doubleWord() & 3n, -1n - (doubleWord() & 3n), doubleWord() & (7n << 40n)]);
    const sign = BigInt(below(2)) << BigInt(exponentBits + fractionBits);
    return (
      sign | (BigInt(Math.min(exponent, exponentMax)) << BigInt(fractionBits)) | BigInt.asUintN(fractionBits, fraction)
    );
  };
  const floatPattern = (): bigint => {
    const kind = below(16);
    if (kind === 0) return doubleWord();
    return kind < 8 ? float(11, 52) : 0xffff_ffff_0000_0000n | float(8, 23);
  };
  return { word, below, pick, integerPattern, floatPattern };
}
