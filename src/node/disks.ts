/** The disks of a node by name, each on a base image and an overlay in the state directory. */
import { existsSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { type BlockStore, MediumError } from '../machine/index.ts';
import { OverlayDisk } from './disk-store.ts';
import type { DiskConfig } from './node-config.ts';
import { NodeError } from './node-error.ts';

/** Name of the system disk of the OS that runs when a run begins, and of the one that an earlier run retired. */
export const SYSTEM_DISK = 'system';
export const RETIRED_SYSTEM_DISK = 'system-retired';

export class Disks {
  readonly #directory: string;
  readonly #config: Map<string, DiskConfig>;
  readonly #open = new Map<string, OverlayDisk>();
  readonly #broken = new Set<OverlayDisk>();
  /** Called when the set of disks has changed. */
  onChange: () => void = () => {};

  constructor(directory: string, config: Readonly<Record<string, DiskConfig>>) {
    this.#directory = directory;
    this.#config = new Map(Object.entries(config));
  }

  names(): string[] {
    return [...this.#config.keys()].toSorted();
  }

  config(): Record<string, DiskConfig> {
    return Object.fromEntries(this.#config);
  }

  has(name: string): boolean {
    return this.#config.has(name);
  }

  bytes(name: string): number {
    return this.#disk(name).bytes;
  }

  /** A disk is written by one guest at a time. @throws NodeError `no-such-disk` */
  open(name: string, options: { readonly readOnly: boolean } = { readOnly: false }): BlockStore {
    const disk = this.#disk(name);
    const fails = (): boolean => this.#broken.has(disk);
    return { ...(options.readOnly ? readOnly(disk) : readWrite(disk)), fails };
  }

  /** From now on every request to the disk fails, until it is removed. */
  break(name: string): void {
    this.#broken.add(this.#disk(name));
  }

  /** Its requests succeed again. */
  mend(name: string): void {
    this.#broken.delete(this.#disk(name));
  }

  close(name: string): void {
    this.#open.get(name)?.close();
    this.#open.delete(name);
  }

  closeAll(): void {
    for (const name of [...this.#open.keys()]) this.close(name);
  }

  /**
   * A disk `name` that holds what `from` holds at this instant, in place of one of that name that nobody uses: a loss of power
   * leaves the one or the other.
   */
  clone(from: string, name: string): void {
    const source = this.#disk(from);
    const { base } = this.#entry(from);
    const before = this.#config.get(name);
    const overlay = this.#freeOverlay(name);
    rmSync(overlay, { force: true });
    source.clone(overlay);
    this.#open.get(name)?.powerOff();
    this.#open.delete(name);
    this.#config.set(name, { base, overlay });
    this.onChange();
    if (before !== undefined) rmSync(before.overlay, { force: true });
  }

  /**
   * A disk from outside: what the image holds, and an empty overlay. One of that name with another image is thrown out,
   * unless a guest has it. Gives false when that is so.
   */
  insert(name: string, base: string): boolean {
    const present = this.#config.get(name);
    if (present?.base === base) return true;
    if (this.#open.has(name)) return false;
    const overlay = this.#freeOverlay(name);
    rmSync(overlay, { force: true });
    this.#config.set(name, { base, overlay });
    this.onChange();
    return true;
  }

  /**
   * The disk is called `to` from now on, and keeps its file. `onChange` is not called: whoever knows disks by name has to
   * be saved at the same time.
   */
  rename(name: string, to: string): void {
    const entry = this.#entry(name);
    if (this.has(to)) throw new NodeError('refused', `the node has a disk ${to} already`);
    this.#config.delete(name);
    this.#config.set(to, entry);
    const open = this.#open.get(name);
    if (open !== undefined) {
      this.#open.delete(name);
      this.#open.set(to, open);
    }
  }

  /** A disk keeps its file when it gets another name, so that the file of a name may be another disk's. */
  #freeOverlay(name: string): string {
    const taken = new Set([...this.#config.values()].map(({ overlay }) => overlay));
    for (let number = 1; ; number++) {
      const overlay = join(this.#directory, number === 1 ? `${name}.overlay` : `${name}.${number}.overlay`);
      if (!taken.has(overlay)) return overlay;
    }
  }

  /** Nothing happens to a disk that is not there. */
  remove(name: string): void {
    const entry = this.#config.get(name);
    if (entry === undefined) return;
    this.#open.get(name)?.powerOff();
    this.#open.delete(name);
    this.#config.delete(name);
    this.onChange();
    rmSync(entry.overlay, { force: true });
  }

  #disk(name: string): OverlayDisk {
    const open = this.#open.get(name);
    if (open !== undefined) return open;
    const { base, overlay } = this.#entry(name);
    const options = { path: overlay, basePath: base };
    const disk = existsSync(overlay) ? OverlayDisk.open(options) : OverlayDisk.create(options);
    this.#open.set(name, disk);
    return disk;
  }

  #entry(name: string): DiskConfig {
    const entry = this.#config.get(name);
    if (entry === undefined) throw new NodeError('no-such-disk', `the node has no disk ${name}`);
    return entry;
  }
}

const readWrite = (disk: OverlayDisk): BlockStore => ({
  bytes: disk.bytes,
  readOnly: disk.readOnly,
  read: (offset, into) => onMedium(disk, () => disk.read(offset, into)),
  write: (offset, from) => onMedium(disk, () => disk.write(offset, from)),
  flush: () => onMedium(disk, () => disk.flush()),
});

/** A full disk of this computer is an I/O error of the guest's: what it wrote stays in the drive's cache. */
function onMedium(disk: OverlayDisk, work: () => void): void {
  try {
    work();
  } catch (error) {
    if (!(error instanceof Error && 'errno' in error)) throw error;
    console.error(`${disk.path}: ${error.message}`);
    throw new MediumError(`${disk.path}: ${error.message}`, { cause: error });
  }
}

const readOnly = (disk: OverlayDisk): BlockStore => ({
  bytes: disk.bytes,
  readOnly: true,
  read: (offset, into) => onMedium(disk, () => disk.read(offset, into)),
  write: () => {
    throw new Error(`${disk.path} was attached read-only`);
  },
  flush: () => {},
});
