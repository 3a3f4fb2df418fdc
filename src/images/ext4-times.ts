/**
 * Makes an ext4 image reproducible: mke2fs stores when the image was made and when the files were copied; every time
 * stamp becomes one that is given. For file systems without metadata_csum, which would have to be renewed.
 * Layout: kernel Documentation/filesystems/ext4, "Super Block", "Block Group Descriptors", "Inode Table".
 */
import { closeSync, openSync, readSync, writeSync } from 'node:fs';

const SUPERBLOCK = { offset: 1024, bytes: 1024 } as const;
const EXT4_MAGIC = 0xef53;

/** Offsets in the superblock. */
const S_INODES_COUNT = 0x00;
const S_BLOCKS_COUNT = 0x04;
const S_FIRST_DATA_BLOCK = 0x14;
const S_LOG_BLOCK_SIZE = 0x18;
const S_BLOCKS_PER_GROUP = 0x20;
const S_INODES_PER_GROUP = 0x28;
const S_MAGIC = 0x38;
const S_INODE_SIZE = 0x58;
const S_FEATURE_INCOMPAT = 0x60;
const S_FEATURE_RO_COMPAT = 0x64;
const S_TIMES = [0x2c /* s_mtime */, 0x30 /* s_wtime */, 0x40 /* s_lastcheck */, 0x108 /* s_mkfs_time */];
const S_KBYTES_WRITTEN = 0x178;

const INCOMPAT_64BIT = 0x80;
const RO_COMPAT_GDT_CSUM = 0x10;
const RO_COMPAT_METADATA_CSUM = 0x400;

/** Offsets in a 32-byte group descriptor. */
const GROUP_DESCRIPTOR_BYTES = 32;
const BG_INODE_BITMAP = 0x04;
const BG_INODE_TABLE = 0x08;

/** Offsets in an inode. */
const I_UID = 0x02;
const I_GID = 0x18;
const I_TIMES = [0x08 /* atime */, 0x0c /* ctime */, 0x10 /* mtime */];
const I_UID_HIGH = 0x78;
const I_GID_HIGH = 0x7a;
const I_EXTRA_ISIZE = 0x80;
const I_EXTRA_TIMES = [0x84 /* ctime_extra */, 0x88 /* mtime_extra */, 0x8c /* atime_extra */, 0x94 /* crtime_extra */];
const I_CRTIME = 0x90;
/** Inode size from which the extra fields exist. */
const EXTRA_INODE_BYTES = 256;

export interface NormaliseOptions {
  readonly epochSeconds: number;
  /** All files belong to root, whoever made the image. */
  readonly ownedByRoot: boolean;
}

/** Rewrites the time stamps of the superblocks and of every inode in use. Returns how many inodes. */
export function normaliseExt4(path: string, options: NormaliseOptions): number {
  const fd = openSync(path, 'r+');
  const read = (offset: number, bytes: number): Buffer => {
    const buffer = Buffer.alloc(bytes);
    readSync(fd, buffer, 0, bytes, offset);
    return buffer;
  };
  try {
    const superblock = read(SUPERBLOCK.offset, SUPERBLOCK.bytes);
    if (superblock.readUInt16LE(S_MAGIC) !== EXT4_MAGIC) throw new RangeError(`${path} is no ext4 file system`);
    const incompat = superblock.readUInt32LE(S_FEATURE_INCOMPAT);
    const roCompat = superblock.readUInt32LE(S_FEATURE_RO_COMPAT);
    if ((incompat & INCOMPAT_64BIT) !== 0 || (roCompat & (RO_COMPAT_GDT_CSUM | RO_COMPAT_METADATA_CSUM)) !== 0) {
      throw new RangeError(`${path} has checksums or 64-bit descriptors; only file systems without are normalised`);
    }
    const blockBytes = 1024 << superblock.readUInt32LE(S_LOG_BLOCK_SIZE);
    const blocksPerGroup = superblock.readUInt32LE(S_BLOCKS_PER_GROUP);
    const inodesPerGroup = superblock.readUInt32LE(S_INODES_PER_GROUP);
    const inodeBytes = superblock.readUInt16LE(S_INODE_SIZE);
    const firstBlock = superblock.readUInt32LE(S_FIRST_DATA_BLOCK);
    const groups = Math.ceil((superblock.readUInt32LE(S_BLOCKS_COUNT) - firstBlock) / blocksPerGroup);
    if (superblock.readUInt32LE(S_INODES_COUNT) !== groups * inodesPerGroup)
      throw new RangeError(`${path}: bad counts`);

    const descriptors = read((firstBlock + 1) * blockBytes, groups * GROUP_DESCRIPTOR_BYTES);
    let inodes = 0;
    for (let group = 0; group < groups; group++) {
      const at = group === 0 ? SUPERBLOCK.offset : (firstBlock + group * blocksPerGroup) * blockBytes;
      if (hasSuperblock(group)) {
        const copy = read(at, SUPERBLOCK.bytes);
        for (const offset of S_TIMES) copy.writeUInt32LE(options.epochSeconds, offset);
        copy.writeBigUInt64LE(0n, S_KBYTES_WRITTEN);
        writeSync(fd, copy, 0, copy.length, at);
      }
      const descriptor = group * GROUP_DESCRIPTOR_BYTES;
      const bitmap = read(descriptors.readUInt32LE(descriptor + BG_INODE_BITMAP) * blockBytes, inodesPerGroup / 8);
      const tableAt = descriptors.readUInt32LE(descriptor + BG_INODE_TABLE) * blockBytes;
      const table = read(tableAt, inodesPerGroup * inodeBytes);
      let changed = false;
      for (let index = 0; index < inodesPerGroup; index++) {
        if ((bitmap.readUInt8(index >> 3) & (1 << (index & 7))) === 0) continue;
        normaliseInode(table.subarray(index * inodeBytes, (index + 1) * inodeBytes), options);
        inodes++;
        changed = true;
      }
      if (changed) writeSync(fd, table, 0, table.length, tableAt);
    }
    return inodes;
  } finally {
    closeSync(fd);
  }
}

function normaliseInode(inode: Buffer, options: NormaliseOptions): void {
  for (const offset of I_TIMES) inode.writeUInt32LE(options.epochSeconds, offset);
  if (options.ownedByRoot) {
    for (const offset of [I_UID, I_GID, I_UID_HIGH, I_GID_HIGH]) inode.writeUInt16LE(0, offset);
  }
  if (inode.length < EXTRA_INODE_BYTES || inode.readUInt16LE(I_EXTRA_ISIZE) === 0) return;
  for (const offset of I_EXTRA_TIMES) inode.writeUInt32LE(0, offset);
  inode.writeUInt32LE(options.epochSeconds, I_CRTIME);
}

/** sparse_super: copies are in groups 0, 1 and the powers of 3, 5 and 7. */
function hasSuperblock(group: number): boolean {
  if (group <= 1) return true;
  return [3, 5, 7].some((base) => {
    let power = base;
    while (power < group) power *= base;
    return power === group;
  });
}
