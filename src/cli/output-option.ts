/** `--output FORMAT[=PATH]`, repeatable: one report in several forms. Without a path it goes to standard output. */
import { Option } from 'commander';
import { EXIT } from '../engine/exit-codes.ts';
import type { Report } from '../engine/index.ts';
import { CommandError } from './command-error.ts';
import { expectWritable, writeOutput } from './files.ts';
import type { CliIo } from './io.ts';
import { conflict } from './output-conflict.ts';

const FORMATS = ['pretty', 'json', 'junit', 'html'] as const;
type Format = (typeof FORMATS)[number];

export interface OutputTarget {
  readonly format: Format;
  readonly path: string | undefined;
}

export const outputOption = (): Option =>
  new Option(
    '-o, --output <format[=path]>',
    `${FORMATS.join(', ')}; to standard output or a file; repeatable`,
  ).argParser(parseOutput);

function parseOutput(text: string, previous: readonly OutputTarget[] = []): readonly OutputTarget[] {
  const [name = '', ...rest] = text.split('=');
  const format = FORMATS.find((known) => known === name);
  if (!format) throw new CommandError(EXIT.usage.code, `--output: expected ${FORMATS.join(', ')}, found ${name}`);
  const target = { format, path: rest.length > 0 ? rest.join('=') : undefined };
  const problem = conflict(target, previous);
  if (problem !== undefined) throw new CommandError(EXIT.usage.code, `--output: ${problem}`);
  return [...previous, target];
}

/** Before a run whose report they shall hold. Throws CommandError. */
export function expectTargets(targets: readonly OutputTarget[] = []): void {
  for (const { path } of targets) if (path !== undefined) expectWritable(path);
}

export async function writeReport(report: Report, targets: readonly OutputTarget[], io: CliIo): Promise<void> {
  for (const { format, path } of targets.length > 0 ? targets : DEFAULT_TARGETS) {
    const text = await render(report, format, path === undefined && io.isColor);
    if (path === undefined) io.stdout.write(text);
    else writeOutput(path, text);
  }
}

async function render(report: Report, format: Format, color: boolean): Promise<string> {
  switch (format) {
    case 'pretty':
      return (await import('../engine/report/render-pretty.ts')).renderPretty(report, { color });
    case 'json':
      return (await import('../engine/report/render-json.ts')).renderJson(report);
    case 'junit':
      return (await import('../engine/report/render-junit.ts')).renderJunit(report);
    case 'html':
      return (await import('../engine/report/render-html.ts')).renderHtml(report);
  }
}

const DEFAULT_TARGETS: readonly OutputTarget[] = [{ format: 'pretty', path: undefined }];
