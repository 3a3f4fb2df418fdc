/**
 * Applies a playbook to a new emulated node for each of several seeds, then scores the predictor on these runs.
 *
 *   node tools/seeds.ts [playbooks/online-os-upgrade.yaml] [--seeds 15] [--first 1] [--train 5] [--splits 300] [--jobs 1] [--keep FOLDER]
 *
 * The seeds are `--first` and those after it. A seed moves the prober's phase, the clients of `service.load` and the node's
 * entropy. Prints what clients of every kind saw, then, where there are more than `--train` runs, `mvctl simulate
 * --backtest`: the first `--train` runs predict the others; how right it is over `--splits` random choices of those that
 * predict; and where each run in turn is the first of them. `--keep` names a folder for the runs; those that are there
 * already are not done again. Exit code 1 where a run did not succeed or a client saw a failure.
 */
import { spawn } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { EXIT } from '../src/engine/exit-codes.ts';
import type { Report } from '../src/engine/index.ts';
import type { Backtest, Score } from '../src/engine/simulate/backtest.ts';
import { formatMs } from '../src/engine/values/duration.ts';

/** Simulated runs of a prediction, as many as an apply makes: each of the choices has them anew. */
const SPLIT_RUNS = '400';
const MAIN = join(import.meta.dirname, '..', 'src/cli/main.ts');

interface Seeded {
  readonly seed: number;
  readonly stateDir: string;
  readonly report: Report;
}

function mvctl(args: readonly string[]): Promise<{ readonly status: number | null; readonly said: string }> {
  const child = spawn(process.execPath, [MAIN, ...args], { stdio: ['ignore', 'pipe', 'pipe'] });
  let said = '';
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk) => (said += chunk));
  return new Promise((resolve) => child.once('close', (status) => resolve({ status, said })));
}

async function applied(playbook: string, folder: string, seed: number): Promise<Seeded> {
  const stateDir = join(folder, `seed-${seed}`);
  const file = join(folder, `seed-${seed}.json`);
  if (!existsSync(file)) {
    rmSync(stateDir, { recursive: true, force: true });
    const args = ['apply', playbook, '--seed', `${seed}`, '--state-dir', stateDir, '--output', `json=${file}`];
    const { status, said } = await mvctl(args);
    await mvctl(['node', 'down', '--state-dir', stateDir]);
    if (status !== EXIT.ok.code)
      throw new Error(`seed ${seed}: expected exit code ${EXIT.ok.code}, found ${status}\n${said}`);
  }
  return { seed, stateDir, report: JSON.parse(readFileSync(file, 'utf8')) as Report };
}

const HEADER = `| seed | node time | downtime | longest gap | failed: prober | short | kept | downloads |
| ---: | ---: | ---: | ---: | --- | --- | --- | --- |`;

interface Requests {
  readonly failed: number;
  readonly requests: number;
}

/** Those of the prober, and of each kind of `service.load`. */
const clientsOf = ({ service }: Report): readonly (Requests | undefined)[] => [
  service ?? undefined,
  service?.load?.short,
  service?.load?.keepAlive,
  service?.load?.download,
];

function row({ seed, report }: Seeded): string {
  const { run, service } = report;
  const failed = clientsOf(report).map((of) => (of ? `${of.failed} of ${of.requests}` : '–'));
  const gap = service?.longestGapMs == null ? '–' : `${service.longestGapMs.toFixed(1)} ms`;
  return `| ${[seed, formatMs(run.nodeMs), `${service?.downtimeMs ?? '–'} ms`, gap, ...failed].join(' | ')} |`;
}

/** The first of the folders predict the others. */
function backtestOf([first = '', ...others]: readonly string[], ...more: readonly string[]): readonly string[] {
  const history = others.length > 0 ? ['--history', ...others] : [];
  const { train } = values;
  return ['simulate', playbook, '--backtest', '--train', train, '--state-dir', first, ...history, ...more];
}

/** One choice of the runs that predict says little about a predictor; here each run in turn is the first of them. */
async function everyBacktest(folders: readonly string[]): Promise<string> {
  const scores: Score[] = [];
  for (const index of folders.keys()) {
    const turned = [...folders.slice(index), ...folders.slice(0, index)];
    scores.push(...(JSON.parse((await mvctl(backtestOf(turned, '--output', 'json'))).said) as Backtest).scores);
  }
  const share = (which: (score: Score) => boolean): string => {
    const chosen = scores.filter((score) => which(score) && !score.isConstant);
    const inBand = chosen.reduce((sum, score) => sum + score.inBand, 0);
    const of = chosen.reduce((sum, score) => sum + score.of, 0);
    return `${inBand} of ${of}${of === 0 ? '' : ` (${Math.round((100 * inBand) / of)} %)`}`;
  };
  const run = share(({ what }) => what === 'duration');
  const phases = share(({ what }) => what.startsWith('duration of '));
  return `each run in turn the first of those that predict: in the band ${run} times of a run, ${phases} of phases`;
}

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    seeds: { type: 'string', default: '15' },
    first: { type: 'string', default: '1' },
    splits: { type: 'string', default: '300' },
    train: { type: 'string', default: '5' },
    jobs: { type: 'string', default: '1' },
    keep: { type: 'string' },
  },
});
const [playbook = 'playbooks/online-os-upgrade.yaml'] = positionals;
const folder = values.keep ?? mkdtempSync(join(tmpdir(), 'mvctl-seeds-'));
mkdirSync(folder, { recursive: true });

const runs: Seeded[] = [];
const waiting = Array.from({ length: Number(values.seeds) }, (_, index) => Number(values.first) + index);
console.log(HEADER);
try {
  const worker = async (): Promise<void> => {
    for (let seed = waiting.shift(); seed !== undefined; seed = waiting.shift()) {
      const run = await applied(playbook, folder, seed);
      runs.push(run);
      console.log(row(run));
    }
  };
  await Promise.all(Array.from({ length: Number(values.jobs) }, worker));
  runs.sort((one, other) => one.seed - other.seed);
  const folders = runs.map(({ stateDir }) => stateDir);
  if (folders.length === 0) throw new Error(`--seeds: expected 1 or more, found ${values.seeds}`);
  if (folders.length > Number(values.train)) {
    console.log(`\n${(await mvctl(backtestOf(folders, '--splits', values.splits, '--runs', SPLIT_RUNS))).said}`);
    console.log(await everyBacktest(folders));
  }
  const hurt = runs.filter(({ report }) => clientsOf(report).some((of) => of !== undefined && of.failed > 0));
  if (hurt.length > 0) process.exitCode = 1;
} finally {
  if (values.keep === undefined) rmSync(folder, { recursive: true, force: true });
}
