/** ICMP echo and destination-unreachable, [RFC 792]. */
import { internetChecksum } from './internet-checksum.ts';

export const ICMP_TYPE = { echoReply: 0, destinationUnreachable: 3, echoRequest: 8 } as const;

const HEADER_BYTES = 8;

export interface IcmpMessage {
  readonly type: number;
  readonly code: number;
  /** Bytes 4 to 7: identifier and sequence number of an echo. */
  readonly rest: number;
  readonly payload: Uint8Array;
}

export function encodeIcmp(message: IcmpMessage): Uint8Array {
  const bytes = new Uint8Array(HEADER_BYTES + message.payload.length);
  const view = new DataView(bytes.buffer);
  view.setUint8(0, message.type);
  view.setUint8(1, message.code);
  view.setUint32(4, message.rest);
  bytes.set(message.payload, HEADER_BYTES);
  view.setUint16(2, internetChecksum(bytes));
  return bytes;
}

/** `undefined`: too short, or the checksum is wrong. */
export function decodeIcmp(bytes: Uint8Array): IcmpMessage | undefined {
  if (bytes.length < HEADER_BYTES || internetChecksum(bytes) !== 0) return undefined;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  return {
    type: view.getUint8(0),
    code: view.getUint8(1),
    rest: view.getUint32(4),
    payload: bytes.subarray(HEADER_BYTES),
  };
}
