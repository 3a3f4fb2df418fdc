/** Where a node and its runs are kept, for every verb that needs one. */
import { statSync } from 'node:fs';
import { Option } from 'commander';
import { EXIT } from '../engine/exit-codes.ts';
import { CommandError } from './command-error.ts';

export interface StateDirFlag {
  readonly stateDir: string;
}

export const stateDirOption = (): Option =>
  new Option('--state-dir <folder>', 'where the node and its runs are kept')
    .default('.mvctl/node')
    .argParser(expectFolder);

/** One that is not there yet is made when there is something to keep. Throws CommandError. */
export function expectFolder(path: string): string {
  if (path === '') throw new CommandError(EXIT.usage.code, '--state-dir: expected a folder');
  const found = statSync(path, { throwIfNoEntry: false });
  if (!found || found.isDirectory()) return path;
  throw new CommandError(EXIT.usage.code, `--state-dir: expected a folder, found the file ${path}`);
}
