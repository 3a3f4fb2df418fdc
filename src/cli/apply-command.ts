/** `mvctl apply`: runs a playbook on a node, rehearses it, or goes on with a run that was left. */
import { Command, Option } from 'commander';
import { EXIT } from '../engine/exit-codes.ts';
import type { ReportPrediction } from '../engine/generated/report.ts';
import type { Plan } from '../engine/index.ts';
import { isPlanFile, loadSavedPlan, type SavedPlan } from './apply-plan-file.ts';
import { CommandError } from './command-error.ts';
import type { CliIo } from './io.ts';
import { loadPlan } from './load-playbook.ts';
import { nameValue, type Values } from './name-value.ts';
import { type OpenNode, openNode } from './open-node.ts';
import { expectTargets, type OutputTarget, outputOption } from './output-option.ts';
import { resume } from './resume-command.ts';
import { runLines } from './run-lines.ts';
import { baselineOf, finish, runSession } from './run-session.ts';
import { stateDirOption } from './state-dir-option.ts';
import { wholeNumber } from './whole-number.ts';

interface ApplyFlags {
  readonly dryRun?: boolean;
  readonly resume?: boolean;
  readonly output?: readonly OutputTarget[];
  readonly clock?: 'virtual' | 'realtime';
  readonly seed?: number;
  readonly var?: Values;
  readonly disk?: Values;
  readonly stateDir: string;
  readonly compare?: string;
}

const EXAMPLES = `
Examples:
  mvctl apply playbooks/online-os-upgrade.yaml --dry-run
  mvctl apply playbooks/online-os-upgrade.yaml --output pretty --output json=reports/online.json
  mvctl apply playbooks/online-os-upgrade.yaml --var soakFor=1m --state-dir /var/lib/mvctl/web1
  mvctl apply reports/plan.json
  mvctl apply --resume

Exit codes:
${Object.values(EXIT)
  .toSorted((a, b) => a.code - b.code)
  .map(({ code, means }) => `  ${String(code).padStart(3)}  ${means}`)
  .join('\n')}`;

export function applyCommand(io: CliIo, open: OpenNode = openNode): Command {
  return new Command('apply')
    .argument('[playbook]', 'playbook file, or a plan of mvctl plan; none with --resume')
    .option('--dry-run', 'run it on a model of the node, and predict what it takes: no node, no change')
    .addOption(
      new Option('--resume', 'go on with the run that was left on the node, as mvctl resume does').conflicts([
        'dryRun',
        'clock',
        'seed',
        'var',
        'disk',
      ]),
    )
    .addOption(outputOption())
    .addOption(new Option('--clock <clock>', 'clock of a new node, else virtual').choices(['virtual', 'realtime']))
    .option('--seed <number>', 'moves every random choice of a new node, else 1', wholeNumber('--seed'))
    .option('--var <name=value>', 'value of a variable; repeatable', nameValue)
    .option('--disk <name=image>', 'another image for a disk of a new node; repeatable', nameValue)
    .addOption(stateDirOption())
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
  if (playbook === undefined) return resume(flags, io, open);
  const { stateDir, clock, seed, disk = {}, output, compare } = flags;
  if (flags.var && isPlanFile(playbook)) {
    throw new CommandError(EXIT.usage.code, '--var: a saved plan has its values already');
  }
  const { plan, run }: SavedPlan = isPlanFile(playbook)
    ? await loadSavedPlan(playbook, stateDir, io)
    : unsaved(await loadPlan(playbook, flags.var ?? {}, io));
  if (flags.dryRun) return rehearse(plan, flags, io);
  await runSession(
    {
      stateDir,
      output,
      compare,
      openNode: () => open({ stateDir, clock, seed, disks: disk, node: plan.node }, io),
      run: (options) => run({ ...options, predict: predictFor(stateDir, io) }),
    },
    io,
  );
}

const unsaved = (plan: Plan): SavedPlan => ({
  plan,
  run: async (options) => (await import('../engine/run/run-plan.ts')).runPlan(plan, options),
});

/** A run on the model, with the prediction that thousands of them give. */
async function rehearse(plan: Plan, flags: ApplyFlags, io: CliIo): Promise<void> {
  expectTargets(flags.output);
  const baseline = await baselineOf(flags.compare);
  const { dryRun } = await import('../engine/run/dry-run.ts');
  const { usualTiming } = await import('../engine/simulate/predict.ts');
  const report = await dryRun(plan, runLines(io), usualTiming(plan, flags.stateDir));
  const predicted = await predictFor(flags.stateDir, io)(plan);
  await finish({ ...report, predicted }, baseline, flags.output, io);
}

const predictFor =
  (stateDir: string, io: CliIo) =>
  async (plan: Plan): Promise<ReportPrediction> =>
    (await import('../engine/simulate/predict.ts')).predict(plan, stateDir, io.wallNow());
