/**
 * The whole main job as a user runs it: `mvctl apply` of the online upgrade on a fresh node, with the translator and without,
 * in turn. Wall time, CPU seconds of the node's process, and whether the reports are the same but for the wall clock.
 *
 *   node bench/main-job.ts [--rounds 1] [--playbook playbooks/online-os-upgrade.yaml]
 */
import { spawnSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { describeComputer } from './engines/computer.ts';
import { processCpuSeconds } from './engines/cpu-clock.ts';
import { median, table } from './engines/table.ts';
import { temporaryFolder } from './engines/temporary-folder.ts';

const ROOT = join(import.meta.dirname, '..');
const MVCTL = join(ROOT, 'src/cli/main.ts');
const MODES = ['hot', 'off'] as const;
type Mode = (typeof MODES)[number];
/** What a report says of the wall clock. */
const WALL_FIELDS = ['startedAt', 'wallMs'];

interface Outcome {
  readonly wallSeconds: number;
  readonly cpuSeconds: number;
  /** Without what the wall clock says. */
  readonly report: string;
  readonly phases: ReadonlyMap<string, number>;
}

interface Report {
  readonly phases: readonly { readonly id: string; readonly wallMs: number }[];
}

const { values } = parseArgs({
  options: {
    rounds: { type: 'string', default: '1' },
    playbook: { type: 'string', default: 'playbooks/online-os-upgrade.yaml' },
  },
});
const folder = temporaryFolder();

function mvctl(mode: Mode, args: readonly string[]): void {
  const run = spawnSync(process.execPath, [MVCTL, ...args], {
    cwd: ROOT,
    env: { ...process.env, MVCTL_TRANSLATE: mode },
    stdio: ['ignore', 'ignore', 'pipe'],
    encoding: 'utf8',
  });
  if (run.status !== 0) {
    throw new Error(`mvctl ${args.join(' ')} ended with ${run.signal ?? run.status}:\n${run.stderr}`);
  }
}

/** The process that was started with a folder as its argument. */
function processOf(stateDir: string): number {
  for (const pid of readdirSync('/proc').filter((name) => /^\d+$/.test(name))) {
    try {
      const words = readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0');
      if (words.includes(stateDir)) return Number(pid);
    } catch {
      // It has ended meanwhile.
    }
  }
  throw new Error(`expected the process of a node in ${stateDir}, found none`);
}

function runJob(mode: Mode, round: number): Outcome {
  const stateDir = join(folder, `${mode}-${round}`);
  const reportPath = join(folder, `${mode}-${round}.json`);
  const startedAt = performance.now();
  mvctl(mode, ['apply', values.playbook, '--state-dir', stateDir, '--output', `json=${reportPath}`]);
  const wallSeconds = (performance.now() - startedAt) / 1000;
  const cpuSeconds = processCpuSeconds(processOf(stateDir));
  mvctl(mode, ['node', 'down', '--state-dir', stateDir]);
  const report = JSON.parse(readFileSync(reportPath, 'utf8')) as Report;
  return {
    wallSeconds,
    cpuSeconds,
    report: JSON.stringify(report, (key, value) => (WALL_FIELDS.includes(key) ? undefined : value), 2),
    phases: new Map(report.phases.map(({ id, wallMs }) => [id, wallMs / 1000])),
  };
}

/** The first line in which two texts differ. */
function firstDifference(a: string, b: string): string | undefined {
  if (a === b) return undefined;
  const [left, right] = [a.split('\n'), b.split('\n')];
  const at = left.findIndex((line, index) => line !== right[index]);
  return `line ${at + 1}: ${left[at]?.trim()} and ${right[at]?.trim()}`;
}

const outcomes = new Map<Mode, Outcome[]>(MODES.map((mode) => [mode, []]));
for (let round = 1; round <= Number(values.rounds); round++) {
  for (const mode of MODES) {
    const outcome = runJob(mode, round);
    outcomes.get(mode)?.push(outcome);
    console.log(
      `round ${round}: translate ${mode}, ${outcome.wallSeconds.toFixed(1)} s of wall time, ` +
        `${outcome.cpuSeconds.toFixed(1)} s of CPU`,
    );
  }
}

const middle = (mode: Mode, value: (outcome: Outcome) => number): number =>
  median((outcomes.get(mode) ?? []).map(value));
const ratio = (value: (outcome: Outcome) => number): string =>
  `${(middle('off', value) / middle('hot', value)).toFixed(2)} ×`;
const row = (name: string, value: (outcome: Outcome) => number): readonly string[] => [
  name,
  ...MODES.map((mode) => middle(mode, value).toFixed(1)),
  ratio(value),
];
const phases = [...(outcomes.get('hot')?.[0]?.phases.keys() ?? [])];
console.log(
  `\n${describeComputer()}: node bench/main-job.ts --rounds ${values.rounds} (${values.playbook}, medians)\n`,
);
console.log(
  table(
    ['seconds', 'translator', 'interpreter', 'ratio'],
    [
      row('wall time of mvctl apply', (outcome) => outcome.wallSeconds),
      row('CPU of the process of the node', (outcome) => outcome.cpuSeconds),
      ...phases.map((phase) => row(`wall time of ${phase}`, (outcome) => outcome.phases.get(phase) ?? Number.NaN)),
    ],
  ),
);

const all = [...outcomes.values()].flat();
const difference = all
  .map((outcome) => firstDifference(all[0]!.report, outcome.report))
  .find((line) => line !== undefined);
console.log(
  difference === undefined
    ? `\nThe ${all.length} reports are the same, byte for byte, but for ${WALL_FIELDS.join(' and ')}.`
    : `\nThe reports differ: ${difference}`,
);
if (difference !== undefined) process.exitCode = 1;
