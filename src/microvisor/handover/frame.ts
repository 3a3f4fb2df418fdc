/**
 * Where a handover is in memory, and how it is known to be whole: 8 bytes `MVHANDOV`, its format, its length and its
 * CRC-32 in 4 bytes each, little endian, then the text.
 */
import type { MachineModeHart } from '../../machine/index.ts';
import { FIRMWARE_MEMORY } from '../../machine/index.ts';
import { Refusal } from '../refusal.ts';

const BYTES_MAX = 0x4_0000;
/** The last quarter of a mebibyte of firmware memory. */
export const HANDOVER_ADDRESS = FIRMWARE_MEMORY.base + FIRMWARE_MEMORY.bytes - BYTES_MAX;
const MAGIC = new TextEncoder().encode('MVHANDOV');
const HEADER_BYTES = MAGIC.length + 12;
const CRC_POLYNOMIAL = 0xedb8_8320; // [ISO 3309], reflected

export interface Frame {
  readonly format: number;
  readonly text: Uint8Array;
}

export function writeFrame(hart: MachineModeHart, { format, text }: Frame): void {
  if (HEADER_BYTES + text.length > BYTES_MAX) {
    throw new Refusal('handover-format', `a handover has room for ${BYTES_MAX} bytes, not ${text.length}`);
  }
  const bytes = new Uint8Array(HEADER_BYTES + text.length);
  bytes.set(MAGIC);
  bytes.set(text, HEADER_BYTES);
  const header = new DataView(bytes.buffer, MAGIC.length);
  header.setUint32(0, format, true);
  header.setUint32(4, text.length, true);
  header.setUint32(8, crc32(text), true);
  hart.writeMemory(HANDOVER_ADDRESS, bytes);
}

/** @throws Refusal `handover-mismatch` when there is none, or it is damaged */
export function readFrame(hart: MachineModeHart): Frame {
  const header = hart.readMemory(HANDOVER_ADDRESS, HEADER_BYTES);
  if (header === undefined || MAGIC.some((byte, index) => header[index] !== byte)) {
    throw new Refusal('handover-mismatch', 'no handover is in memory');
  }
  const fields = new DataView(header.buffer, header.byteOffset + MAGIC.length);
  const [format, length, crc] = [fields.getUint32(0, true), fields.getUint32(4, true), fields.getUint32(8, true)];
  const text = hart.readMemory(HANDOVER_ADDRESS + HEADER_BYTES, Math.min(length, BYTES_MAX - HEADER_BYTES));
  if (text === undefined || text.length !== length || crc32(text) !== crc) {
    throw new Refusal('handover-mismatch', `the handover of ${length} bytes is damaged: its check sum is not ${crc}`);
  }
  return { format, text };
}

function crc32(bytes: Uint8Array): number {
  let crc = 0xffff_ffff;
  for (const byte of bytes) {
    crc ^= byte;
    for (let bit = 0; bit < 8; bit++) crc = (crc >>> 1) ^ (crc & 1 ? CRC_POLYNOMIAL : 0);
  }
  return ~crc >>> 0;
}
