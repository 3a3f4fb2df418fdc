/** What a campaign came to, as tables. */
import { EXIT } from '../../src/engine/index.ts';
import { isGood, type RunResult } from './one-run.ts';

/** Where a fault hit the service: each has a downtime of its own kind. */
const HITS = [
  'the serving OS was not killed',
  'the serving OS was killed, the other one was up',
  // It has to boot, or to wait for the end of the boot of the other one.
  'the serving OS was killed, no other one was up',
  'the node lost its power: from power-on',
  'the disk or the network of the service failed',
] as const;
type Hit = (typeof HITS)[number];

/** What a campaign is asked for, and what it tries beyond that. */
const ASKED = 'panic, power-off, end of mvctl';
const BEYOND = 'other faults, and two at once';
const SETS = [ASKED, BEYOND] as const;
const ASKED_FAULT = /^(?:(?:panic|power-off) (?:old|new)|kill mvctl|mvctl ends at a record)$/;

const setOf = ({ fault }: RunResult): (typeof SETS)[number] => (ASKED_FAULT.test(fault) ? ASKED : BEYOND);

/** The copy is there, and cannot serve yet; the old OS is there, and is being shut down. */
const ONE_OS_PHASES: ReadonlySet<string> = new Set(['upgrade', 'retire', 'reclaim', 'devirtualize']);

function hitOf({ happened, rebootMs }: RunResult): Hit {
  if (rebootMs !== null) return HITS[3];
  if (happened.some(({ fault }) => /I\/O|full|network/.test(fault))) return HITS[4];
  const killed = happened.filter(({ fault, holder, up }) => {
    const [, victim] = /^(?:panic|power-off|hang) (old|new)$/.exec(fault) ?? [];
    // While the disk changes hands it is on its way to the one guest as to the other.
    return victim !== undefined && up.includes(victim) && (holder === victim || holder === 'nobody');
  });
  if (killed.length === 0) return HITS[0];
  return killed.every(({ up, phase }) => up.length === 2 && !ONE_OS_PHASES.has(phase)) ? HITS[1] : HITS[2];
}

const MEANS = Object.fromEntries(Object.values(EXIT).map(({ code, means }) => [code, means]));

export function summarize(results: readonly RunResult[]): string {
  const lines: string[] = [];
  const acknowledged = results.reduce((sum, each) => sum + each.acknowledged, 0);
  const lost = results.reduce((sum, each) => sum + each.lost.length, 0);
  const bad = results.filter((each) => !isGood(each));
  lines.push(
    `${results.length} runs, ${acknowledged} records acknowledged, ${lost} lost, ${bad.length} runs without a safe end`,
    '',
  );
  lines.push(
    '| fault | runs | did not come to pass | done (0) | taken back (20) | failed-safe (28) | other | mvctl started again |',
    '| --- | --- | --- | --- | --- | --- | --- | --- |',
  );
  for (const [fault, runs] of grouped(results, ({ fault }) => fault)) {
    const ended = (...codes: readonly (number | null)[]): number =>
      runs.filter(({ exitCode }) => codes.includes(exitCode)).length;
    const idle = runs.filter((run) => run.happened.length === 0 && run.resumes === 0 && run.exitCode === 0).length;
    const [done, back, safe] = [ended(EXIT.ok.code), ended(EXIT.rolledBack.code), ended(EXIT.failedSafe.code)];
    const again = runs.reduce((sum, { resumes }) => sum + resumes, 0);
    lines.push(
      `| ${fault} | ${runs.length} | ${idle} | ${done} | ${back} | ${safe} | ${runs.length - done - back - safe} | ${again} |`,
    );
  }
  lines.push(
    '',
    '| faults | downtime in ms, where | runs | p50 | p90 | p99 | max |',
    '| --- | --- | --- | --- | --- | --- | --- |',
  );
  for (const set of SETS) {
    const runs = results.filter((run) => setOf(run) === set);
    for (const hit of HITS) {
      const some = runs.filter((run) => hitOf(run) === hit);
      lines.push(...downtimeRow(set, hit, some));
    }
    const others = runs.filter((run) => hitOf(run) !== HITS[2]);
    lines.push(
      ...downtimeRow(set, 'all but those in which no other one was up', others),
      ...downtimeRow(set, 'all', runs),
    );
  }
  for (const run of bad) {
    lines.push(
      '',
      `run ${run.run} (${run.fault}): exit ${run.exitCode} (${MEANS[run.exitCode ?? -1] ?? 'killed'}), lost: ${run.lost.join(', ') || 'none'}`,
    );
  }
  return lines.join('\n');
}

/** None where there are no runs. */
function downtimeRow(set: string, where: string, runs: readonly RunResult[]): readonly string[] {
  const values = runs.flatMap((run) => run.rebootMs ?? run.downtimeMs ?? []).toSorted((a, b) => a - b);
  if (values.length === 0) return [];
  const ranks = [50, 90, 99, 100].map((percent) => rank(values, percent));
  return [`| ${[set, where, runs.length, ...ranks].join(' | ')} |`];
}

/** Nearest rank. */
const rank = (sorted: readonly number[], percent: number): string =>
  sorted[Math.max(0, Math.ceil((percent / 100) * sorted.length) - 1)]!.toFixed(0);

function grouped<Item>(items: readonly Item[], keyOf: (item: Item) => string): [string, Item[]][] {
  const groups = new Map<string, Item[]>();
  for (const item of items) groups.set(keyOf(item), [...(groups.get(keyOf(item)) ?? []), item]);
  return [...groups].toSorted(([, a], [, b]) => b.length - a.length);
}

/** A line a run, for who watches. */
export function tellRun(result: RunResult): string {
  const { run, fault, happened, exitCode, resumes, downtimeMs, rebootMs, acknowledged, lost, safe, wallS } = result;
  const where = happened.map(({ atMs, phase, step }) => `at ${atMs.toFixed(3)} ms in ${phase} (${step})`).join(' and ');
  const down = rebootMs === null ? `${downtimeMs} ms down` : `up again after ${rebootMs.toFixed(0)} ms`;
  const records = lost.length === 0 ? 'none lost' : `LOST ${lost.join(', ')}`;
  return `${isGood(result) ? 'ok  ' : 'BAD '} run ${run}: ${fault} ${where || 'between records'}: exit ${exitCode} after ${resumes} resumes, ${safe ? '' : 'NOT SAFE, '}${down}, ${acknowledged} acknowledged, ${records}; ${wallS} s`;
}
