/** A stream of bytes that depends on the seed only: entropy of an emulated node, never of anything real. */
export function seededRandom(seed: number): (bytes: number) => Uint8Array {
  let state = BigInt.asUintN(64, BigInt(seed));
  // SplitMix64 (Steele, Lea, Flood 2014).
  const next = (): bigint => {
    state = BigInt.asUintN(64, state + 0x9e37_79b9_7f4a_7c15n);
    let word = state;
    word = BigInt.asUintN(64, (word ^ (word >> 30n)) * 0xbf58_476d_1ce4_e5b9n);
    word = BigInt.asUintN(64, (word ^ (word >> 27n)) * 0x94d0_49bb_1331_11ebn);
    return word ^ (word >> 31n);
  };
  return (bytes) => {
    const words = new BigUint64Array(Math.ceil(bytes / 8));
    for (let index = 0; index < words.length; index++) words[index] = next();
    return new Uint8Array(words.buffer, 0, bytes);
  };
}
