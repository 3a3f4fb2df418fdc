/** `mvctl apply`: runs a playbook on a node, rehearses it, or goes on with a run that was left. */
import { Command, Option } from 'commander';
import { EXIT } from '../engine/exit-codes.ts';
import type { NodePort, Plan, Report, RunEnd } from '../engine/index.ts';
import { CommandError } from './command-error.ts';
import type { CliIo } from './io.ts';
import { loadPlan } from './load-playbook.ts';
import { type OpenNodeOptions, openNode } from './open-node.ts';
import { type OutputTarget, parseOutput, writeReport } from './output-option.ts';
import { runLines } from './run-lines.ts';
import { type RunTree, runTree } from './run-tree.ts';

interface ApplyFlags {
  readonly dryRun?: boolean;
  readonly resume?: boolean;
  readonly output?: readonly OutputTarget[];
  readonly clock: 'virtual' | 'realtime';
  readonly seed: number;
  readonly var?: Values;
  readonly disk?: Values;
  readonly stateDir: string;
  readonly compare?: string;
}

type Values = { readonly [name: string]: string };

/** What a command needs to reach a node; a test brings its own. */
export type OpenNode = (options: OpenNodeOptions, io: CliIo) => Promise<NodePort>;

const EXAMPLES = `
Examples:
  mvctl apply playbooks/online-os-upgrade.yaml --dry-run
  mvctl apply playbooks/online-os-upgrade.yaml --output pretty --output json=reports/online.json
  mvctl apply playbooks/online-os-upgrade.yaml --var soakFor=1m --state-dir /var/lib/mvctl/web1
  mvctl apply --resume

Exit codes:
${Object.values(EXIT)
  .map(({ code, means }) => `  ${String(code).padStart(3)}  ${means}`)
  .join('\n')}`;

const DEFAULT_STATE_DIR = '.mvctl/node';

export function applyCommand(io: CliIo, open: OpenNode = openNode): Command {
  return new Command('apply')
    .argument('[playbook]', 'playbook file; none with --resume')
    .option('--dry-run', 'run it on a model of the node: no node, no change, durations are priors')
    .option('--resume', 'go on with the run that was left on the node')
    .option(
      '-o, --output <format[=path]>',
      'pretty, json or junit, to standard output or a file; repeatable',
      parseOutput,
    )
    .addOption(new Option('--clock <clock>', 'clock of a new node').choices(['virtual', 'realtime']).default('virtual'))
    .option('--seed <number>', 'moves every random choice of a new node', wholeNumber, 1)
    .option('--var <name=value>', 'value of a variable; repeatable', nameValue)
    .option('--disk <name=image>', 'another image for a disk of a new node; repeatable', nameValue)
    .option('--state-dir <folder>', 'where the node and its runs are kept', DEFAULT_STATE_DIR)
    .option('--compare <report>', 'JSON report of an offline run, to put beside this one')
    .addHelpText('after', EXAMPLES)
    .action((playbook: string | undefined, flags: ApplyFlags) => apply(playbook, flags, io, open));
}

async function apply(playbook: string | undefined, flags: ApplyFlags, io: CliIo, open: OpenNode): Promise<void> {
  if (flags.resume && playbook !== undefined) {
    throw new CommandError(EXIT.usage.code, '--resume takes no playbook: the journal holds the plan');
  }
  if (!flags.resume && playbook === undefined) {
    throw new CommandError(EXIT.usage.code, 'expected a playbook, or --resume');
  }
  const plan = playbook === undefined ? undefined : await loadPlan(playbook, flags.var ?? {}, io);
  if (plan && flags.dryRun) {
    const { dryRun } = await import('../engine/run/dry-run.ts');
    await finish(await dryRun(plan, runLines(io)), flags, io);
    return;
  }
  const end = await run(plan, flags, io, open);
  if (end.kind === 'over') await finish(end.report, flags, io);
  else {
    io.stderr.write(`stopped; go on with: mvctl apply --resume --state-dir ${flags.stateDir}\n`);
    io.setExitCode(EXIT.interrupted.code);
  }
}

/** SIGINT and SIGTERM stop the run before its next effect. */
async function run(plan: Plan | undefined, flags: ApplyFlags, io: CliIo, open: OpenNode): Promise<RunEnd> {
  const { stateDir, clock, seed, disk = {} } = flags;
  const port = await open({ stateDir, clock, seed, disks: disk, ...(plan ? { node: plan.node } : {}) }, io);
  const { resumeRun, runPlan } = await import('../engine/run/run-plan.ts');
  using tree: RunTree | undefined = io.stderr.isTTY === true ? runTree(io) : undefined;
  const stop = new AbortController();
  const interrupt = (): void => {
    io.stderr.write('\nstopping after this step\n');
    stop.abort();
  };
  process.once('SIGINT', interrupt).once('SIGTERM', interrupt);
  const unsubscribe = port.onProgress((line) => tree?.nodeSays(line));
  try {
    const options = {
      port,
      stateDir,
      wallNow: io.wallNow,
      onProgress: tree?.listener ?? runLines(io),
      signal: stop.signal,
    };
    return plan ? await runPlan(plan, options) : await resumeRun(options);
  } finally {
    process.removeListener('SIGINT', interrupt).removeListener('SIGTERM', interrupt);
    unsubscribe();
    await port.close();
  }
}

async function finish(report: Report, flags: ApplyFlags, io: CliIo): Promise<void> {
  await writeReport(await compared(report, flags.compare), flags.output ?? [], io);
  io.setExitCode(report.run.exitCode);
}

async function compared(report: Report, path: string | undefined): Promise<Report> {
  if (path === undefined) return report;
  const { readReport } = await import('./read-report.ts');
  const { compareReports } = await import('../engine/report/compare-reports.ts');
  return compareReports(report, readReport(path));
}

function nameValue(text: string, previous: Values = {}): Values {
  const equals = text.indexOf('=');
  if (equals < 1) throw new CommandError(EXIT.usage.code, `expected NAME=VALUE, found ${text}`);
  return { ...previous, [text.slice(0, equals)]: text.slice(equals + 1) };
}

function wholeNumber(text: string): number {
  const value = Number(text);
  if (!Number.isSafeInteger(value) || value < 0) {
    throw new CommandError(EXIT.usage.code, `--seed: expected a whole number, found ${text}`);
  }
  return value;
}
