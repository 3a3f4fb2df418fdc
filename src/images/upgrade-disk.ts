/**
 * A read-only disk of packages for mv-upgrade: the packages, and `stages`: a file name a line, `---` between the stages.
 */
import { cpSync, mkdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { mke2fsArguments } from './ext4-image.ts';
import { runCommand } from './run-command.ts';

/** mv-upgrade finds the disk by it. */
export const UPGRADE_LABEL = 'upgrades';
const STAGE_END = '---';
const MIB = 0x10_0000;
/** Room for the file system's own blocks beside the files. */
const SPARE_MIB = 4;
const SPARE_INODES = 64;

/** A package of a disk: its file in the cache, or made now; and the file name the archive has or would have for it. */
export interface DiskPackage {
  readonly path: string;
  readonly fileName: string;
}

export interface UpgradeDiskOptions {
  readonly identity: string;
  readonly target: string;
  readonly scratch: string;
  readonly signal?: AbortSignal;
}

export async function writeUpgradeDisk(
  stages: readonly (readonly DiskPackage[])[],
  options: UpgradeDiskOptions,
): Promise<void> {
  const folder = join(options.scratch, 'upgrade');
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder);
  const packages = stages.flat();
  for (const { path, fileName } of packages) cpSync(path, join(folder, fileName));
  const lines = stages.map((stage) => stage.map((deb) => `${deb.fileName}\n`).join(''));
  writeFileSync(join(folder, 'stages'), lines.join(`${STAGE_END}\n`));

  const bytes = packages.reduce((sum, deb) => sum + statSync(deb.path).size, 0);
  const layout = {
    label: UPGRADE_LABEL,
    sizeMiB: Math.ceil(bytes / MIB) + SPARE_MIB,
    inodes: packages.length + SPARE_INODES,
    journalMiB: null,
    identity: options.identity,
  };
  await runCommand('mke2fs', mke2fsArguments(layout, folder, options.target), {
    ...(options.signal === undefined ? {} : { signal: options.signal }),
  });
  rmSync(folder, { recursive: true });
}
