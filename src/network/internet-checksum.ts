/** The Internet checksum, [RFC 1071]: ones' complement of the ones' complement sum of 16-bit words. */

/** Adds `bytes` to a running sum; an odd last byte counts as the high half of a word. */
export function checksumAdd(sum: number, bytes: Uint8Array): number {
  let total = sum;
  const even = bytes.length & ~1;
  for (let index = 0; index < even; index += 2) total += ((bytes[index] ?? 0) << 8) | (bytes[index + 1] ?? 0);
  if (even !== bytes.length) total += (bytes[even] ?? 0) << 8;
  return total;
}

/** Folds a running sum; 0 when the data held a correct checksum. */
export function checksumFold(sum: number): number {
  let folded = sum;
  while (folded > 0xffff) folded = (folded % 0x1_0000) + Math.floor(folded / 0x1_0000);
  return ~folded & 0xffff;
}

export const internetChecksum = (bytes: Uint8Array): number => checksumFold(checksumAdd(0, bytes));
