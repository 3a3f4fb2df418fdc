/**
 * Disks of a node on files of this computer. A disk is a base image that is only read, an overlay file with what was
 * written, and a write cache in this process's memory: killing the process is a power cut, so what the guest flushed is
 * there at the next boot, and of the rest what the drive happened to have written early.
 */
import { closeSync, constants, copyFileSync, existsSync, ftruncateSync, openSync, renameSync, rmSync } from 'node:fs';
import type { BlockStore } from '../machine/index.ts';
import { FileLock } from './file-lock.ts';
import { BaseImage, CLUSTER_BYTES, OverlayError, OverlayFile, readWhole, writeWhole } from './overlay-file.ts';

export { FileLockedError } from './file-lock.ts';
export { OverlayError } from './overlay-file.ts';

export interface OverlayDiskOptions {
  /** Overlay file. */
  readonly path: string;
  /** Raw image, shared by any number of overlays; it must not change while one of them exists. */
  readonly basePath: string;
  /** When the cache holds this much the drive writes it out early. */
  readonly cacheBytesMax?: number;
  /** Whether a flush also reaches the medium of this computer; else it outlasts this process only. */
  readonly syncToMedium?: boolean;
}

const CACHE_BYTES_MAX = 32 * 1024 * 1024;
const EXPORT_CHUNK_BYTES = 1024 * 1024;

/** Where the bytes of a stretch of the disk are. */
type Stretch =
  | { readonly kind: 'cache'; readonly content: Uint8Array }
  | { readonly kind: 'file'; readonly fd: number; readonly position: number };

function checkRange(disk: BlockStore, offset: number, bytes: number): void {
  if (offset >= 0 && offset + bytes <= disk.bytes) return;
  throw new RangeError(`${bytes} bytes at ${offset} of a disk of ${disk.bytes} bytes`);
}

/** A raw image as a disk nobody can write to. */
export class ReadOnlyDisk implements BlockStore {
  readonly readOnly = true;
  readonly #image: BaseImage;

  constructor(path: string) {
    this.#image = new BaseImage(path);
  }

  get bytes(): number {
    return this.#image.bytes;
  }

  read(offset: number, into: Uint8Array): void {
    checkRange(this, offset, into.length);
    readWhole(this.#image.fd, into, offset);
  }

  write(): void {
    throw new OverlayError(`${this.#image.path} is read only`);
  }

  flush(): void {}

  close(): void {
    this.#image.close();
  }
}

export class OverlayDisk implements BlockStore {
  readonly readOnly = false;
  readonly path: string;
  readonly #options: OverlayDiskOptions;
  readonly #base: BaseImage;
  readonly #overlay: OverlayFile;
  readonly #lock: FileLock | undefined;
  /** Written and not flushed: whole clusters by number. */
  #cache = new Map<number, Uint8Array>();
  #open = true;

  private constructor(options: OverlayDiskOptions, base: BaseImage, overlay: OverlayFile, lock: FileLock | undefined) {
    this.path = options.path;
    this.#options = options;
    this.#base = base;
    this.#overlay = overlay;
    this.#lock = lock;
  }

  /** Makes an overlay in which nothing is written yet. @throws OverlayError when the file exists */
  static create(options: OverlayDiskOptions): OverlayDisk {
    const base = new BaseImage(options.basePath);
    try {
      OverlayFile.create(options.path, base);
    } finally {
      base.close();
    }
    return OverlayDisk.open(options);
  }

  /** @throws FileLockedError when a process has it open, OverlayError when it is damaged or belongs to another base */
  static open(options: OverlayDiskOptions): OverlayDisk {
    const lock = FileLock.take(options.path);
    try {
      return OverlayDisk.#openUnlocked(options, lock);
    } catch (error) {
      lock.release();
      throw error;
    }
  }

  static #openUnlocked(options: OverlayDiskOptions, lock: FileLock | undefined): OverlayDisk {
    const base = new BaseImage(options.basePath);
    try {
      return new OverlayDisk(options, base, OverlayFile.open(options.path, base), lock);
    } catch (error) {
      base.close();
      throw error;
    }
  }

  get bytes(): number {
    return this.#base.bytes;
  }

  /** Bytes that differ from the base in the overlay file, and bytes that are only in the write cache. */
  get usage(): { readonly overlayBytes: number; readonly cachedBytes: number } {
    return {
      overlayBytes: this.#overlay.allocatedClusters * CLUSTER_BYTES,
      cachedBytes: this.#cache.size * CLUSTER_BYTES,
    };
  }

  read(offset: number, into: Uint8Array): void {
    checkRange(this, offset, into.length);
    let done = 0;
    while (done < into.length) {
      const { stretch, bytes } = this.#stretchAt(offset + done, into.length - done);
      const part = into.subarray(done, done + bytes);
      if (stretch.kind === 'cache') part.set(stretch.content.subarray(0, bytes));
      else readWhole(stretch.fd, part, stretch.position);
      done += bytes;
    }
  }

  /** The stretch that begins at `offset`, as long as its bytes lie side by side in one place, at most `bytesMax`. */
  #stretchAt(offset: number, bytesMax: number): { readonly stretch: Stretch; readonly bytes: number } {
    const stretch = this.#locate(offset);
    let bytes = Math.min(bytesMax, CLUSTER_BYTES - (offset % CLUSTER_BYTES));
    while (stretch.kind === 'file' && bytes < bytesMax) {
      const next = this.#locate(offset + bytes);
      if (next.kind !== 'file' || next.fd !== stretch.fd || next.position !== stretch.position + bytes) break;
      bytes = Math.min(bytesMax, bytes + CLUSTER_BYTES);
    }
    return { stretch, bytes };
  }

  #locate(offset: number): Stretch {
    const cluster = Math.floor(offset / CLUSTER_BYTES);
    const within = offset % CLUSTER_BYTES;
    const cached = this.#cache.get(cluster);
    if (cached !== undefined) return { kind: 'cache', content: cached.subarray(within) };
    const position = this.#overlay.positionOf(cluster);
    if (position !== undefined) return { kind: 'file', fd: this.#overlay.fd, position: position + within };
    return { kind: 'file', fd: this.#base.fd, position: offset };
  }

  write(offset: number, from: Uint8Array): void {
    checkRange(this, offset, from.length);
    let done = 0;
    while (done < from.length) {
      const cluster = Math.floor((offset + done) / CLUSTER_BYTES);
      const within = (offset + done) % CLUSTER_BYTES;
      const bytes = Math.min(from.length - done, CLUSTER_BYTES - within);
      this.#cachedCluster(cluster, bytes === CLUSTER_BYTES).set(from.subarray(done, done + bytes), within);
      done += bytes;
    }
    if (this.#cache.size * CLUSTER_BYTES > (this.#options.cacheBytesMax ?? CACHE_BYTES_MAX)) this.#writeOut();
  }

  #cachedCluster(cluster: number, overwritten: boolean): Uint8Array {
    const cached = this.#cache.get(cluster);
    if (cached !== undefined) return cached;
    const content = new Uint8Array(CLUSTER_BYTES);
    if (!overwritten) {
      const offset = cluster * CLUSTER_BYTES;
      this.read(offset, content.subarray(0, Math.min(CLUSTER_BYTES, this.bytes - offset)));
    }
    this.#cache.set(cluster, content);
    return content;
  }

  flush(): void {
    this.#writeOut();
    if (this.#options.syncToMedium === true) this.#overlay.sync();
  }

  #writeOut(): void {
    if (this.#cache.size === 0) return;
    this.#overlay.write(this.#cache);
    this.#cache = new Map();
  }

  /**
   * The storage's own point-in-time copy: a new overlay at `path` over the same base that holds all that was written
   * here, cache included. This disk stays as it is. The copy is there whole or not at all.
   * @throws OverlayError when `path` exists
   */
  clone(path: string): void {
    if (existsSync(path)) throw new OverlayError(`${path} exists already`);
    const building = `${path}.new`;
    try {
      copyFileSync(this.path, building, constants.COPYFILE_FICLONE);
      const copy = OverlayDisk.#openUnlocked({ ...this.#options, path: building }, undefined);
      try {
        if (this.#cache.size > 0) copy.#overlay.write(this.#cache);
      } finally {
        copy.powerOff();
      }
      renameSync(building, path);
    } finally {
      rmSync(building, { force: true });
    }
  }

  /** Writes the whole disk, cache included, as a raw image; stretches of zeros take no room. */
  exportRaw(path: string): void {
    if (existsSync(path)) throw new OverlayError(`${path} exists already`);
    const building = `${path}.new`;
    const fd = openSync(building, 'w');
    try {
      const buffer = Buffer.alloc(EXPORT_CHUNK_BYTES);
      const zeros = Buffer.alloc(CLUSTER_BYTES);
      for (let offset = 0; offset < this.bytes; offset += buffer.length) {
        const chunk = buffer.subarray(0, Math.min(buffer.length, this.bytes - offset));
        this.read(offset, chunk);
        for (let start = 0; start < chunk.length; start += CLUSTER_BYTES) {
          const cluster = chunk.subarray(start, start + CLUSTER_BYTES);
          if (cluster.compare(zeros, 0, cluster.length) !== 0) writeWhole(fd, cluster, offset + start);
        }
      }
      ftruncateSync(fd, this.bytes);
      renameSync(building, path);
    } finally {
      closeSync(fd);
      rmSync(building, { force: true });
    }
  }

  /** An orderly end: the drive writes its cache out. */
  close(): void {
    if (!this.#open) return;
    this.flush();
    this.powerOff();
  }

  /** A power cut: what is only in the cache is lost. */
  powerOff(): void {
    if (!this.#open) return;
    this.#open = false;
    this.#cache = new Map();
    this.#overlay.close();
    this.#base.close();
    this.#lock?.release();
  }
}
