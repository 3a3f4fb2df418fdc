/** `--output FORMAT[=PATH]`, repeatable: one report in several forms. Without a path it goes to standard output. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { EXIT } from '../engine/exit-codes.ts';
import type { Report } from '../engine/index.ts';
import { CommandError } from './command-error.ts';
import type { CliIo } from './io.ts';

const FORMATS = ['pretty', 'json'] as const;
type Format = (typeof FORMATS)[number];

export interface OutputTarget {
  readonly format: Format;
  readonly path: string | undefined;
}

export function parseOutput(text: string, previous: readonly OutputTarget[] = []): readonly OutputTarget[] {
  const [name = '', ...rest] = text.split('=');
  const format = FORMATS.find((known) => known === name);
  if (!format) throw new CommandError(EXIT.usage.code, `--output: expected ${FORMATS.join(' or ')}, found ${name}`);
  return [...previous, { format, path: rest.length > 0 ? rest.join('=') : undefined }];
}

export async function writeReport(report: Report, targets: readonly OutputTarget[], io: CliIo): Promise<void> {
  const { renderPretty } = await import('../engine/report/render-pretty.ts');
  const { renderJson } = await import('../engine/report/render-json.ts');
  for (const { format, path } of targets.length > 0 ? targets : DEFAULT_TARGETS) {
    const color = path === undefined && io.isColor;
    const text = format === 'json' ? renderJson(report) : renderPretty(report, { color });
    if (path === undefined) io.stdout.write(text);
    else {
      mkdirSync(dirname(path), { recursive: true });
      writeFileSync(path, text);
    }
  }
}

const DEFAULT_TARGETS: readonly OutputTarget[] = [{ format: 'pretty', path: undefined }];
