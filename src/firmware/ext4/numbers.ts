/** Reads at `offset` of a structure; a view that is too short throws a RangeError. */
export const viewOf = (bytes: Uint8Array): DataView => new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);

/** A 64-bit number in two halves, as ext4 spreads them. Block numbers and sizes stay below 2^53. */
export const joinHalves = (low: number, high: number): number => high * 2 ** 32 + low;
