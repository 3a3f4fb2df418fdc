/** Source: [EXT4] "Index Nodes". Little endian. */
import { joinHalves, viewOf } from './numbers.ts';

export const ROOT_INODE = 2;

const TYPE_MASK = 0xf000;
const TYPES: Readonly<Record<number, FileType>> = { 16384: 'directory', 32768: 'file', 40960: 'symlink' };
export type FileType = 'file' | 'directory' | 'symlink' | 'other';

const FLAG_EXTENTS = 0x8_0000;
const BLOCK_AREA = { offset: 0x28, bytes: 60 } as const;

export interface Inode {
  readonly number: number;
  readonly type: FileType;
  readonly bytes: number;
  readonly hasExtents: boolean;
  /** i_block: the root of the extent tree, or the text of a short symlink. */
  readonly blockArea: Uint8Array;
}

export function parseInode(number: number, bytes: Uint8Array): Inode {
  const view = viewOf(bytes);
  return {
    number,
    type: TYPES[view.getUint16(0, true) & TYPE_MASK] ?? 'other',
    bytes: joinHalves(view.getUint32(0x04, true), view.getUint32(0x6c, true)),
    hasExtents: (view.getUint32(0x20, true) & FLAG_EXTENTS) !== 0,
    blockArea: bytes.slice(BLOCK_AREA.offset, BLOCK_AREA.offset + BLOCK_AREA.bytes),
  };
}
