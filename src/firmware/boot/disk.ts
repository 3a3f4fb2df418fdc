import type { Waiting } from '../waiting.ts';

/** Part of a disk and where in memory it goes; all three are multiples of the sector size or, for address, free. */
export interface DiskPiece {
  readonly offset: number;
  readonly address: number;
  readonly bytes: number;
}

export const SECTOR_BYTES = 512;

/** What a file system reader needs of a disk. Offsets and lengths are multiples of SECTOR_BYTES. */
export interface Disk {
  readonly bytes: number;
  /** A short read into M-mode software's hands. */
  read(offset: number, bytes: number): Waiting<Uint8Array>;
  /** The device writes straight to memory; nobody copies. */
  readInto(pieces: readonly DiskPiece[]): Waiting<void>;
}
