/** Reads a DTB back. Source: [DT] "Flattened Devicetree (DTB) Format". */
import type { DeviceTreeNode } from '../door.ts';
import { FDT_HEADER, FDT_MAGIC, FDT_TOKEN, FDT_VERSION } from './fdt-format.ts';

/** A node whose properties are their bytes: a DTB does not say what they mean. */
export interface FlatDeviceTreeNode extends DeviceTreeNode {
  readonly properties: Readonly<Record<string, Uint8Array>>;
  readonly children: readonly FlatDeviceTreeNode[];
}

class DeviceTreeFormatError extends Error {
  override readonly name = 'DeviceTreeFormatError';
}

const text = new TextDecoder();

const cString = (bytes: Uint8Array, offset: number): string => {
  const end = bytes.indexOf(0, offset);
  if (end < 0) throw new DeviceTreeFormatError(`expected a string at ${offset}, found no end of it`);
  return text.decode(bytes.subarray(offset, end));
};

/** Throws `DeviceTreeFormatError` with what was expected and where. */
export function readDeviceTree(blob: Uint8Array): FlatDeviceTreeNode {
  const view = new DataView(blob.buffer, blob.byteOffset, blob.byteLength);
  if (blob.length < FDT_HEADER.bytes || view.getUint32(FDT_HEADER.magic) !== FDT_MAGIC) {
    throw new DeviceTreeFormatError('expected the magic number of a device tree blob at 0');
  }
  const version = view.getUint32(FDT_HEADER.lastCompVersion);
  if (version > FDT_VERSION) throw new DeviceTreeFormatError(`expected version ${FDT_VERSION}, found ${version}`);
  const strings = view.getUint32(FDT_HEADER.offDtStrings);
  let at = view.getUint32(FDT_HEADER.offDtStruct);
  const word = (): number => {
    if (at + 4 > blob.length) throw new DeviceTreeFormatError(`expected a token at ${at}, found the end`);
    at += 4;
    return view.getUint32(at - 4);
  };
  const aligned = (offset: number): number => Math.ceil(offset / 4) * 4;

  const readNode = (): FlatDeviceTreeNode => {
    const name = cString(blob, at);
    at = aligned(at + name.length + 1);
    const properties: Record<string, Uint8Array> = {};
    const children: FlatDeviceTreeNode[] = [];
    for (;;) {
      const token = word();
      if (token === FDT_TOKEN.endNode) return { name, properties, children };
      if (token === FDT_TOKEN.beginNode) {
        children.push(readNode());
      } else if (token === FDT_TOKEN.prop) {
        const length = word();
        properties[cString(blob, strings + word())] = blob.slice(at, at + length);
        at = aligned(at + length);
      } else if (token !== FDT_TOKEN.nop) {
        throw new DeviceTreeFormatError(`expected a token at ${at - 4}, found ${token}`);
      }
    }
  };
  const first = word();
  if (first !== FDT_TOKEN.beginNode) throw new DeviceTreeFormatError(`expected the root node, found token ${first}`);
  return readNode();
}
