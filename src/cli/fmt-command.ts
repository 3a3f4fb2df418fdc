/** `mvctl fmt FILE...`: one layout for all; comments stay. */
import { Command } from 'commander';
import { EXIT } from '../engine/exit-codes.ts';
import { FILE_BYTES_MAX } from '../engine/parse/parse-yaml.ts';
import { collectFiles } from './collect-files.ts';
import { CommandError } from './command-error.ts';
import { readInput, rewrite } from './files.ts';
import type { CliIo } from './io.ts';

const EXAMPLES = `
Examples:
  mvctl fmt playbooks --check
  mvctl fmt playbooks/online-os-upgrade.yaml --check`;

export function fmtCommand(io: CliIo): Command {
  return new Command('fmt')
    .argument('<playbook...>', 'files, folders and globs')
    .option('--check', 'write nothing; exit with 1 where a file would change')
    .addHelpText('after', EXAMPLES)
    .action((patterns: readonly string[], { check }: { readonly check?: boolean }) =>
      fmt(patterns, check === true, io),
    );
}

async function fmt(patterns: readonly string[], isCheck: boolean, io: CliIo): Promise<void> {
  const { formatYaml } = await import('../engine/format/format-yaml.ts');
  for (const file of await collectFiles(patterns)) {
    const text = readText(file);
    const formatted = formatYaml(text);
    if (!formatted.ok) {
      io.stderr.write(`${file}: left as it is: ${formatted.problem}\n`);
      io.setExitCode(EXIT.invalid.code);
    } else if (formatted.text !== text) {
      if (isCheck) io.setExitCode(EXIT.invalid.code);
      else rewrite(file, formatted.text);
      io.stdout.write(`${file}: ${isCheck ? 'would change' : 'changed'}\n`);
    }
  }
}

/** Throws CommandError for what is not UTF-8: writing it back would lose something. */
function readText(file: string): string {
  const bytes = readInput(file, FILE_BYTES_MAX);
  if (bytes.length > FILE_BYTES_MAX)
    throw new CommandError(EXIT.usage.code, `${file}: expected at most ${FILE_BYTES_MAX} bytes, found more`);
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    throw new CommandError(EXIT.usage.code, `${file}: expected UTF-8 text, found bytes that are none`);
  }
}
