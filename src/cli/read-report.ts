import { EXIT } from '../engine/exit-codes.ts';
import type { Report } from '../engine/index.ts';
import { isReport } from '../engine/report/is-report.ts';
import { CommandError } from './command-error.ts';
import { readInputText } from './files.ts';

/** A report that an earlier run wrote with `--output json=PATH`. Throws CommandError. */
export function readReport(path: string): Report {
  let report: unknown;
  const text = readInputText(path);
  try {
    report = JSON.parse(text);
  } catch (error) {
    throw new CommandError(EXIT.usage.code, `${path}: expected JSON: ${(error as Error).message}`);
  }
  if (isReport(report)) return report;
  throw new CommandError(EXIT.usage.code, `${path}: expected a report of mvctl/v1`);
}
