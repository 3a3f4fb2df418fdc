/** TCP segments and sequence numbers, [RFC 9293] 3.1 and 3.4. */
import { IP_PROTOCOL, type Ipv4Address, transportChecksum } from './ipv4.ts';

export const TCP_FLAG = { fin: 0x01, syn: 0x02, rst: 0x04, psh: 0x08, ack: 0x10 } as const;

const HEADER_BYTES = 20;
const OPTION = { end: 0, noOperation: 1, maximumSegmentSize: 2 } as const;
const MSS_OPTION_BYTES = 4;

/** [RFC 9293] 3.7.1: without the option a peer takes 536 bytes. */
export const TCP_DEFAULT_MSS = 536;

export interface TcpSegment {
  readonly sourcePort: number;
  readonly destinationPort: number;
  readonly sequence: number;
  readonly acknowledgment: number;
  readonly flags: number;
  readonly window: number;
  /** Maximum segment size option; on a SYN only. */
  readonly mss?: number;
  readonly payload: Uint8Array;
}

export interface SegmentAddresses {
  readonly source: Ipv4Address;
  readonly destination: Ipv4Address;
}

/** `a + bytes` modulo 2^32. */
export const seqAdd = (a: number, bytes: number): number => (a + bytes) >>> 0;

/** How far `a` is after `b`; negative when before. Right while they are less than 2^31 apart. */
export const seqDiff = (a: number, b: number): number => (a - b) | 0;

/** Sequence numbers a segment takes: its bytes, SYN and FIN. */
export const segmentLength = (segment: TcpSegment): number =>
  segment.payload.length +
  ((segment.flags & TCP_FLAG.syn) === 0 ? 0 : 1) +
  ((segment.flags & TCP_FLAG.fin) === 0 ? 0 : 1);

export function encodeTcp(segment: TcpSegment, addresses: SegmentAddresses): Uint8Array {
  const headerBytes = HEADER_BYTES + (segment.mss === undefined ? 0 : MSS_OPTION_BYTES);
  const bytes = new Uint8Array(headerBytes + segment.payload.length);
  const view = new DataView(bytes.buffer);
  view.setUint16(0, segment.sourcePort);
  view.setUint16(2, segment.destinationPort);
  view.setUint32(4, segment.sequence);
  view.setUint32(8, segment.acknowledgment);
  view.setUint8(12, (headerBytes / 4) << 4);
  view.setUint8(13, segment.flags);
  view.setUint16(14, segment.window);
  if (segment.mss !== undefined) {
    view.setUint8(HEADER_BYTES, OPTION.maximumSegmentSize);
    view.setUint8(HEADER_BYTES + 1, MSS_OPTION_BYTES);
    view.setUint16(HEADER_BYTES + 2, segment.mss);
  }
  bytes.set(segment.payload, headerBytes);
  view.setUint16(16, transportChecksum({ ...addresses, protocol: IP_PROTOCOL.tcp, payload: bytes }));
  return bytes;
}

export type TcpFault = 'malformed' | 'checksum';

export function decodeTcp(bytes: Uint8Array, addresses: SegmentAddresses): TcpSegment | TcpFault {
  if (bytes.length < HEADER_BYTES) return 'malformed';
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const headerBytes = (view.getUint8(12) >> 4) * 4;
  if (headerBytes < HEADER_BYTES || headerBytes > bytes.length) return 'malformed';
  if (transportChecksum({ ...addresses, protocol: IP_PROTOCOL.tcp, payload: bytes }) !== 0) return 'checksum';
  const mss = readMssOption(bytes.subarray(HEADER_BYTES, headerBytes));
  return {
    sourcePort: view.getUint16(0),
    destinationPort: view.getUint16(2),
    sequence: view.getUint32(4),
    acknowledgment: view.getUint32(8),
    flags: view.getUint8(13),
    window: view.getUint16(14),
    ...(mss === undefined ? {} : { mss }),
    payload: bytes.subarray(headerBytes),
  };
}

function readMssOption(options: Uint8Array): number | undefined {
  let offset = 0;
  while (offset < options.length) {
    const kind = options[offset] ?? OPTION.end;
    if (kind === OPTION.end) return undefined;
    if (kind === OPTION.noOperation) {
      offset++;
      continue;
    }
    const bytes = options[offset + 1] ?? 0;
    if (bytes < 2 || offset + bytes > options.length) return undefined;
    if (kind === OPTION.maximumSegmentSize && bytes === MSS_OPTION_BYTES) {
      // A peer that takes no byte could not be spoken to: as Linux does, it is taken for one that does not say.
      return ((options[offset + 2] ?? 0) << 8) | (options[offset + 3] ?? 0) || undefined;
    }
    offset += bytes;
  }
  return undefined;
}
