/** `--output FORMAT[=PATH]` of validate: findings in several forms at once. */
import { InvalidArgumentError } from 'commander';
import { formatDiagnostic, summarize } from '../engine/diagnostics/frame.ts';
import type { CheckedFile } from '../engine/diagnostics/render-checks-junit.ts';
import { writeOutput } from './files.ts';
import type { CliIo } from './io.ts';
import { conflict } from './output-conflict.ts';
import { packageVersion } from './package-version.ts';

export const CHECK_FORMATS = ['pretty', 'json', 'github', 'sarif', 'junit'] as const;
type CheckFormat = (typeof CHECK_FORMATS)[number];

export interface CheckTarget {
  readonly format: CheckFormat;
  readonly path: string | undefined;
}

export function parseCheckOutput(text: string, previous: readonly CheckTarget[] = []): readonly CheckTarget[] {
  const [name = '', ...rest] = text.split('=');
  const format = CHECK_FORMATS.find((known) => known === name);
  if (!format) throw new InvalidArgumentError(`Expected ${CHECK_FORMATS.join(', ')}.`);
  const target = { format, path: rest.length > 0 ? rest.join('=') : undefined };
  const problem = conflict(target, previous, TOGETHER);
  if (problem !== undefined) throw new InvalidArgumentError(problem);
  return [...previous, target];
}

const DEFAULT_TARGETS: readonly CheckTarget[] = [{ format: 'pretty', path: undefined }];

/** What a terminal or a log takes one after the other. */
const TOGETHER: readonly string[] = ['pretty', 'github'];

export async function writeChecks(
  files: readonly CheckedFile[],
  targets: readonly CheckTarget[],
  io: CliIo,
): Promise<void> {
  for (const { format, path } of targets.length > 0 ? targets : DEFAULT_TARGETS) {
    const text = await render(files, format, io);
    if (path === undefined) io.stdout.write(text);
    else writeOutput(path, text);
  }
}

async function render(files: readonly CheckedFile[], format: CheckFormat, io: CliIo): Promise<string> {
  const diagnostics = files.flatMap((file) => file.diagnostics);
  switch (format) {
    case 'pretty':
      return renderPretty(files);
    case 'json':
      return `${JSON.stringify(diagnostics, null, 2)}\n`;
    case 'github':
      return (await import('../engine/diagnostics/render-github.ts')).renderGithub(diagnostics);
    case 'sarif': {
      const { renderSarif } = await import('../engine/diagnostics/render-sarif.ts');
      const suppressed = files.flatMap((file) => file.suppressed);
      return renderSarif({ diagnostics, suppressed, version: packageVersion() });
    }
    case 'junit': {
      const { renderChecksJunit } = await import('../engine/diagnostics/render-checks-junit.ts');
      return renderChecksJunit(files, new Date(io.wallNow()).toISOString());
    }
  }
}

function renderPretty(files: readonly CheckedFile[]): string {
  const lines: string[] = [];
  for (const { file, text, diagnostics } of files) {
    for (const found of diagnostics) lines.push(formatDiagnostic(found, found.file === file ? text : undefined), '');
    if (diagnostics.length === 0) lines.push(`${file}: ${summarize(diagnostics)}`);
  }
  const all = files.flatMap(({ diagnostics }) => diagnostics);
  if (all.length > 0) lines.push(summarize(all));
  return `${lines.join('\n')}\n`;
}
