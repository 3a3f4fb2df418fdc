/** Source: [EXT4] "Extent Tree". Little endian. */
import { BootError } from '../boot/boot-error.ts';
import type { Waiting } from '../waiting.ts';
import type { Inode } from './inode.ts';
import { joinHalves, viewOf } from './numbers.ts';

const MAGIC = 0xf30a;
const HEADER_BYTES = 12;
const ENTRY_BYTES = 12;
const DEPTH_MAX = 5;
/** In a file; one of 256 MiB that is torn into pieces of two blocks of 1 KiB has as many. */
const EXTENTS_MAX = 131_072;
/** A longer length marks an extent that was allocated and never written: it reads as zeros. */
const INITIALISED_LENGTH_MAX = 32_768;

/** Consecutive blocks of a file in consecutive blocks of the disk. */
export interface Extent {
  readonly fileBlock: number;
  readonly diskBlock: number;
  readonly blocks: number;
}

/**
 * The written extents of a file, in file order; what lies between them reads as zeros. They do not overlap, so that a tree
 * that comes back to a node it has been at is found out.
 */
export function* readExtents(inode: Inode, readBlock: (block: number) => Waiting<Uint8Array>): Waiting<Extent[]> {
  if (!inode.hasExtents) {
    throw new BootError('file-system', `inode ${inode.number} is not mapped by extents`);
  }
  const walked: Walked = { inode, readBlock, extents: [], end: 0 };
  yield* walk(walked, inode.blockArea, DEPTH_MAX);
  return walked.extents;
}

interface Walked {
  readonly inode: Inode;
  readonly readBlock: (block: number) => Waiting<Uint8Array>;
  readonly extents: Extent[];
  /** File block behind the last extent. */
  end: number;
}

const damaged = ({ inode }: Walked): BootError =>
  new BootError('file-system', `inode ${inode.number} has a damaged extent tree`);

function* walk(walked: Walked, node: Uint8Array, depthMax: number): Waiting<void> {
  const view = viewOf(node);
  const entries = view.getUint16(2, true);
  const depth = view.getUint16(6, true);
  if (view.getUint16(0, true) !== MAGIC || depth > depthMax || HEADER_BYTES + entries * ENTRY_BYTES > node.length) {
    throw damaged(walked);
  }
  for (let entry = 0; entry < entries; entry++) {
    const at = HEADER_BYTES + entry * ENTRY_BYTES;
    if (depth === 0) takeExtent(walked, view, at);
    else {
      const child = yield* walked.readBlock(joinHalves(view.getUint32(at + 4, true), view.getUint16(at + 8, true)));
      yield* walk(walked, child, depth - 1);
    }
  }
}

function takeExtent(walked: Walked, view: DataView, at: number): void {
  const fileBlock = view.getUint32(at, true);
  const length = view.getUint16(at + 4, true);
  const isWritten = length <= INITIALISED_LENGTH_MAX;
  const blocks = isWritten ? length : length - INITIALISED_LENGTH_MAX;
  const { extents } = walked;
  if (blocks === 0 || fileBlock < walked.end || extents.length >= EXTENTS_MAX) throw damaged(walked);
  walked.end = fileBlock + blocks;
  if (!isWritten) return;
  extents.push({
    fileBlock,
    diskBlock: joinHalves(view.getUint32(at + 8, true), view.getUint16(at + 6, true)),
    blocks,
  });
}
