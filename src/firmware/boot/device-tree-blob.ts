/** A device tree in its flattened form. Source: [DTSPEC] "Flattened Devicetree (DTB) Format", version 17. Big endian. */
import type { DeviceTreeNode, DeviceTreeValue } from '../../machine/index.ts';

const MAGIC = 0xd00d_feed;
const VERSION = 17;
const LAST_COMPATIBLE_VERSION = 16;
const HEADER_BYTES = 40;
const RESERVATION_BYTES = 16;
const TOKEN = { beginNode: 1, endNode: 2, property: 3, end: 9 } as const;
const CELL_BYTES = 4;

const encoder = new TextEncoder();

/** The blob of a tree whose root has the name ''. No memory is reserved: firmware memory is in no memory node. */
export function flattenDeviceTree(root: DeviceTreeNode): Uint8Array {
  const strings = new StringBlock();
  const structure: Uint8Array[] = [];
  flattenNode(root, structure, strings);
  structure.push(cells([TOKEN.end]));

  const structureBytes = concatenate(structure);
  const stringBytes = strings.bytes();
  const structureOffset = HEADER_BYTES + RESERVATION_BYTES;
  const stringsOffset = structureOffset + structureBytes.length;
  const header = cells([
    MAGIC,
    stringsOffset + stringBytes.length,
    structureOffset,
    stringsOffset,
    HEADER_BYTES,
    VERSION,
    LAST_COMPATIBLE_VERSION,
    0,
    stringBytes.length,
    structureBytes.length,
  ]);
  return concatenate([header, new Uint8Array(RESERVATION_BYTES), structureBytes, stringBytes]);
}

function flattenNode(node: DeviceTreeNode, out: Uint8Array[], strings: StringBlock): void {
  out.push(cells([TOKEN.beginNode]), padded(zeroTerminated(node.name)));
  for (const [name, value] of Object.entries(node.properties)) {
    const bytes = propertyBytes(value);
    out.push(cells([TOKEN.property, bytes.length, strings.offsetOf(name)]), padded(bytes));
  }
  for (const child of node.children) flattenNode(child, out, strings);
  out.push(cells([TOKEN.endNode]));
}

function propertyBytes(value: DeviceTreeValue): Uint8Array {
  if (value === true) return new Uint8Array(0);
  if (typeof value === 'string') return zeroTerminated(value);
  if (value instanceof Uint8Array) return value;
  return concatenate(
    value.map((item: string | number | bigint) => (typeof item === 'string' ? zeroTerminated(item) : cellBytes(item))),
  );
}

function cellBytes(value: number | bigint): Uint8Array {
  if (typeof value === 'number') return cells([value]);
  const bytes = new Uint8Array(2 * CELL_BYTES);
  new DataView(bytes.buffer).setBigUint64(0, value);
  return bytes;
}

function cells(values: readonly number[]): Uint8Array {
  const bytes = new Uint8Array(CELL_BYTES * values.length);
  const view = new DataView(bytes.buffer);
  for (const [index, value] of values.entries()) view.setUint32(CELL_BYTES * index, value);
  return bytes;
}

const zeroTerminated = (text: string): Uint8Array => encoder.encode(`${text}\0`);

function padded(bytes: Uint8Array): Uint8Array {
  const whole = new Uint8Array(Math.ceil(bytes.length / CELL_BYTES) * CELL_BYTES);
  whole.set(bytes);
  return whole;
}

function concatenate(parts: readonly Uint8Array[]): Uint8Array {
  const whole = new Uint8Array(parts.reduce((bytes, part) => bytes + part.length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}

/** Property names, each stored once. */
class StringBlock {
  readonly #offsets = new Map<string, number>();
  readonly #parts: Uint8Array[] = [];
  #bytes = 0;

  offsetOf(name: string): number {
    const known = this.#offsets.get(name);
    if (known !== undefined) return known;
    const offset = this.#bytes;
    const bytes = zeroTerminated(name);
    this.#offsets.set(name, offset);
    this.#parts.push(bytes);
    this.#bytes += bytes.length;
    return offset;
  }

  bytes(): Uint8Array {
    return concatenate(this.#parts);
  }
}
