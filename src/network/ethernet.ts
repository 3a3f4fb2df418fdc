/**
 * Ethernet II frames without FCS. Source: IEEE 802.3 clause 3.2, [RFC 894].
 */

/** Where a frame enters or leaves something: structurally the machine's `EthernetPort`. */
export interface EthernetPort {
  /** Whoever is attached to the port sets it; called for each frame that comes out of the port's owner. */
  onTransmit: (frame: Uint8Array) => void;
  /** A frame for the port's owner. */
  receive(frame: Uint8Array): void;
}

/** A 48-bit address as an integer, first byte on the wire most significant. */
export type MacAddress = number;

export const BROADCAST_MAC: MacAddress = 0xffff_ffff_ffff;

export const ETHERTYPE = { ipv4: 0x0800, arp: 0x0806 } as const;

export const ETHERNET_HEADER_BYTES = 14;
/** Payload of an ordinary frame. */
export const ETHERNET_MTU = 1500;
/** Header, one 802.1Q tag, payload. */
export const ETHERNET_FRAME_BYTES_MAX = ETHERNET_HEADER_BYTES + 4 + ETHERNET_MTU;

export interface EthernetFrame {
  readonly destination: MacAddress;
  readonly source: MacAddress;
  readonly etherType: number;
  readonly payload: Uint8Array;
}

const MAC_TEXT = /^[0-9a-f]{2}(:[0-9a-f]{2}){5}$/i;

/** @throws RangeError when `text` is not six colon-separated hexadecimal bytes. */
export function parseMac(text: string): MacAddress {
  if (!MAC_TEXT.test(text)) throw new RangeError(`a MAC address looks like 52:54:00:12:34:56, not '${text}'`);
  return Number.parseInt(text.replaceAll(':', ''), 16);
}

export function formatMac(mac: MacAddress): string {
  return mac
    .toString(16)
    .padStart(12, '0')
    .replace(/..(?=.)/g, '$&:');
}

/** The group bit: broadcast or multicast. */
export const isGroupMac = (mac: MacAddress): boolean => Math.floor(mac / 0x100_0000_0000) % 2 === 1;

export function readMac(bytes: Uint8Array, offset: number): MacAddress {
  let mac = 0;
  for (let index = 0; index < 6; index++) mac = mac * 256 + (bytes[offset + index] ?? 0);
  return mac;
}

export function writeMac(bytes: Uint8Array, offset: number, mac: MacAddress): void {
  for (let index = 5, rest = mac; index >= 0; index--, rest = Math.floor(rest / 256))
    bytes[offset + index] = rest % 256;
}

export function encodeFrame(frame: EthernetFrame): Uint8Array {
  const bytes = new Uint8Array(ETHERNET_HEADER_BYTES + frame.payload.length);
  writeMac(bytes, 0, frame.destination);
  writeMac(bytes, 6, frame.source);
  bytes[12] = frame.etherType >> 8;
  bytes[13] = frame.etherType & 0xff;
  bytes.set(frame.payload, ETHERNET_HEADER_BYTES);
  return bytes;
}

/** The payload may end in padding: the protocol above knows its own length. `undefined`: shorter than a header. */
export function decodeFrame(bytes: Uint8Array): EthernetFrame | undefined {
  if (bytes.length < ETHERNET_HEADER_BYTES) return undefined;
  return {
    destination: readMac(bytes, 0),
    source: readMac(bytes, 6),
    etherType: ((bytes[12] ?? 0) << 8) | (bytes[13] ?? 0),
    payload: bytes.subarray(ETHERNET_HEADER_BYTES),
  };
}
