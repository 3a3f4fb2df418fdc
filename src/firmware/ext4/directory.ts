/**
 * Source: [EXT4] "Linear Directories". The inner nodes of a hashed directory look like unused entries, so that every
 * directory can be read as a linear one.
 */
import { viewOf } from './numbers.ts';

const ENTRY_BYTES_MIN = 8;
const text = new TextDecoder();

/** Finds `name` in one block of a directory; undefined when it is not there. Returns the inode number. */
export function findInDirectoryBlock(block: Uint8Array, name: string): number | undefined {
  const view = viewOf(block);
  for (let at = 0; at + ENTRY_BYTES_MIN <= block.length; ) {
    const inode = view.getUint32(at, true);
    const entryBytes = view.getUint16(at + 4, true);
    const nameBytes = view.getUint8(at + 6);
    if (inode !== 0 && text.decode(block.subarray(at + ENTRY_BYTES_MIN, at + ENTRY_BYTES_MIN + nameBytes)) === name) {
      return inode;
    }
    if (entryBytes < ENTRY_BYTES_MIN) return undefined;
    at += entryBytes;
  }
  return undefined;
}
