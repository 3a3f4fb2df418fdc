/** `mvctl explain CODE`: what a check looks for, with its example, or what an exit code means. */
import { readFileSync } from 'node:fs';
import { Command } from 'commander';
import { CODES } from '../engine/diagnostics/codes.ts';
import { didYouMean } from '../engine/diagnostics/suggest.ts';
import { EXIT } from '../engine/exit-codes.ts';
import { CommandError } from './command-error.ts';
import type { CliIo } from './io.ts';

/** As far from src/cli as from the folders of the build. */
const CHECKS_PAGE = new URL('../../docs/checks.md', import.meta.url);

const EXAMPLES = `
Examples:
  mvctl explain MV0311
  mvctl explain 20`;

export function explainCommand(io: CliIo): Command {
  return new Command('explain')
    .argument('<code>', 'code of a finding, or an exit code')
    .addHelpText('after', EXAMPLES)
    .action((code: string) => void io.stdout.write(`${explain(code)}\n`));
}

function explain(asked: string): string {
  const exit = Object.values(EXIT).find(({ code }) => String(code) === asked);
  if (exit) return `mvctl exits with ${exit.code}: ${exit.means}`;
  const code = asked.toUpperCase();
  if (code in CODES) return sectionOf(code);
  const known = [...Object.keys(CODES), ...Object.values(EXIT).map((row) => String(row.code))];
  const hint = didYouMean(code, known) ?? 'docs/checks.md and docs/exit-codes.md list them';
  throw new CommandError(EXIT.usage.code, `nothing has the code ${asked}`, hint);
}

function sectionOf(code: string): string {
  const page = readFileSync(CHECKS_PAGE, 'utf8');
  const start = page.indexOf(`## ${code}\n`);
  const end = page.indexOf('\n## ', start);
  return page.slice(start + '## '.length, end < 0 ? undefined : end).trimEnd();
}
