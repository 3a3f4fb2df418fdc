/** Where a node and its runs are kept, for every verb that needs one. */
import { accessSync, constants, mkdirSync, statSync } from 'node:fs';
import { Option } from 'commander';
import { EXIT } from '../engine/exit-codes.ts';
import { CommandError } from './command-error.ts';
import { why } from './files.ts';

export interface StateDirFlag {
  readonly stateDir: string;
}

export const stateDirOption = (): Option =>
  new Option('--state-dir <folder>', 'where the node and its runs are kept')
    .default('.mvctl/node')
    .argParser(expectFolder);

/** Before disks are built for a node that could not be kept. Throws CommandError. */
export function makeFolder(path: string): void {
  try {
    mkdirSync(path, { recursive: true, mode: 0o700 });
  } catch (error) {
    throw new CommandError(EXIT.usage.code, `--state-dir: cannot make ${path}: ${why(error)}`);
  }
}

/** One that is not there yet is made when there is something to keep. Throws CommandError. */
export function expectFolder(path: string): string {
  if (path === '') throw new CommandError(EXIT.usage.code, '--state-dir: expected a folder');
  try {
    const found = statSync(path, { throwIfNoEntry: false });
    // One that may not be looked into would seem to hold nothing: no node, no run, no lock.
    if (found?.isDirectory()) accessSync(path, constants.R_OK | constants.X_OK);
    if (!found || found.isDirectory()) return path;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOTDIR') return path;
    throw new CommandError(EXIT.usage.code, `--state-dir: cannot look into ${path}: ${why(error)}`);
  }
  throw new CommandError(EXIT.usage.code, `--state-dir: expected a folder, found the file ${path}`);
}
