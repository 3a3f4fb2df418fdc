/** `mvctl init [FILE]`: a playbook to begin with. */
import { writeFileSync } from 'node:fs';
import { Command } from 'commander';
import { EXIT } from '../engine/exit-codes.ts';
import { CommandError } from './command-error.ts';
import { why } from './files.ts';
import type { CliIo } from './io.ts';
import { shellWord } from './shell-word.ts';
import { STARTER } from './starter-playbook.ts';

const DEFAULT_FILE = 'maintenance.yaml';

const EXAMPLES = `
Examples:
  mvctl init my-maintenance.yaml
  mvctl validate my-maintenance.yaml --strict`;

export function initCommand(io: CliIo): Command {
  return new Command('init')
    .argument('[playbook]', 'file to write', DEFAULT_FILE)
    .option('--force', 'write over a file that is there')
    .addHelpText('after', EXAMPLES)
    .action((file: string, { force }: { readonly force?: boolean }) => init(file, force === true, io));
}

function init(file: string, isForced: boolean, io: CliIo): void {
  try {
    writeFileSync(file, STARTER, { flag: isForced ? 'w' : 'wx' });
  } catch (error) {
    const isThere = (error as NodeJS.ErrnoException).code === 'EEXIST';
    const message = isThere ? `${file} is there already` : `cannot write ${file}: ${why(error)}`;
    throw new CommandError(EXIT.usage.code, message, isThere ? '--force writes over it' : undefined);
  }
  const word = shellWord(file);
  io.stdout.write(`${file}: written; next: mvctl validate ${word}, mvctl apply ${word} --dry-run\n`);
}
