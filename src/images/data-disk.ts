/** An empty disk for data: an ext4 file system with a journal, or nothing but zeros. */
import { mkdirSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { mke2fsArguments } from './ext4-image.ts';
import { runCommand } from './run-command.ts';

const MIB = 0x10_0000;
const KIB_PER_INODE = 64;
const JOURNAL_MIB = 4;

export interface DataDiskOptions {
  /** Empty: no file system. */
  readonly label: string;
  readonly sizeMiB: number;
  readonly identity: string;
  readonly target: string;
  readonly scratch: string;
  readonly signal?: AbortSignal;
}

export async function writeDataDisk({
  label,
  sizeMiB,
  identity,
  target,
  scratch,
  signal,
}: DataDiskOptions): Promise<void> {
  if (label === '') {
    writeFileSync(target, '');
    truncateSync(target, sizeMiB * MIB);
    return;
  }
  const folder = join(scratch, 'data');
  mkdirSync(folder);
  const inodes = (sizeMiB * 1024) / KIB_PER_INODE;
  const layout = { label, sizeMiB, inodes, journalMiB: JOURNAL_MIB, identity };
  await runCommand('mke2fs', mke2fsArguments(layout, folder, target), signal === undefined ? {} : { signal });
  rmSync(folder, { recursive: true });
}
