/** Scatter and gather between a device and the segments of a descriptor chain. */
import type { DmaPort } from '../../door.ts';
import type { Segment } from './virtqueue.ts';

/** Copies of all bytes of the segments, in order; undefined when one of them is denied. */
export function gather(port: DmaPort, segments: readonly Segment[]): Uint8Array | undefined {
  const parts: Uint8Array[] = [];
  let length = 0;
  for (const segment of segments) {
    if (segment.bytes === 0) continue;
    const part = port.read(segment.address, segment.bytes);
    if (part === undefined) return undefined;
    parts.push(part);
    length += part.length;
  }
  const all = new Uint8Array(length);
  let offset = 0;
  for (const part of parts) {
    all.set(part, offset);
    offset += part.length;
  }
  return all;
}

/** Writes `bytes` over the segments from their start; the number of bytes written before an end or a denial. */
export function scatter(port: DmaPort, segments: readonly Segment[], bytes: Uint8Array): number {
  let written = 0;
  for (const segment of segments) {
    const part = bytes.subarray(written, written + segment.bytes);
    if (part.length === 0) break;
    if (!port.write(segment.address, part)) break;
    written += part.length;
  }
  return written;
}

/** The segments from byte `start` (inclusive) to `end` (exclusive) of what they cover together. */
export function slice(segments: readonly Segment[], start: number, end: number): Segment[] {
  const part: Segment[] = [];
  let at = 0;
  for (const { address, bytes } of segments) {
    const from = Math.max(start, at);
    const to = Math.min(end, at + bytes);
    if (from < to) part.push({ address: address + (from - at), bytes: to - from });
    at += bytes;
  }
  return part;
}
