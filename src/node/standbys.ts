/**
 * Standbys of a node: what is kept of an OS that was put to sleep. Its memory is a file of the state directory, its system
 * disk a disk of the node, and the rest is in the node's configuration.
 */
import { mkdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import type { MemoryRegion, PhysicalMemory } from '../machine/index.ts';
import type { Disks } from './disks.ts';
import { loadMemoryImage, MemoryImageError, saveMemoryImage } from './memory-image.ts';
import type { StandbyConfig } from './node-config.ts';
import { NodeError } from './node-error.ts';

/** What a standby has to fit, beside its name. */
export type StandbyCircumstances = Omit<StandbyConfig, 'disk' | 'bytes'>;

export class Standbys {
  readonly #directory: string;
  readonly #disks: Disks;
  readonly #config: Map<string, StandbyConfig>;
  /** Since the last run began. */
  readonly #keptInThisRun = new Set<string>();
  /** Called when the set of standbys has changed. */
  onChange: () => void = () => {};

  constructor(directory: string, disks: Disks, config: Readonly<Record<string, StandbyConfig>>) {
    this.#directory = directory;
    this.#disks = disks;
    this.#config = new Map(Object.entries(config));
  }

  names(): string[] {
    return [...this.#config.keys()].toSorted();
  }

  config(): Record<string, StandbyConfig> {
    return Object.fromEntries(this.#config);
  }

  /** @throws NodeError `no-such-standby` */
  get(name: string): StandbyConfig {
    const standby = this.#config.get(name);
    if (standby === undefined) throw new NodeError('no-such-standby', `the node has no standby ${name}`);
    return standby;
  }

  /**
   * Keeps what is in `memory` and on the system disk, in place of a standby of that name.
   * @throws NodeError `refused` where this computer has no room for it
   */
  keep(
    name: string,
    systemDisk: string,
    { memory, regions }: { readonly memory: PhysicalMemory; readonly regions: readonly MemoryRegion[] },
    circumstances: StandbyCircumstances,
  ): StandbyConfig {
    const disk = `standby-${name}`;
    if (this.#disks.has(disk) && !this.#config.has(name)) {
      throw new NodeError('refused', `the node has a disk ${disk}, which is none of a standby's`);
    }
    this.remove(name);
    const bytes = this.#onFiles(name, () => {
      mkdirSync(this.#directory, { recursive: true, mode: 0o700 });
      const saved = saveMemoryImage(this.#path(name), memory, regions);
      this.#disks.clone(systemDisk, disk);
      this.#disks.close(disk);
      return saved;
    });
    const standby = { ...circumstances, disk, bytes };
    this.#config.set(name, standby);
    this.#keptInThisRun.add(name);
    this.onChange();
    return standby;
  }

  /**
   * A run begins after that commit (null: there has been none): of an OS that another one has taken the place of since, a
   * standby is worth nothing.
   */
  beginRun(committed: string | null): void {
    this.#keptInThisRun.clear();
    for (const name of this.names()) if (this.get(name).of !== committed) this.remove(name);
  }

  /**
   * A run that commits has seen to it that what it kept is right, not what earlier ones did. `onChange` is not called: the
   * commit has to be saved at the same time.
   */
  commit(key: string): void {
    for (const name of this.#keptInThisRun) {
      const standby = this.#config.get(name);
      if (standby !== undefined) this.#config.set(name, { ...standby, of: key });
    }
  }

  /** Makes the regions hold what they held when the standby was kept. @throws NodeError `refused` where its file is damaged */
  load(name: string, memory: PhysicalMemory, regions: readonly MemoryRegion[]): void {
    this.#onFiles(name, () => loadMemoryImage(this.#path(name), memory, regions));
  }

  /** Nothing happens to a standby that is not there. */
  remove(name: string): void {
    const standby = this.#config.get(name);
    if (standby === undefined) return;
    this.#config.delete(name);
    this.onChange();
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
