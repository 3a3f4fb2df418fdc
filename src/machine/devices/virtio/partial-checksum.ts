/**
 * The Internet checksum a driver leaves to the device. Source: [VIRTIO] 1.2 "Packet Transmission": from csum_start to
 * the end of the frame, stored at csum_start + csum_offset, where the driver has put the sum of the pseudo header.
 */

const CHECKSUM_BYTES = 2;

/** Completes it in place; false when start or field lie outside the frame. */
export function completeChecksum(frame: Uint8Array, start: number, offset: number): boolean {
  const at = start + offset;
  if (start >= frame.length || at + CHECKSUM_BYTES > frame.length) return false;
  let sum = 0;
  for (let index = start; index < frame.length; index += 2) sum += (frame[index]! << 8) | (frame[index + 1] ?? 0);
  while (sum > 0xffff) sum = (sum & 0xffff) + Math.floor(sum / 0x1_0000);
  // RFC 768: a computed checksum of zero is transmitted as all ones; for TCP both are the same number.
  const checksum = ~sum & 0xffff || 0xffff;
  frame[at] = checksum >> 8;
  frame[at + 1] = checksum & 0xff;
  return true;
}
