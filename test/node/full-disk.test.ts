import { mkdtempSync, rmSync, statSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { MediumError } from '../../src/machine/index.ts';
import { Disks } from '../../src/node/disks.ts';
import { canMount, mount, unmount } from '../tmpfs.ts';
import { numbers } from './disk-rounds.ts';

const CLUSTER_BYTES = 4096;
const CLUSTERS = 4096;
const ROUNDS = 400;
/** All of them have room where nothing else is on the disk. */
const WRITTEN_MAX = 90;
const isPossible = canMount();
if (!isPossible) console.warn('no tmpfs can be mounted here: a full disk under the disks of a node is not tried');

describe.skipIf(!isPossible)('the disks of a node on a full disk', () => {
  let folder: string;
  let disks: Disks;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'mvctl-tmpfs-'));
    mount('-t', 'tmpfs', '-o', 'size=512k', 'tmpfs', folder);
    vi.spyOn(console, 'error').mockReturnValue();
  });
  afterEach(() => {
    vi.restoreAllMocks();
    disks.closeAll();
    unmount(folder);
    rmSync(folder, { recursive: true });
    rmSync(`${folder}.base`);
  });

  it('fail a flush, and lose nothing that a later one keeps', () => {
    const base = `${folder}.base`;
    writeFileSync(base, new Uint8Array(CLUSTERS * CLUSTER_BYTES));
    disks = new Disks(folder, {});
    disks.insert('system', base);
    const store = disks.open('system');
    const next = numbers(7);
    const written = new Map<number, number>();
    let failed = 0;
    for (let round = 0; round < ROUNDS; round++) {
      const filler = join(folder, 'filler');
      rmSync(filler, { force: true });
      // Of the pages that are left some may do for clusters and not for the map.
      const isFull = next(3) > 0;
      if (isFull) fill(filler, next(3));
      for (let write = 0; write < 2; write++) {
        const [cluster, value] = [next(CLUSTERS), 1 + next(250)];
        if (written.size > WRITTEN_MAX && !written.has(cluster)) continue;
        store.write(cluster * CLUSTER_BYTES, new Uint8Array(CLUSTER_BYTES).fill(value));
        written.set(cluster, value);
      }
      try {
        store.flush();
      } catch (error) {
        expect(error).toBeInstanceOf(MediumError);
        expect((error as Error).message).toContain('ENOSPC');
        failed += 1;
      }
    }
    rmSync(join(folder, 'filler'), { force: true });
    store.flush();
    expect(failed).toBeGreaterThan(ROUNDS / 20);
    disks.closeAll();
    const again = disks.open('system');
    for (const [cluster, value] of written) {
      const into = new Uint8Array(CLUSTER_BYTES);
      again.read(cluster * CLUSTER_BYTES, into);
      expect(new Set(into), `cluster ${cluster}`).toEqual(new Set([value]));
    }
  });

  /** Leaves so many pages. */
  function fill(path: string, left: number): void {
    try {
      for (;;) writeFileSync(path, new Uint8Array(CLUSTER_BYTES), { flag: 'a' });
    } catch {
      for (let page = 0; page < left; page++) rmPage(path);
    }
  }

  function rmPage(path: string): void {
    truncateSync(path, Math.max(0, statSync(path).size - CLUSTER_BYTES));
  }
});
