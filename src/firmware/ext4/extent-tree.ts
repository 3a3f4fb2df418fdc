/** Source: [EXT4] "Extent Tree". Little endian. */
import { BootError } from '../boot/boot-error.ts';
import type { Waiting } from '../waiting.ts';
import type { Inode } from './inode.ts';
import { joinHalves, viewOf } from './numbers.ts';

const MAGIC = 0xf30a;
const HEADER_BYTES = 12;
const ENTRY_BYTES = 12;
const DEPTH_MAX = 5;
/** A longer length marks an extent that was allocated and never written: it reads as zeros. */
const INITIALISED_LENGTH_MAX = 32_768;

/** Consecutive blocks of a file in consecutive blocks of the disk. */
export interface Extent {
  readonly fileBlock: number;
  readonly diskBlock: number;
  readonly blocks: number;
}

/** The written extents of a file, in file order; what lies between them reads as zeros. */
export function* readExtents(inode: Inode, readBlock: (block: number) => Waiting<Uint8Array>): Waiting<Extent[]> {
  if (!inode.hasExtents) {
    throw new BootError('file-system', `inode ${inode.number} is not mapped by extents`);
  }
  const extents: Extent[] = [];
  yield* walk(inode, inode.blockArea, DEPTH_MAX, readBlock, extents);
  return extents;
}

function* walk(
  inode: Inode,
  node: Uint8Array,
  depthMax: number,
  readBlock: (block: number) => Waiting<Uint8Array>,
  extents: Extent[],
): Waiting<void> {
  const view = viewOf(node);
  const entries = view.getUint16(2, true);
  const depth = view.getUint16(6, true);
  if (view.getUint16(0, true) !== MAGIC || depth > depthMax || HEADER_BYTES + entries * ENTRY_BYTES > node.length) {
    throw new BootError('file-system', `inode ${inode.number} has a damaged extent tree`);
  }
  for (let entry = 0; entry < entries; entry++) {
    const at = HEADER_BYTES + entry * ENTRY_BYTES;
    if (depth === 0) {
      const length = view.getUint16(at + 4, true);
      if (length > INITIALISED_LENGTH_MAX) continue;
      const diskBlock = joinHalves(view.getUint32(at + 8, true), view.getUint16(at + 6, true));
      extents.push({ fileBlock: view.getUint32(at, true), diskBlock, blocks: length });
    } else {
      const child = yield* readBlock(joinHalves(view.getUint32(at + 4, true), view.getUint16(at + 8, true)));
      yield* walk(inode, child, depth - 1, readBlock, extents);
    }
  }
}
