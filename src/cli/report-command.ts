/** `mvctl report ONLINE [OFFLINE]`: shows a report that was written before, or two side by side. */
import { Command } from 'commander';
import type { CliIo } from './io.ts';
import { type OutputTarget, parseOutput, writeReport } from './output-option.ts';
import { readReport } from './read-report.ts';

const EXAMPLES = `
Examples:
  mvctl report reports/online.json
  mvctl report reports/online.json reports/offline.json --output pretty --output json=reports/online.json`;

export function reportCommand(io: CliIo): Command {
  return new Command('report')
    .argument('<report>', 'JSON report')
    .argument('[baseline]', 'JSON report of the ordinary way')
    .option(
      '-o, --output <format[=path]>',
      'pretty, json or junit, to standard output or a file; repeatable',
      parseOutput,
    )
    .addHelpText('after', EXAMPLES)
    .action(
      async (path: string, baseline: string | undefined, flags: { readonly output?: readonly OutputTarget[] }) => {
        const { compareReports } = await import('../engine/report/compare-reports.ts');
        const report = readReport(path);
        await writeReport(
          baseline === undefined ? report : compareReports(report, readReport(baseline)),
          flags.output ?? [],
          io,
        );
      },
    );
}
