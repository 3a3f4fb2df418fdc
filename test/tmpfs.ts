/** A disk of a few pages that can really be full, or read-only. Needs root, and a kernel that lets it mount. */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmdirSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

export const mount = (...args: readonly string[]): boolean => spawnSync('mount', args).status === 0;
export const unmount = (path: string): boolean => spawnSync('umount', [path]).status === 0;

export function canMount(): boolean {
  const folder = mkdtempSync(join(tmpdir(), 'mvctl-tmpfs-'));
  const isMounted = mount('-t', 'tmpfs', '-o', 'size=64k', 'tmpfs', folder) && unmount(folder);
  rmdirSync(folder);
  return isMounted;
}
