/** Flattens a device tree into a DTB. Source: [DT] "Flattened Devicetree (DTB) Format". */
import type { DeviceTreeNode, DeviceTreeValue } from '../door.ts';
import {
  FDT_HEADER,
  FDT_LAST_COMPATIBLE_VERSION,
  FDT_MAGIC,
  FDT_RESERVATION_BYTES,
  FDT_TOKEN,
  FDT_VERSION,
} from './fdt-format.ts';

const text = new TextEncoder();

/** Bytes of a property as [DT] "Property Values" has them: cells and strings big-endian and NUL-terminated. */
export function propertyBytes(value: DeviceTreeValue): Uint8Array {
  if (value === true) return new Uint8Array(0);
  if (value instanceof Uint8Array) return value;
  if (typeof value === 'string') return text.encode(`${value}\0`);
  const bytes: number[] = [];
  for (const item of value) {
    if (typeof item === 'string') bytes.push(...text.encode(`${item}\0`));
    else if (typeof item === 'bigint') pushWords(bytes, Number(item >> 32n), Number(item & 0xffff_ffffn));
    else pushWords(bytes, item);
  }
  return Uint8Array.from(bytes);
}

function pushWords(bytes: number[], ...words: number[]): void {
  for (const word of words) {
    if (!Number.isInteger(word) || word < 0 || word > 0xffff_ffff) throw new RangeError(`not a 32-bit cell: ${word}`);
    bytes.push(word >>> 24, (word >>> 16) & 0xff, (word >>> 8) & 0xff, word & 0xff);
  }
}

/** The tree as a DTB, version 17, without memory reservations. Throws on a number that is not a 32-bit cell. */
export function flattenDeviceTree(root: DeviceTreeNode): Uint8Array {
  const structure: number[] = [];
  const strings: number[] = [];
  const nameOffsets = new Map<string, number>();
  const align = (): void => {
    while (structure.length % 4 !== 0) structure.push(0);
  };
  const nameOffset = (name: string): number => {
    const known = nameOffsets.get(name);
    if (known !== undefined) return known;
    const offset = strings.length;
    strings.push(...text.encode(`${name}\0`));
    nameOffsets.set(name, offset);
    return offset;
  };
  const writeNode = (node: DeviceTreeNode): void => {
    pushWords(structure, FDT_TOKEN.beginNode);
    structure.push(...text.encode(`${node.name}\0`));
    align();
    for (const [name, value] of Object.entries(node.properties)) {
      const bytes = propertyBytes(value);
      pushWords(structure, FDT_TOKEN.prop, bytes.length, nameOffset(name));
      for (const byte of bytes) structure.push(byte);
      align();
    }
    for (const child of node.children) writeNode(child);
    pushWords(structure, FDT_TOKEN.endNode);
  };
  writeNode(root);
  pushWords(structure, FDT_TOKEN.end);
  return assemble(structure, strings);
}

function assemble(structure: readonly number[], strings: readonly number[]): Uint8Array {
  const offStruct = FDT_HEADER.bytes + FDT_RESERVATION_BYTES;
  const offStrings = offStruct + structure.length;
  const blob = new Uint8Array(offStrings + strings.length);
  const header = new DataView(blob.buffer);
  header.setUint32(FDT_HEADER.magic, FDT_MAGIC);
  header.setUint32(FDT_HEADER.totalsize, blob.length);
  header.setUint32(FDT_HEADER.offDtStruct, offStruct);
  header.setUint32(FDT_HEADER.offDtStrings, offStrings);
  header.setUint32(FDT_HEADER.offMemRsvmap, FDT_HEADER.bytes);
  header.setUint32(FDT_HEADER.version, FDT_VERSION);
  header.setUint32(FDT_HEADER.lastCompVersion, FDT_LAST_COMPATIBLE_VERSION);
  header.setUint32(FDT_HEADER.bootCpuidPhys, 0);
  header.setUint32(FDT_HEADER.sizeDtStrings, strings.length);
  header.setUint32(FDT_HEADER.sizeDtStruct, structure.length);
  blob.set(structure, offStruct);
  blob.set(strings, offStrings);
  return blob;
}
