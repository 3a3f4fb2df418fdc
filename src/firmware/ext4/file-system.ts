/**
 * A read-only view of an ext4 file system. Source: [EXT4]. Checksums are not verified: a damaged structure is found by
 * its magic numbers and bounds.
 */
import { BootError } from '../boot/boot-error.ts';
import type { Disk, DiskPiece } from '../boot/disk.ts';
import type { Waiting } from '../waiting.ts';
import { findInDirectoryBlock } from './directory.ts';
import { type Extent, readExtents } from './extent-tree.ts';
import { type Inode, parseInode, ROOT_INODE } from './inode.ts';
import { JBD2_MAGIC, type LoggedBlock, replayJournal } from './journal.ts';
import { joinHalves, viewOf } from './numbers.ts';
import { parseSuperblock, SUPERBLOCK_BYTES, SUPERBLOCK_OFFSET, type Superblock } from './superblock.ts';

const SYMLINKS_MAX = 40;
/** Directories, symlinks and configuration files are read as a whole up to this size. */
const WHOLE_FILE_BYTES_MAX = 4 << 20;
/** Metadata blocks kept: a boot reads few of them, many times. */
const CACHED_BLOCKS_MAX = 1024;
/** Looks at metadata blocks, kept or not: a boot takes some hundred. Directories and trees may say that there is no end. */
const BLOCK_LOOKS_MAX = 65_536;
/** As Linux's PATH_MAX, for paths and for what a symlink holds. */
const PATH_BYTES_MAX = 4096;
const GROUP_INODE_TABLE = { low: 0x08, high: 0x28 } as const;
const DESCRIPTOR_BYTES_64 = 64;
const FAST_SYMLINK_BYTES_MAX = 59;

const text = new TextDecoder();

/** Zeros are written in pieces of this size, with a pause after each. */
const ZERO_PIECE_BYTES = 64 * 1024;

/** Where a file's contents go, and how holes in it become zeros. */
export interface LoadTarget {
  readonly address: number;
  /** At most 64 KiB. */
  zero(address: number, bytes: number): void;
  /** Blocks whose newest contents are in the journal, copied there one by one. */
  write(address: number, bytes: Uint8Array): void;
}

export interface Ext4File {
  readonly path: string;
  readonly bytes: number;
  /** The first `bytes` of it, or all when it is shorter. */
  head(bytes: number): Waiting<Uint8Array>;
  /** Has the disk write the whole file to memory; up to a block beyond its end is overwritten. */
  loadTo(target: LoadTarget): Waiting<void>;
}

export class Ext4FileSystem {
  readonly #disk: Disk;
  #superblock: Superblock;
  #logged: ReadonlyMap<number, LoggedBlock> = new Map();
  #log: readonly Extent[] = [];
  readonly #cache = new Map<number, Uint8Array>();
  #looks = 0;

  private constructor(disk: Disk, superblock: Superblock) {
    this.#disk = disk;
    this.#superblock = superblock;
  }

  /** Throws a BootError when the disk holds no ext4 this reader knows. */
  static *mount(disk: Disk): Waiting<Ext4FileSystem> {
    const onDisk = parseSuperblock(yield* disk.read(SUPERBLOCK_OFFSET, SUPERBLOCK_BYTES));
    const fileSystem = new Ext4FileSystem(disk, onDisk);
    if (onDisk.needsRecovery && onDisk.journalInode !== 0) yield* fileSystem.#replay();
    return fileSystem;
  }

  get blockBytes(): number {
    return this.#superblock.blockBytes;
  }

  /** Opens a regular file by absolute path, symlinks followed. Throws a BootError 'no-such-file'. */
  *open(path: string): Waiting<Ext4File> {
    if (path.length > PATH_BYTES_MAX) throw new BootError('no-such-file', `a path of ${path.length} characters`);
    const inode = yield* this.#resolve(path);
    if (inode === undefined || inode.type !== 'file') {
      throw new BootError('no-such-file', `${path}: ${inode === undefined ? 'no such file' : `a ${inode.type}`}`);
    }
    return {
      path,
      bytes: inode.bytes,
      head: (bytes) => this.#readHead(inode, bytes),
      loadTo: (target) => this.#load(inode, target),
    };
  }

  /** The contents of a small file. */
  *readText(path: string): Waiting<string> {
    const file = yield* this.open(path);
    return text.decode(yield* file.head(file.bytes));
  }

  *#replay(): Waiting<void> {
    const journal = yield* this.#inode(this.#superblock.journalInode);
    this.#log = yield* readExtents(journal, (block) => this.#block(block));
    const log = this.#log;
    const logged = yield* replayJournal((logBlock) => this.#rawBlock(diskBlockOf(log, logBlock)));
    this.#cache.clear();
    this.#logged = logged;
    const first = Math.floor(SUPERBLOCK_OFFSET / this.blockBytes);
    const block = yield* this.#block(first);
    const offset = SUPERBLOCK_OFFSET - first * this.blockBytes;
    this.#superblock = parseSuperblock(block.subarray(offset, offset + SUPERBLOCK_BYTES));
  }

  *#resolve(path: string): Waiting<Inode | undefined> {
    let names = path.split('/').filter((name) => name !== '');
    const walked: Inode[] = [yield* this.#inode(ROOT_INODE)];
    let symlinks = 0;
    for (let name = names.shift(); name !== undefined; name = names.shift()) {
      if (name === '.') continue;
      if (name === '..') {
        if (walked.length > 1) walked.pop();
        continue;
      }
      const directory = walked.at(-1)!;
      if (directory.type !== 'directory') return undefined;
      const number = yield* this.#lookup(directory, name);
      if (number === undefined) return undefined;
      const inode = yield* this.#inode(number);
      if (inode.type !== 'symlink') {
        walked.push(inode);
        continue;
      }
      symlinks += 1;
      if (symlinks > SYMLINKS_MAX) throw new BootError('file-system', `${path}: more than ${SYMLINKS_MAX} symlinks`);
      const target = yield* this.#readLink(inode);
      if (target.startsWith('/')) walked.length = 1;
      names = [...target.split('/').filter((part) => part !== ''), ...names];
    }
    return walked.at(-1);
  }

  *#readLink(inode: Inode): Waiting<string> {
    if (inode.bytes > PATH_BYTES_MAX) {
      throw new BootError('file-system', `inode ${inode.number} is a symlink of ${inode.bytes} bytes`);
    }
    const isFast = !inode.hasExtents && inode.bytes <= FAST_SYMLINK_BYTES_MAX;
    return text.decode(isFast ? inode.blockArea.subarray(0, inode.bytes) : yield* this.#readHead(inode, inode.bytes));
  }

  *#lookup(directory: Inode, name: string): Waiting<number | undefined> {
    for (const extent of yield* this.#extents(directory)) {
      for (let block = 0; block < extent.blocks; block++) {
        const found = findInDirectoryBlock(yield* this.#block(extent.diskBlock + block), name);
        if (found !== undefined) return found;
      }
    }
    return undefined;
  }

  #extents(inode: Inode): Waiting<Extent[]> {
    return readExtents(inode, (block) => this.#block(block));
  }

  *#inode(number: number): Waiting<Inode> {
    const { inodesPerGroup, inodeBytes, descriptorsBlock, descriptorBytes, blockBytes } = this.#superblock;
    const group = Math.floor((number - 1) / inodesPerGroup);
    const descriptorAt = group * descriptorBytes;
    const descriptors = yield* this.#block(descriptorsBlock + Math.floor(descriptorAt / blockBytes));
    const descriptor = viewOf(
      descriptors.subarray(descriptorAt % blockBytes, (descriptorAt % blockBytes) + descriptorBytes),
    );
    const tableHigh = descriptorBytes >= DESCRIPTOR_BYTES_64 ? descriptor.getUint32(GROUP_INODE_TABLE.high, true) : 0;
    const table = joinHalves(descriptor.getUint32(GROUP_INODE_TABLE.low, true), tableHigh);
    const inodeAt = ((number - 1) % inodesPerGroup) * inodeBytes;
    const block = yield* this.#block(table + Math.floor(inodeAt / blockBytes));
    return parseInode(number, block.subarray(inodeAt % blockBytes, (inodeAt % blockBytes) + inodeBytes));
  }

  *#readHead(inode: Inode, bytes: number): Waiting<Uint8Array> {
    const length = Math.min(bytes, inode.bytes);
    if (length > WHOLE_FILE_BYTES_MAX) {
      throw new BootError(
        'file-system',
        `inode ${inode.number} has ${length} bytes, at most ${WHOLE_FILE_BYTES_MAX} are read`,
      );
    }
    const contents = new Uint8Array(length);
    for (const extent of yield* this.#extents(inode)) {
      for (let block = 0; block < extent.blocks; block++) {
        const at = (extent.fileBlock + block) * this.blockBytes;
        if (at >= length) break;
        const data = yield* this.#block(extent.diskBlock + block);
        contents.set(data.subarray(0, Math.min(data.length, length - at)), at);
      }
    }
    return contents;
  }

  *#load(inode: Inode, target: LoadTarget): Waiting<void> {
    const { blockBytes } = this;
    const fileBlocks = Math.ceil(inode.bytes / blockBytes);
    const addressOf = (fileBlock: number): number => target.address + fileBlock * blockBytes;
    const pieces: DiskPiece[] = [];
    let expected = 0;
    for (const extent of yield* this.#extents(inode)) {
      const blocks = Math.min(extent.blocks, fileBlocks - extent.fileBlock);
      if (blocks <= 0) break;
      yield* zeroRange(target, addressOf(expected), addressOf(extent.fileBlock));
      expected = extent.fileBlock + blocks;
      pieces.push({
        offset: extent.diskBlock * blockBytes,
        address: addressOf(extent.fileBlock),
        bytes: blocks * blockBytes,
      });
    }
    yield* zeroRange(target, addressOf(expected), addressOf(fileBlocks));
    yield* this.#disk.readInto(pieces);
    yield* this.#loadLogged(pieces, target);
  }

  /** data=journal logs file contents too. */
  *#loadLogged(pieces: readonly DiskPiece[], target: LoadTarget): Waiting<void> {
    if (this.#logged.size === 0) return;
    for (const { offset, address, bytes } of pieces) {
      const first = offset / this.blockBytes;
      for (let block = 0; block < bytes / this.blockBytes; block++) {
        if (!this.#logged.has(first + block)) continue;
        target.write(address + block * this.blockBytes, yield* this.#newest(first + block));
      }
    }
  }

  /** A block of metadata, or of a small file. */
  *#block(block: number): Waiting<Uint8Array> {
    this.#looks += 1;
    if (this.#looks > BLOCK_LOOKS_MAX) {
      throw new BootError('file-system', `more than ${BLOCK_LOOKS_MAX} blocks were looked at: it does not end`);
    }
    const cached = this.#cache.get(block);
    if (cached !== undefined) return cached;
    const contents = yield* this.#newest(block);
    if (this.#cache.size >= CACHED_BLOCKS_MAX) this.#cache.clear();
    this.#cache.set(block, contents);
    return contents;
  }

  /** From the log if the block is there. */
  *#newest(block: number): Waiting<Uint8Array> {
    const logged = this.#logged.get(block);
    const contents = yield* this.#rawBlock(logged === undefined ? block : diskBlockOf(this.#log, logged.logBlock));
    if (logged?.escaped === true) viewOf(contents).setUint32(0, JBD2_MAGIC);
    return contents;
  }

  *#rawBlock(block: number): Waiting<Uint8Array> {
    if (block >= this.#superblock.blocks) {
      throw new BootError('file-system', `block ${block} of a file system of ${this.#superblock.blocks}`);
    }
    return yield* this.#disk.read(block * this.blockBytes, this.blockBytes);
  }
}

function* zeroRange(target: LoadTarget, from: number, to: number): Waiting<void> {
  for (let address = from; address < to; address += ZERO_PIECE_BYTES) {
    target.zero(address, Math.min(ZERO_PIECE_BYTES, to - address));
    yield 'more';
  }
}

function diskBlockOf(extents: readonly Extent[], fileBlock: number): number {
  const extent = extents.find(
    (candidate) => fileBlock >= candidate.fileBlock && fileBlock < candidate.fileBlock + candidate.blocks,
  );
  if (extent === undefined) throw new BootError('file-system', `the journal has no block ${fileBlock}`);
  return extent.diskBlock + (fileBlock - extent.fileBlock);
}
