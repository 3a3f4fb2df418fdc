/** ARP for IPv4 over Ethernet, [RFC 826]. */
import type { MacAddress } from './ethernet.ts';
import { readMac, writeMac } from './ethernet.ts';
import type { Ipv4Address } from './ipv4.ts';

export const ARP_OPERATION = { request: 1, reply: 2 } as const;

const PACKET_BYTES = 28;
/** Hardware type Ethernet, protocol type IPv4, address lengths 6 and 4. */
const PREFIX = [0x00, 0x01, 0x08, 0x00, 6, 4] as const;

export interface ArpPacket {
  readonly operation: number;
  readonly senderMac: MacAddress;
  readonly senderIp: Ipv4Address;
  readonly targetMac: MacAddress;
  readonly targetIp: Ipv4Address;
}

export function encodeArp(packet: ArpPacket): Uint8Array {
  const bytes = new Uint8Array(PACKET_BYTES);
  const view = new DataView(bytes.buffer);
  bytes.set(PREFIX);
  view.setUint16(6, packet.operation);
  writeMac(bytes, 8, packet.senderMac);
  view.setUint32(14, packet.senderIp);
  writeMac(bytes, 18, packet.targetMac);
  view.setUint32(24, packet.targetIp);
  return bytes;
}

/** `undefined`: not an ARP packet for IPv4 over Ethernet. */
export function decodeArp(bytes: Uint8Array): ArpPacket | undefined {
  if (bytes.length < PACKET_BYTES || PREFIX.some((byte, index) => bytes[index] !== byte)) return undefined;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  return {
    operation: view.getUint16(6),
    senderMac: readMac(bytes, 8),
    senderIp: view.getUint32(14),
    targetMac: readMac(bytes, 18),
    targetIp: view.getUint32(24),
  };
}
