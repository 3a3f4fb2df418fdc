import { describe, expect, it } from 'vitest';
import { BootError } from '../../src/firmware/boot/boot-error.ts';
import { type Ext4File, Ext4FileSystem } from '../../src/firmware/ext4/file-system.ts';
import { ArrayDisk, finish, hasTool, type ImageContents, makeExt4 } from './ext4-image.ts';

const KIB = 1024;

function patterned(bytes: number, seed: number): Uint8Array {
  return Uint8Array.from({ length: bytes }, (_, index) => (index * 31 + (index >> 9) * 7 + seed) & 0xff);
}

function mount(image: Uint8Array): { fileSystem: Ext4FileSystem; disk: ArrayDisk } {
  const disk = new ArrayDisk(image);
  return { disk, fileSystem: finish(Ext4FileSystem.mount(disk)) };
}

function load(disk: ArrayDisk, file: Ext4File): Uint8Array {
  disk.memory.fill(0xaa);
  finish(
    file.loadTo({
      address: 4096,
      zero: (address, bytes) => disk.memory.fill(0, address, address + bytes),
      write: (address, bytes) => disk.memory.set(bytes, address),
    }),
  );
  return disk.memory.slice(4096, 4096 + file.bytes);
}

const contents: ImageContents = {
  files: {
    'boot/extlinux/extlinux.conf': 'default l0\n',
    'boot/vmlinux-1': patterned(3_000_001, 1),
    'boot/empty': '',
    ...Object.fromEntries(
      Array.from({ length: 900 }, (_, index) => [`many/file-with-a-long-name-${index}`, `${index}`]),
    ),
  },
  symlinks: {
    vmlinux: 'boot/vmlinux-1',
    'boot/absolute': '/vmlinux',
    'boot/up': '../boot/./extlinux/extlinux.conf',
    'boot/loop': 'loop',
    'boot/long': `${'../boot/'.repeat(20)}vmlinux-1`,
  },
};

describe.skipIf(!hasTool('mkfs.ext4') || !hasTool('debugfs'))(
  'the ext4 reader, on file systems made by mkfs.ext4',
  () => {
    describe.each([
      ['of 1 KiB blocks', ['-b', '1024']],
      ['of 4 KiB blocks', ['-b', '4096']],
      ['without 64bit and metadata_csum', ['-O', '^64bit,^metadata_csum']],
      ['with the features of newer e2fsprogs', ['-O', 'metadata_csum_seed,large_dir']],
    ])('%s', (_, options) => {
      const { fileSystem, disk } = mount(makeExt4(contents, { options, mebibytes: 24 }));

      it('reads a file through its path', () => {
        expect(finish(fileSystem.readText('/boot/extlinux/extlinux.conf'))).toBe('default l0\n');
        expect(finish(fileSystem.readText('/many/file-with-a-long-name-899'))).toBe('899');
        expect(finish(fileSystem.readText('/boot/empty'))).toBe('');
      });

      it('loads a large file straight to memory', () => {
        expect(load(disk, finish(fileSystem.open('/boot/vmlinux-1')))).toEqual(patterned(3_000_001, 1));
      });

      it('follows symlinks: relative, absolute, short and long', () => {
        for (const path of ['/vmlinux', '/boot/absolute', '/boot/long']) {
          expect(finish(fileSystem.open(path)).bytes).toBe(3_000_001);
        }
        expect(finish(fileSystem.readText('/boot/up'))).toBe('default l0\n');
        expect(() => finish(fileSystem.open('/boot/loop'))).toThrow('more than 40 symlinks');
      });

      it('says which file is not there', () => {
        expect(() => finish(fileSystem.open('/boot/none'))).toThrow(
          new BootError('no-such-file', '/boot/none: no such file'),
        );
        expect(() => finish(fileSystem.open('/boot'))).toThrow('/boot: a directory');
        expect(() => finish(fileSystem.open('/vmlinux/x'))).toThrow('no such file');
      });
    });

    it('reads holes as zeros', () => {
      const sparse = patterned(640 * KIB, 3);
      sparse.fill(0, 64 * KIB, 512 * KIB);
      const { fileSystem, disk } = mount(makeExt4({ files: { sparse } }));
      expect(load(disk, finish(fileSystem.open('/sparse')))).toEqual(sparse);
    });

    it('reads a file in so many extents that its tree has a second level', () => {
      const zeros = new Uint8Array(256 * KIB);
      for (let block = 0; block < 256; block += 2) zeros.fill(block + 1, block * KIB, (block + 1) * KIB);
      const { fileSystem, disk } = mount(makeExt4({ files: { striped: zeros } }, { options: ['-b', '1024'] }));
      const file = finish(fileSystem.open('/striped'));
      expect(load(disk, file)).toEqual(zeros);
      expect(finish(file.head(1025))).toEqual(zeros.slice(0, 1025));
    });

    it('takes the newest contents of a block from the journal when the file system was not unmounted', () => {
      const name = 'x'.repeat(40);
      const image = makeExt4({ files: { old: 'the file', [name]: 'padding' } }, { options: ['-b', '4096'] });
      const before = mount(image);
      const root = finish(before.fileSystem.open('/old'));
      expect(root.bytes).toBe(8);
      // The log gets a copy of the root directory's block in which `old` is called `new`.
      const block = blockWith(image, 'old');
      const renamed = image.slice(block * 4096, (block + 1) * 4096);
      renamed.set(new TextEncoder().encode('new'), indexOfText(renamed, 'old'));
      const crashed = makeExt4({ files: { old: 'the file', [name]: 'padding' } }, { options: ['-b', '4096'] });
      const written = blockWith(crashed, 'old');
      const journalled = logBlock(crashed, written, renamed);
      const after = mount(journalled).fileSystem;
      expect(finish(after.readText('/new'))).toBe('the file');
      expect(() => finish(after.open('/old'))).toThrow('no such file');
    });

    it('loads what the journal has of a file in the place of what the file’s blocks hold', () => {
      const pages = patterned(3 * 4096, 5);
      const image = makeExt4({ files: { pages } }, { options: ['-b', '4096'] });
      const second = Buffer.from(image.buffer).indexOf(pages.subarray(4096, 8192)) / 4096;
      const newer = patterned(4096, 77);
      const { fileSystem, disk } = mount(logBlock(image, second, newer));
      pages.set(newer, 4096);
      expect(load(disk, finish(fileSystem.open('/pages')))).toEqual(pages);
    });

    describe('on a disk whose owner means harm', () => {
      const striped = new Uint8Array(256 * KIB);
      for (let block = 0; block < 256; block += 2) striped.fill(block + 1, block * KIB, (block + 1) * KIB);
      const tree = (mebibytes = 16): TornTree =>
        tornTree(makeExt4({ files: { striped } }, { options: ['-b', '1024'], mebibytes }));

      it('refuses a tree of extents that comes back to where it was', () => {
        const { image, view, root, leafBlock } = tree();
        view.setUint16(root + 2, 4, true);
        for (let entry = 0; entry < 4; entry++) view.setUint32(root + 12 + 12 * entry + 4, leafBlock, true);
        expect(() => finish(mount(image).fileSystem.readText('/striped'))).toThrow('a damaged extent tree');
      });

      it('refuses an extent of no blocks', () => {
        const { image, view, leafBlock } = tree();
        view.setUint16(leafBlock * KIB + 12 + 4, 0, true);
        expect(() => finish(mount(image).fileSystem.readText('/striped'))).toThrow('a damaged extent tree');
      });

      it('gives up a directory that has no end', () => {
        const { image, view, rootDirectory } = tree(48);
        const block = view.getUint32(rootDirectory + 12 + 8, true);
        view.setUint16(rootDirectory + 2, 4, true);
        for (let entry = 0; entry < 4; entry++) {
          const at = rootDirectory + 12 + 12 * entry;
          view.setUint32(at, 32_768 * entry, true);
          view.setUint16(at + 4, 32_768, true);
          view.setUint32(at + 8, block, true);
        }
        expect(() => finish(mount(image).fileSystem.open('/none'))).toThrow('it does not end');
      });

      it('refuses paths and symlinks longer than Linux takes', () => {
        const { fileSystem } = mount(makeExt4(contents, { mebibytes: 24 }));
        expect(() => finish(fileSystem.open('/boot/..'.repeat(600)))).toThrow('a path of 4800 characters');
      });

      it.each([
        ['inodes that lie in two blocks', 0x58, 200],
        ['inodes larger than a block', 0x58, 2048],
        ['group descriptors that lie in two blocks', 0xfe, 96],
      ])('refuses %s', (_, offset, bytes) => {
        const image = makeExt4({}, { options: ['-b', '1024'] });
        new DataView(image.buffer).setUint16(1024 + offset, bytes, true);
        expect(() => mount(image)).toThrow('damaged ext4 superblock');
      });
    });

    it.each([
      ['zeros', () => new Uint8Array(1 << 20), 'no ext4 file system: magic 0x0'],
      ['an unknown incompatible feature', () => withFeature(makeExt4({}), 0x8000_0000), 'features 0x80000000'],
    ])('refuses %s', (_, image, message) => {
      expect(() => mount(image())).toThrow(message);
    });
  },
);

interface TornTree {
  readonly image: Uint8Array;
  readonly view: DataView;
  /** Where the root of a tree of two levels is, and the block of its first leaf. */
  readonly root: number;
  readonly leafBlock: number;
  /** Where the tree of the root directory is. */
  readonly rootDirectory: number;
}

/** The one file of two levels in an image of 1 KiB blocks: its root, in an inode, has depth 1. */
function tornTree(image: Uint8Array): TornTree {
  const view = new DataView(image.buffer);
  const isRootOf = (depth: number) => (at: number) =>
    view.getUint16(at, true) === 0xf30a && view.getUint16(at + 4, true) === 4 && view.getUint16(at + 6, true) === depth;
  const places = Array.from({ length: image.length / 4 - 4 }, (_, index) => 4 * index);
  const root = places.find(isRootOf(1));
  // Inode 2 is the first in the table that has a tree; before it the superblock has a copy of the journal's.
  const rootDirectory = places.find((at) => at >= 2048 && isRootOf(0)(at));
  if (root === undefined || rootDirectory === undefined) throw new Error('no tree of two levels in the image');
  return { image, view, root, leafBlock: view.getUint32(root + 12 + 4, true), rootDirectory };
}

const indexOfText = (bytes: Uint8Array, text: string): number =>
  Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).indexOf(text);

/** The block of a directory with an entry of that name: behind it comes the length and type of the name. */
function blockWith(image: Uint8Array, name: string): number {
  const entry = Buffer.from([name.length, 1, ...new TextEncoder().encode(name)]);
  return Math.floor(Buffer.from(image.buffer).indexOf(entry) / 4096);
}

function withFeature(image: Uint8Array, feature: number): Uint8Array {
  const view = new DataView(image.buffer);
  view.setUint32(1024 + 0x60, view.getUint32(1024 + 0x60, true) | feature, true);
  return image;
}

/**
 * Writes a committed transaction with one block, and one without its commit block, into the journal, by hand: [EXT4]
 * "Journal (jbd2)". The tags are those of a journal without checksums.
 */
function logBlock(image: Uint8Array, block: number, contents: Uint8Array): Uint8Array {
  const view = new DataView(image.buffer);
  let journal = -1;
  for (let at = 0; at < image.length; at += 4096) {
    if (view.getUint32(at) === 0xc03b_3998 && view.getUint32(at + 4) === 4) journal = at;
  }
  expect(journal).toBeGreaterThan(0);
  view.setUint32(journal + 0x28, 0);
  view.setUint32(journal + 0x18, 7);
  view.setUint32(journal + 0x1c, 1);
  const logAt = (index: number): number => journal + 4096 * index;
  const header = (index: number, type: number, sequence: number): void => {
    view.setUint32(logAt(index), 0xc03b_3998);
    view.setUint32(logAt(index) + 4, type);
    view.setUint32(logAt(index) + 8, sequence);
  };
  const descriptor = (index: number, sequence: number): void => {
    header(index, 1, sequence);
    view.setUint32(logAt(index) + 12, block);
    view.setUint16(logAt(index) + 18, 8);
  };
  descriptor(1, 7);
  image.set(contents, logAt(2));
  header(3, 2, 7);
  descriptor(4, 8);
  image.fill(0, logAt(5), logAt(6));
  return withFeature(image, 0x4);
}
