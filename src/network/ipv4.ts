/**
 * IPv4 packets, [RFC 791]. Nothing here is fragmented: what is sent fits the MTU and says "don't fragment"; a fragment
 * that comes in is dropped by the caller, who sees it in `fragment`.
 */
import { ETHERNET_MTU } from './ethernet.ts';
import { checksumAdd, checksumFold, internetChecksum } from './internet-checksum.ts';

/** A 32-bit address as an unsigned integer. */
export type Ipv4Address = number;

export const IP_PROTOCOL = { icmp: 1, tcp: 6 } as const;

const HEADER_BYTES = 20;
const DEFAULT_TTL = 64;
const FLAG_DONT_FRAGMENT = 0x4000;
const MORE_FRAGMENTS_AND_OFFSET = 0x3fff;

/** Largest TCP segment that fits a packet: IPv4 and TCP headers without options take 20 bytes each. */
export const ETHERNET_TCP_MSS = ETHERNET_MTU - HEADER_BYTES - 20;

export interface Ipv4Packet {
  readonly source: Ipv4Address;
  readonly destination: Ipv4Address;
  readonly protocol: number;
  readonly payload: Uint8Array;
}

/** @throws RangeError when `text` is not a dotted quad. */
export function parseIpv4(text: string): Ipv4Address {
  const parts = /^(\d{1,3})\.(\d{1,3})\.(\d{1,3})\.(\d{1,3})$/.exec(text)?.slice(1).map(Number);
  if (parts?.every((part) => part <= 255) !== true) {
    throw new RangeError(`an IPv4 address looks like 10.0.0.1, not '${text}'`);
  }
  return parts.reduce((address, part) => address * 256 + part, 0);
}

export const formatIpv4 = (address: Ipv4Address): string =>
  [24, 16, 8, 0].map((shift) => (address >>> shift) & 0xff).join('.');

export function encodeIpv4(packet: Ipv4Packet, identification: number): Uint8Array {
  const bytes = new Uint8Array(HEADER_BYTES + packet.payload.length);
  const view = new DataView(bytes.buffer);
  view.setUint8(0, 0x45);
  view.setUint16(2, bytes.length);
  view.setUint16(4, identification & 0xffff);
  view.setUint16(6, FLAG_DONT_FRAGMENT);
  view.setUint8(8, DEFAULT_TTL);
  view.setUint8(9, packet.protocol);
  view.setUint32(12, packet.source);
  view.setUint32(16, packet.destination);
  view.setUint16(10, internetChecksum(bytes.subarray(0, HEADER_BYTES)));
  bytes.set(packet.payload, HEADER_BYTES);
  return bytes;
}

export type Ipv4Fault = 'malformed' | 'checksum' | 'fragment';

export function decodeIpv4(bytes: Uint8Array): Ipv4Packet | Ipv4Fault {
  if (bytes.length < HEADER_BYTES || (bytes[0] ?? 0) >> 4 !== 4) return 'malformed';
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const headerBytes = (view.getUint8(0) & 15) * 4;
  const totalBytes = view.getUint16(2);
  if (headerBytes < HEADER_BYTES || totalBytes < headerBytes || totalBytes > bytes.length) return 'malformed';
  if (internetChecksum(bytes.subarray(0, headerBytes)) !== 0) return 'checksum';
  if ((view.getUint16(6) & MORE_FRAGMENTS_AND_OFFSET) !== 0) return 'fragment';
  return {
    source: view.getUint32(12),
    destination: view.getUint32(16),
    protocol: view.getUint8(9),
    payload: bytes.subarray(headerBytes, totalBytes),
  };
}

/** Checksum of a transport segment with its pseudo header, [RFC 9293] 3.1; 0 when the segment's own is right. */
export function transportChecksum(packet: Ipv4Packet): number {
  const pseudo = new Uint8Array(12);
  const view = new DataView(pseudo.buffer);
  view.setUint32(0, packet.source);
  view.setUint32(4, packet.destination);
  view.setUint8(9, packet.protocol);
  view.setUint16(10, packet.payload.length);
  return checksumFold(checksumAdd(checksumAdd(0, pseudo), packet.payload));
}

/** What an ICMP error quotes of a packet: the IPv4 header and the first 8 bytes, which hold the ports. */
export interface Ipv4Quote {
  readonly source: Ipv4Address;
  readonly destination: Ipv4Address;
  readonly sourcePort: number;
  readonly destinationPort: number;
}

/** `undefined`: not the beginning of a TCP packet. */
export function decodeIpv4Quote(bytes: Uint8Array): Ipv4Quote | undefined {
  const headerBytes = ((bytes[0] ?? 0) & 15) * 4;
  if (headerBytes < HEADER_BYTES || bytes.length < headerBytes + 8 || bytes[9] !== IP_PROTOCOL.tcp) return undefined;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  return {
    source: view.getUint32(12),
    destination: view.getUint32(16),
    sourcePort: view.getUint16(headerBytes),
    destinationPort: view.getUint16(headerBytes + 2),
  };
}
