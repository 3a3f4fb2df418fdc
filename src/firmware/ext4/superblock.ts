/** Source: [EXT4] "The Super Block". Little endian. */
import { BootError } from '../boot/boot-error.ts';
import { joinHalves, viewOf } from './numbers.ts';

export const SUPERBLOCK_OFFSET = 1024;
export const SUPERBLOCK_BYTES = 1024;
const MAGIC = 0xef53;
const BLOCK_BYTES_MAX = 65_536;

/** Features a reader has to know. Recovery, extents, 64-bit, flexible groups and so on change where things are. */
const INCOMPAT = {
  filetype: 0x0002,
  recover: 0x0004,
  extents: 0x0040,
  bit64: 0x0080,
  flexBg: 0x0200,
  eaInode: 0x0400,
  csumSeed: 0x2000,
  largeDir: 0x4000,
} as const;
const INCOMPAT_KNOWN = Object.values(INCOMPAT).reduce((all, feature) => all | feature, 0);

const DESCRIPTOR_BYTES_32 = 32;
const INODE_BYTES_MIN = 128;

/** Inodes and group descriptors are powers of two: none lies in two blocks. */
const isRecord = (bytes: number, bytesMin: number, blockBytes: number): boolean =>
  bytes >= bytesMin && bytes <= blockBytes && (bytes & (bytes - 1)) === 0;

export interface Superblock {
  readonly blockBytes: number;
  readonly blocks: number;
  readonly inodesPerGroup: number;
  readonly inodeBytes: number;
  /** Block of the first group descriptor. */
  readonly descriptorsBlock: number;
  readonly descriptorBytes: number;
  readonly needsRecovery: boolean;
  readonly journalInode: number;
}

/** Throws a BootError when it is not an ext4 this reader knows. */
export function parseSuperblock(bytes: Uint8Array): Superblock {
  const view = viewOf(bytes);
  const magic = view.getUint16(0x38, true);
  if (magic !== MAGIC) {
    throw new BootError(
      'file-system',
      `no ext4 file system: magic 0x${magic.toString(16)}, expected 0x${MAGIC.toString(16)}`,
    );
  }
  const incompat = view.getUint32(0x60, true);
  const unknown = incompat & ~INCOMPAT_KNOWN;
  if (unknown !== 0) {
    throw new BootError('file-system', `ext4 with unsupported incompatible features 0x${(unknown >>> 0).toString(16)}`);
  }
  const is64 = (incompat & INCOMPAT.bit64) !== 0;
  const blockBytes = 1024 * 2 ** view.getUint32(0x18, true);
  const inodesPerGroup = view.getUint32(0x28, true);
  const inodeBytes = view.getUint16(0x58, true);
  const descriptorBytes = is64 ? view.getUint16(0xfe, true) : DESCRIPTOR_BYTES_32;
  if (
    blockBytes > BLOCK_BYTES_MAX ||
    inodesPerGroup === 0 ||
    !isRecord(inodeBytes, INODE_BYTES_MIN, blockBytes) ||
    !isRecord(descriptorBytes, DESCRIPTOR_BYTES_32, blockBytes)
  ) {
    throw new BootError('file-system', 'damaged ext4 superblock');
  }
  return {
    blockBytes,
    blocks: joinHalves(view.getUint32(0x04, true), is64 ? view.getUint32(0x150, true) : 0),
    inodesPerGroup,
    inodeBytes,
    descriptorsBlock: view.getUint32(0x14, true) + 1,
    descriptorBytes,
    needsRecovery: (incompat & INCOMPAT.recover) !== 0,
    journalInode: view.getUint32(0xe0, true),
  };
}
