/** What is known of the time of a step, from earlier runs, from steps of its kind, or from the step table. */
import type { ModelTiming } from '../model/model-node.ts';
import type { ActRequest } from '../node-port.ts';
import type { PlannedStep } from '../plan/plan.ts';
import { stepKind } from '../steps/table.ts';
import type { Observation, PastRun } from './history.ts';

/** From what a duration is known, best first. */
export type Basis = 'measured' | 'like steps' | 'expected' | 'guessed';

export interface StepModel {
  readonly basis: Basis;
  /** Runs, or steps, that it was seen in. */
  readonly seen: number;
  readonly meanMs: number;
  /** Where it was measured: how far from the mean, by run of the history; 0 where it was not done. */
  readonly residuals: readonly number[];
  /** Standard deviation that is to be expected beside that of the residuals. */
  readonly unseenMs: number;
  /** Of the logarithm, where it was not measured; 0 where it was. */
  readonly spread: number;
  /** Share of attempts that failed, and the code of the last one. */
  readonly failureRate: number;
  readonly failureCode: string;
}

/** What it all comes from. */
export interface Known {
  /** Runs of this playbook that went well. */
  readonly runs: readonly PastRun[];
  /** All runs of it. */
  readonly own: readonly PastRun[];
  /** Of all runs of all playbooks. */
  readonly all: readonly Observation[];
  readonly prior: (request: ActRequest) => ModelTiming;
}

/** Runs from which a spread can be told. */
export const RUNS_MIN = 3;
/** Standard deviation of the logarithm of a duration of which nothing was measured. */
const SPREAD_GUESSED = 0.5;
/** While the spread cannot be told from the runs, that of a step is at least this share of its time. */
const SPREAD_UNTOLD = 0.02;
/** The spread in the step table counts as much as so many squares of residuals: as five runs. */
const PRIOR_DEGREES = 4;
/** Where the step table says nothing. */
const SPREAD_OF_A_KIND = 0.001;
/** Spread of what the engine does on its own account, as in the step table. */
export const ENGINE_WORK: ReadonlyMap<string, number> = new Map([
  ['boot', SPREAD_OF_A_KIND],
  ['begin', 0.05],
  ['end', SPREAD_OF_A_KIND],
]);
/** What takes no time of the node takes none here either. */
const UNTIMED: ReadonlySet<string> = new Set(['assert', 'set', 'pause']);

export function stepModel({ id, uses, phase, expectedMs }: PlannedStep, known: Known): StepModel {
  const attempts = known.own.flatMap(({ observations }) =>
    observations.filter((one) => one.id === id && !one.isEngine),
  );
  const failures = attempts.filter(({ failed }) => failed !== null);
  return {
    ...timeModel({ id, uses, key: `x/${phase}/${id}/1`, spread: stepKind(uses).prior.spread, expectedMs }, known),
    failureRate: attempts.length === 0 ? 0 : failures.length / attempts.length,
    failureCode: failures.at(-1)?.failed ?? '',
  };
}

export function engineModel(id: string, known: Known): StepModel {
  const timed = { id, uses: id, key: `x/${id}`, spread: ENGINE_WORK.get(id), expectedMs: null };
  return { ...timeModel(timed, known), failureRate: 0, failureCode: '' };
}

interface Timed {
  readonly id: string;
  readonly uses: string;
  readonly key: string;
  readonly spread: number | undefined;
  readonly expectedMs: number | null;
}

function timeModel(
  { id, uses, key, spread, expectedMs }: Timed,
  { runs, all, prior }: Known,
): Omit<StepModel, 'failureRate' | 'failureCode'> {
  const perRun = runs.map(({ observations }) => doneMs(observations, id, uses));
  const measured = perRun.filter((ms) => ms !== undefined);
  if (measured.length > 0) {
    const spreadOf = spread ?? SPREAD_OF_A_KIND;
    return { basis: 'measured', seen: measured.length, spread: 0, ...measuredModel(perRun, spreadOf) };
  }
  const none = { residuals: [], unseenMs: 0, spread: SPREAD_GUESSED };
  const like = UNTIMED.has(uses) ? [] : all.filter((one) => one.uses === uses && one.failed === null);
  if (like.length > 0) {
    return { basis: 'like steps', seen: like.length, meanMs: mean(like.map(({ ms }) => ms)), ...none };
  }
  const { ms: meanMs } = prior({ primitive: 'run.begin', args: {}, key, epoch: 1 });
  return { basis: expectedMs === null ? 'guessed' : 'expected', seen: 0, meanMs, ...none };
}

/**
 * A few runs that happen to be alike do not prove that all are: where they vary less than steps of the kind do, the
 * variance is a mean of both, weighed by how much each is known (a scaled inverse chi-squared prior). Where they vary
 * more, they are right.
 */
function measuredModel(
  perRun: readonly (number | undefined)[],
  spread: number,
): Pick<StepModel, 'meanMs' | 'residuals' | 'unseenMs'> {
  const measured = perRun.filter((ms) => ms !== undefined);
  const [n, count] = [perRun.length, measured.length];
  const meanMs = mean(measured);
  const distances = perRun.map((ms) => (ms === undefined ? 0 : ms - meanMs));
  const squares = distances.reduce((sum, ms) => sum + ms * ms, 0);
  const variance = count > 1 ? squares / (count - 1) : 0;
  const kindMs = meanMs * (count < RUNS_MIN ? Math.max(spread, SPREAD_UNTOLD) : spread);
  const mixed = (PRIOR_DEGREES * kindMs ** 2 + squares) / (PRIOR_DEGREES + Math.max(0, count - 1));
  // A step that was not done in each run is drawn as if it had been: its residuals are fewer and its mean is less known.
  const lessKnown = Math.sqrt((1 + 1 / count) / (1 + 1 / n));
  const fewer = count > 1 ? Math.sqrt((n - 1) / (count - 1)) : 0;
  return {
    meanMs,
    residuals: distances.map((ms) => ms * fewer * lessKnown),
    unseenMs: variance < kindMs ** 2 ? Math.sqrt(mixed - variance) * lessKnown : 0,
  };
}

/** Of the attempt that was done, in a run in which it was. */
function doneMs(observations: readonly Observation[], id: string, uses: string): number | undefined {
  return observations.find((one) => one.id === id && one.uses === uses && one.failed === null)?.ms;
}

export const mean = (numbers: readonly number[]): number =>
  numbers.length === 0 ? 0 : numbers.reduce((sum, number) => sum + number, 0) / numbers.length;
