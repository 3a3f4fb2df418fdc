/** `mvctl simulate`: what a run would take, and what would become of it if something failed; on a model of the node. */
import { statSync } from 'node:fs';
import { Command, Option } from 'commander';
import { EXIT } from '../engine/exit-codes.ts';
import type { Plan } from '../engine/index.ts';
import type { Fate } from '../engine/model/fate.ts';
import type { PastRun } from '../engine/simulate/history.ts';
import { CommandError } from './command-error.ts';
import type { CliIo } from './io.ts';
import { loadPlan } from './load-playbook.ts';
import { nameValue, type Values } from './name-value.ts';
import { runLines } from './run-lines.ts';
import { stateDirOption } from './state-dir-option.ts';
import { wholeNumber } from './whole-number.ts';

interface SimulateFlags {
  readonly var?: Values;
  readonly runs: number;
  readonly seed: number;
  readonly stateDir: string;
  readonly history?: readonly string[];
  readonly start?: number;
  readonly fail?: readonly Failure[];
  readonly backtest?: boolean;
  readonly train: number;
  readonly splits: number;
  readonly output: 'pretty' | 'json';
}

interface Failure {
  readonly step: string;
  readonly fate: Fate;
}

/** They take minutes. */
const RUNS_MAX = 1_000_000;

const FAILURES: { readonly [kind: string]: Fate } = { error: 'fails', timeout: 'times-out', crash: 'crash-after' };

const EXAMPLES = `
Examples:
  mvctl simulate playbooks/online-os-upgrade.yaml
  mvctl simulate playbooks/online-os-upgrade.yaml --fail install --fail createVm=timeout
  mvctl simulate playbooks/online-os-upgrade.yaml --runs 5000 --output json
  mvctl simulate playbooks/online-os-upgrade.yaml --backtest --state-dir .mvctl/node`;

export function simulateCommand(io: CliIo): Command {
  return new Command('simulate')
    .argument('<playbook>', 'playbook file')
    .option('--var <name=value>', 'value of a variable; repeatable', nameValue)
    .option('--runs <number>', 'simulated runs', wholeNumber('--runs', { min: 1, max: RUNS_MAX }), 1_000)
    .option('--seed <number>', 'moves the random numbers', wholeNumber('--seed'), 1)
    .addOption(stateDirOption())
    .option('--history <folder...>', 'state folders of like nodes whose runs count as well')
    .option('--start <time>', 'when the run would begin (ISO 8601), for its windows; now where absent', instant)
    .option(
      '--fail <step[=kind]>',
      `what becomes of a run in which the step fails: ${Object.keys(FAILURES).join(', ')}`,
      failure,
    )
    .option('--backtest', 'score the predictor: predict later runs of the node from the first ones')
    .option('--train <number>', 'runs that --backtest predicts from', wholeNumber('--train'), 5)
    .option('--splits <number>', 'with --backtest: so many random choices of them as well', wholeNumber('--splits'), 0)
    .addOption(
      new Option('-o, --output <format>', 'form of the prediction').choices(['pretty', 'json']).default('pretty'),
    )
    .addHelpText('after', EXAMPLES)
    .action((playbook: string, flags: SimulateFlags) => run(playbook, flags, io));
}

function failure(text: string, previous: readonly Failure[] = []): readonly Failure[] {
  const [step = '', kind = 'error'] = text.split('=');
  const fate = FAILURES[kind];
  if (step === '' || !fate) {
    const kinds = Object.keys(FAILURES).join(', ');
    throw new CommandError(EXIT.usage.code, `--fail: expected STEP or STEP=KIND with one of ${kinds}, found ${text}`);
  }
  return [...previous, { step, fate }];
}

function instant(text: string): number {
  const ms = Date.parse(text);
  if (Number.isNaN(ms)) throw new CommandError(EXIT.usage.code, `--start: expected an ISO 8601 time, found ${text}`);
  return ms;
}

async function run(playbook: string, flags: SimulateFlags, io: CliIo): Promise<void> {
  for (const folder of flags.history ?? []) {
    if (statSync(folder, { throwIfNoEntry: false })?.isDirectory()) continue;
    throw new CommandError(EXIT.usage.code, `--history: there is no folder ${folder}`);
  }
  const plan = await loadPlan(playbook, flags.var ?? {}, io);
  if (flags.fail) return showFailures(plan, flags.fail, flags.output, io);
  const { pastRuns } = await import('../engine/simulate/history.ts');
  const history = pastRuns([flags.stateDir, ...(flags.history ?? [])]);
  if (flags.backtest) return scorePredictor(plan, history, flags, io);
  const { simulate } = await import('../engine/simulate/simulate.ts');
  const { runs, seed } = flags;
  const simulation = await simulate(plan, { history, runs, seed, startMs: flags.start ?? io.wallNow() });
  const { renderSimulation } = await import('../engine/simulate/render-simulation.ts');
  const { plan: _, ...figures } = simulation;
  io.stdout.write(
    flags.output === 'json'
      ? `${JSON.stringify({ playbook: plan.name, ...figures }, null, 2)}\n`
      : renderSimulation(simulation, { color: io.isColor }),
  );
}

async function scorePredictor(plan: Plan, history: readonly PastRun[], flags: SimulateFlags, io: CliIo): Promise<void> {
  const own = history.filter(({ playbook, outcome }) => playbook === plan.name && outcome === 'succeeded');
  const { train, splits, runs, seed, output } = flags;
  if (own.length <= train) {
    const found = `found ${own.length} in ${[flags.stateDir, ...(flags.history ?? [])].join(', ')}`;
    throw new CommandError(EXIT.usage.code, `--backtest: expected more than ${train} runs of ${plan.name}, ${found}`);
  }
  const { backtest, backtestSplits } = await import('../engine/simulate/backtest.ts');
  const { renderBacktest, renderSplits } = await import('../engine/simulate/render-simulation.ts');
  const options = { history: own, train, runs, seed };
  const scored = await backtest(plan, options);
  const all = splits > 0 ? await backtestSplits(plan, { ...options, splits }) : undefined;
  io.stdout.write(
    output === 'json'
      ? `${JSON.stringify({ ...scored, ...(all ? { splits: all } : {}) }, null, 2)}\n`
      : `${renderBacktest(scored, { color: io.isColor })}${all ? `\n${renderSplits(all)}` : ''}`,
  );
}

/** One run, told step by step. */
async function showFailures(
  plan: Plan,
  failures: readonly Failure[],
  output: SimulateFlags['output'],
  io: CliIo,
): Promise<void> {
  const { stepsOf } = await import('../engine/plan/plan.ts');
  const { didYouMean } = await import('../engine/diagnostics/suggest.ts');
  const ids = stepsOf(plan).map(({ id }) => id);
  for (const { step } of failures) {
    if (ids.includes(step)) continue;
    throw new CommandError(EXIT.usage.code, `--fail: the playbook has no step ${step}`, didYouMean(step, ids));
  }
  const { runOnModel } = await import('../engine/run/run-on-model.ts');
  const { priorTiming } = await import('../engine/run/dry-run.ts');
  const { compilePlan } = await import('../engine/statechart/compiled-plan.ts');
  const { describeNode } = await import('../engine/verify/story.ts');
  const crashed = new Set<string>();
  const { outcome, node, crashes } = await runOnModel(compilePlan(plan), {
    timing: priorTiming(plan),
    fateOf: ({ at, isUndo }) => {
      const found = isUndo ? undefined : failures.find(({ step }) => step === at);
      if (!found || (found.fate === 'crash-after' && crashed.has(at))) return undefined;
      crashed.add(at);
      return { fate: found.fate };
    },
    assumesAssertions: true,
    admits: true,
    onProgress: runLines({ stderr: output === 'json' ? io.stderr : io.stdout }),
  });
  if (output === 'json') {
    const told = { playbook: plan.name, outcome, crashes, node: describeNode(node.state) };
    io.stdout.write(`${JSON.stringify(told, null, 2)}\n`);
    return;
  }
  const resumed = crashes > 0 ? ` (mvctl died ${crashes === 1 ? 'once' : `${crashes} times`} and was resumed)` : '';
  io.stdout.write(`${plan.name} ${outcome}${resumed}\nthe node: ${describeNode(node.state)}\n`);
}
