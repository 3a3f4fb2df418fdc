import { readFileSync } from 'node:fs';
import { EXIT } from '../engine/exit-codes.ts';
import type { Report } from '../engine/index.ts';
import { CommandError } from './command-error.ts';

/** A report that an earlier run wrote with `--output json=PATH`. Throws CommandError. */
export function readReport(path: string): Report {
  let report: Partial<Report>;
  try {
    report = JSON.parse(readFileSync(path, 'utf8')) as Partial<Report>;
  } catch (error) {
    throw new CommandError(EXIT.usage.code, `cannot read ${path}: ${(error as Error).message}`);
  }
  if (report.apiVersion !== 'mvctl/v1' || report.kind !== 'Report') {
    throw new CommandError(EXIT.usage.code, `${path}: expected a report of mvctl/v1`);
  }
  return report as Report;
}
