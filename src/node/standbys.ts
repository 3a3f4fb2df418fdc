/**
 * Standbys of a node: what is kept of an OS that was put to sleep. Its memory is a file of the state directory, its system
 * disk a disk of the node, and the rest is in the node's configuration. A standby comes and goes with its disk: whoever saves
 * the configuration when the disks change saves both at once.
 */
import { existsSync, mkdirSync, readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import type { MemoryRegion, PhysicalMemory } from '../machine/index.ts';
import type { Disks } from './disks.ts';
import { loadMemoryImage, MemoryImageError, saveMemoryImage } from './memory-image.ts';
import type { StandbyConfig } from './node-config.ts';
import { NodeError } from './node-error.ts';

/** What a standby has to fit, beside its name. */
export type StandbyCircumstances = Omit<StandbyConfig, 'disk' | 'bytes' | 'of'>;

/** `good`: the run that committed last kept it; `outdated`: an earlier one did; `uncommitted`: its run has not committed. */
export type StandbyWorth = 'good' | 'outdated' | 'uncommitted';

/** Whole, or being written. */
const MEMORY_FILE = /\.memory(\.new)?$/;

export class Standbys {
  readonly #directory: string;
  readonly #disks: Disks;
  readonly #config: Map<string, StandbyConfig>;

  constructor(directory: string, disks: Disks, config: Readonly<Record<string, StandbyConfig>>) {
    this.#directory = directory;
    this.#disks = disks;
    this.#config = new Map(Object.entries(config));
    this.#removeLeftOvers();
  }

  /** A loss of power may have come between the memory of a standby and its configuration. */
  #removeLeftOvers(): void {
    const files = new Set(this.names().map((name) => this.#path(name)));
    for (const entry of existsSync(this.#directory) ? readdirSync(this.#directory) : []) {
      const path = join(this.#directory, entry);
      if (MEMORY_FILE.test(entry) && !files.has(path)) rmSync(path);
    }
  }

  names(): string[] {
    return [...this.#config.keys()].toSorted();
  }

  config(): Record<string, StandbyConfig> {
    return Object.fromEntries(this.#config);
  }

  find(name: string): StandbyConfig | undefined {
    return this.#config.get(name);
  }

  /** Name of the standby whose disk this is, if it is one's. */
  ofDisk(disk: string): string | undefined {
    return this.names().find((name) => this.#config.get(name)?.disk === disk);
  }

  /** @throws NodeError `no-such-standby` */
  get(name: string): StandbyConfig {
    const standby = this.find(name);
    if (standby !== undefined) return standby;
    const found = this.names().join(', ') || 'none';
    throw new NodeError('no-such-standby', `the node has no standby ${name} (found: ${found})`);
  }

  /**
   * Keeps what is in `memory` and on the system disk, in place of a standby of that name; gives the bytes of memory of each
   * slice of it.
   * @throws NodeError `refused` where this computer has no room for it
   */
  *keep(
    name: string,
    systemDisk: string,
    { memory, regions }: { readonly memory: PhysicalMemory; readonly regions: readonly MemoryRegion[] },
    circumstances: StandbyCircumstances,
  ): Generator<number, StandbyConfig> {
    const disk = `standby-${name}`;
    if (this.#disks.has(disk) && !this.#config.has(name)) {
      throw new NodeError('refused', `the node has a disk ${disk}, which is none of a standby's`);
    }
    this.remove(name);
    let kept: StandbyConfig | undefined;
    try {
      const bytes = yield* this.#saveMemory(name, memory, regions);
      const standby = { ...circumstances, disk, bytes, of: null };
      this.#config.set(name, standby);
      this.#onFiles(name, () => this.#disks.clone(systemDisk, disk));
      this.#disks.close(disk);
      kept = standby;
      return kept;
    } finally {
      if (kept === undefined) this.remove(name);
    }
  }

  /** Gives the bytes of all slices. */
  *#saveMemory(name: string, memory: PhysicalMemory, regions: readonly MemoryRegion[]): Generator<number, number> {
    this.#onFiles(name, () => mkdirSync(this.#directory, { recursive: true, mode: 0o700 }));
    let bytes = 0;
    for (const slice of this.#slices(name, saveMemoryImage(this.#path(name), memory, regions))) {
      bytes += slice;
      yield slice;
    }
    return bytes;
  }

  /**
   * A run begins after that commit (null: there has been none). Of an OS that another one has taken the place of since, a
   * standby is worth nothing; and of what a run kept that did not commit nobody has said that it is right.
   */
  beginRun(committed: string | null): void {
    for (const name of this.names()) if (this.worthOf(name, committed) !== 'good') this.remove(name);
  }

  /** What a run that begins after that commit could do with it. */
  worthOf(name: string, committed: string | null): StandbyWorth {
    const { of } = this.get(name);
    if (of === null) return 'uncommitted';
    return of === committed ? 'good' : 'outdated';
  }

  /** Whether the run of the last commit kept it, or the one that is under way: what others left uncommitted is thrown out. */
  isGood(name: string, committed: string | null): boolean {
    return this.worthOf(name, committed) !== 'outdated';
  }

  /**
   * A run that commits has seen to it that what it kept is right, not what earlier ones did. The caller saves it with the
   * commit.
   */
  commit(key: string): void {
    for (const [name, standby] of this.#config) {
      if (standby.of === null) this.#config.set(name, { ...standby, of: key });
    }
  }

  /**
   * Makes the regions hold what they held when the standby was kept; gives the bytes of each slice of it.
   * @throws NodeError `refused` where its file is damaged
   */
  load(name: string, memory: PhysicalMemory, regions: readonly MemoryRegion[]): Generator<number> {
    return this.#slices(name, loadMemoryImage(this.#path(name), memory, regions));
  }

  *#slices(name: string, slices: Generator<number>): Generator<number> {
    try {
      for (;;) {
        const { done, value } = this.#onFiles(name, () => slices.next());
        if (done === true) return;
        yield value;
      }
    } finally {
      slices.return(undefined);
    }
  }

  /** Nothing happens to a standby that is not there. */
  remove(name: string): void {
    const standby = this.find(name);
    if (standby === undefined) return;
    this.#config.delete(name);
    this.#disks.remove(standby.disk);
    rmSync(this.#path(name), { force: true });
  }

  /** @throws NodeError `refused` for what this computer's file system says */
  #onFiles<T>(name: string, work: () => T): T {
    try {
      return work();
    } catch (error) {
      if (!(error instanceof MemoryImageError || (error instanceof Error && 'errno' in error))) throw error;
      throw new NodeError('refused', `standby ${name}: ${error.message}`);
    }
  }

  #path(name: string): string {
    return join(this.#directory, `${name}.memory`);
  }
}
