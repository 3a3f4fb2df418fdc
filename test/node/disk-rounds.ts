/** What the disk writer writes, so that whoever kills it knows what to look for. */
const SECTORS_PER_ROUND = 300;

/** A small generator of numbers (xorshift) that gives the same for the same seed. */
export function numbers(seed: number): (below: number) => number {
  let state = (seed * 2_654_435_761 + 1) >>> 0 || 1;
  return (below) => {
    state ^= state << 13;
    state >>>= 0;
    state ^= state >>> 17;
    state ^= state << 5;
    state >>>= 0;
    return state % below;
  };
}

export function sectorsOfRound(seed: number, round: number, diskBytes: number): readonly number[] {
  const next = numbers(seed * 100_003 + round);
  return Array.from({ length: SECTORS_PER_ROUND }, () => next(diskBytes / 512));
}

/** Content of a sector: the round and the sector itself, over and over. */
export function sectorOf(round: number, sector: number): Uint8Array {
  const words = new Uint32Array(128);
  for (let index = 0; index < words.length; index += 2) words.set([round, sector], index);
  return new Uint8Array(words.buffer);
}
