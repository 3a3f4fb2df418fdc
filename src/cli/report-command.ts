/** `mvctl report [REPORT] [BASELINE]`: shows a report that was written before, or two side by side. */
import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { Command } from 'commander';
import { EXIT } from '../engine/exit-codes.ts';
import type { Report } from '../engine/index.ts';
import { CommandError } from './command-error.ts';
import type { CliIo } from './io.ts';
import { type OutputTarget, outputOption, writeReport } from './output-option.ts';
import { readReport } from './read-report.ts';
import { shellWord } from './shell-word.ts';
import { type StateDirFlag, stateDirOption } from './state-dir-option.ts';

const EXAMPLES = `
Examples:
  mvctl report --output html=report.html
  mvctl report 3 --state-dir /var/lib/mvctl/web1 --output junit=report.xml
  mvctl report reports/online.json reports/offline.json --output pretty --output json=reports/online.json`;

interface ReportFlags extends StateDirFlag {
  readonly output?: readonly OutputTarget[];
}

export function reportCommand(io: CliIo): Command {
  return new Command('report')
    .argument('[report]', 'JSON report, or number or id of a run; the last run when absent')
    .argument('[baseline]', 'JSON report of the ordinary way, or number or id of a run')
    .addOption(outputOption())
    .addOption(stateDirOption())
    .addHelpText('after', EXAMPLES)
    .action(async (which: string | undefined, baseline: string | undefined, flags: ReportFlags) => {
      const report = await findReport(which, flags);
      await writeReport(
        baseline === undefined ? report : await compared(report, await findReport(baseline, flags)),
        flags.output ?? [],
        io,
      );
    });
}

async function compared(report: Report, baseline: Report): Promise<Report> {
  const { compareReports } = await import('../engine/report/compare-reports.ts');
  return compareReports(report, baseline);
}

/** A file where there is one, else a run of the node. Throws CommandError. */
async function findReport(which: string | undefined, { stateDir }: ReportFlags): Promise<Report> {
  if (which !== undefined && (existsSync(which) || which.includes('.'))) return readReport(which);
  const { findRun } = await import('./find-run.ts');
  const run = await findRun(stateDir, which);
  const path = join(dirname(run.journalPath), 'report.json');
  if (existsSync(path)) return readReport(path);
  const hint = `mvctl runs show ${run.number} --state-dir ${shellWord(stateDir)}`;
  throw new CommandError(EXIT.noSuchRun.code, `run ${run.number} has no report: it has not ended`, hint);
}
