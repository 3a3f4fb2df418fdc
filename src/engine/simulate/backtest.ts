/** Scores the predictor: how often runs fell into the band that earlier ones predicted for them. */
import type { Plan } from '../plan/plan.ts';
import { binomialChances, COVERAGE, type Counts, chancesInBand, likelyCounts } from './expected-score.ts';
import type { PastRun } from './history.ts';
import type { Quantiles } from './quantiles.ts';
import { Random } from './random.ts';
import { simulate } from './simulate.ts';

export interface BacktestOptions {
  /** Runs of one playbook that went well, oldest first. */
  readonly history: readonly PastRun[];
  /** So many of them predict; the others are predicted. */
  readonly train: number;
  readonly runs: number;
  readonly seed: number;
}

export interface Score {
  /** e.g. duration, downtime, duration of boot. */
  readonly what: string;
  /** Predicted runs, and those of them in p10..p90. */
  readonly of: number;
  readonly inBand: number;
  readonly below: number;
  readonly above: number;
  /** Mean pinball loss at p10, p50 and p90, in milliseconds: 0 is perfect. */
  readonly lossMs: number;
  readonly band: Quantiles;
  /** Nothing of it varies: whatever comes out is inside or outside for ever. */
  readonly isConstant: boolean;
}

export interface Backtest {
  readonly playbook: string;
  readonly trained: number;
  readonly scores: readonly Score[];
  /** In 95 of 100 cases a predictor that is right has so many in the band. */
  readonly expected: Counts;
}

/** The scores of many choices of the runs that predict, added up. One choice says little about a predictor. */
export interface Splits {
  readonly splits: number;
  readonly trained: number;
  readonly tested: number;
  readonly duration: SplitScore;
  readonly phases: SplitScore;
  readonly downtime: SplitScore;
  /** Of the times of a run: share of the choices with so many in the band as `enough` says, and what is to be expected. */
  readonly enough: Counts;
  readonly enoughShare: number;
  readonly enoughExpected: number;
}

/** Of what varies. */
export interface SplitScore {
  readonly of: number;
  readonly inBand: number;
  /** Mean width of the band, as a share of its median. */
  readonly width: number;
  /** Mean pinball loss, in milliseconds. */
  readonly lossMs: number;
}

const DURATION = 'duration';
const DOWNTIME = 'downtime';
/** Times are told in microseconds: a difference below is none. */
const TOLERANCE_MS = 0.001;

export async function backtest(plan: Plan, options: BacktestOptions): Promise<Backtest> {
  const { history, train, runs, seed } = options;
  const known = history.slice(0, train);
  const tested = history.slice(train);
  const { nodeMs, downtimeMs, phases } = await simulate(plan, { history: known, runs, seed, startMs: 0 });
  const figures = (of: (run: PastRun) => number | null | undefined): readonly number[] =>
    tested.flatMap((run) => of(run) ?? []);
  const phaseOf = (run: PastRun, id: string) => run.report.phases.find((phase) => phase.id === id);
  return {
    playbook: plan.name,
    trained: known.length,
    scores: [
      score(
        DURATION,
        nodeMs,
        figures(({ report }) => report.run.nodeMs),
      ),
      score(
        DOWNTIME,
        downtimeMs,
        figures(({ report }) => report.service?.downtimeMs),
      ),
      ...phases.flatMap(({ id, nodeMs: took, downtimeMs: down }) => [
        score(
          `${DURATION} of ${id}`,
          took,
          figures((run) => phaseOf(run, id)?.nodeMs),
        ),
        score(
          `downtime in ${id}`,
          down,
          figures((run) => phaseOf(run, id)?.downtimeMs),
        ),
      ]),
    ],
    expected: likelyCounts(chancesInBand(known.length, tested.length)),
  };
}

export interface SplitsOptions extends BacktestOptions {
  readonly splits: number;
}

/** Which runs predict is drawn, so many times. */
export async function backtestSplits(plan: Plan, options: SplitsOptions): Promise<Splits> {
  const { history, train, splits, seed } = options;
  const random = new Random(seed);
  const scores: Score[] = [];
  for (let split = 0; split < splits; split++) {
    const order = history.map((run) => ({ run, at: random.uniform() })).sort((one, other) => one.at - other.at);
    scores.push(...(await backtest(plan, { ...options, history: order.map(({ run }) => run) })).scores);
  }
  const durations = scores.filter(({ what }) => what === DURATION);
  const tested = history.length - train;
  const enough = likelyCounts(binomialChances(tested, COVERAGE));
  const isEnough = (count: number): boolean => count >= enough.from && count <= enough.to;
  return {
    splits,
    trained: train,
    tested,
    duration: splitScore(durations),
    phases: splitScore(scores.filter(({ what }) => what.startsWith(`${DURATION} of `))),
    downtime: splitScore(scores.filter(({ what }) => what === DOWNTIME)),
    enough,
    enoughShare: durations.filter(({ inBand }) => isEnough(inBand)).length / Math.max(1, durations.length),
    enoughExpected: chancesInBand(train, tested).reduce(
      (sum, chance, count) => sum + (isEnough(count) ? chance : 0),
      0,
    ),
  };
}

function splitScore(scores: readonly Score[]): SplitScore {
  const varying = scores.filter(({ isConstant }) => !isConstant);
  const sum = (of: (score: Score) => number): number => varying.reduce((total, one) => total + of(one), 0);
  const count = Math.max(1, varying.length);
  return {
    of: sum(({ of }) => of),
    inBand: sum(({ inBand }) => inBand),
    width: sum(({ band }) => (band.p50 === 0 ? 0 : (band.p90 - band.p10) / band.p50)) / count,
    lossMs: sum(({ lossMs }) => lossMs) / count,
  };
}

function score(what: string, band: Quantiles, measured: readonly number[]): Score {
  const below = measured.filter((ms) => ms < band.p10 - TOLERANCE_MS).length;
  const above = measured.filter((ms) => ms > band.p90 + TOLERANCE_MS).length;
  const losses = measured.flatMap((ms) => [
    pinball(ms, band.p10, 0.1),
    pinball(ms, band.p50, 0.5),
    pinball(ms, band.p90, 0.9),
  ]);
  const lossMs = losses.length === 0 ? 0 : losses.reduce((sum, loss) => sum + loss, 0) / losses.length;
  return {
    what,
    of: measured.length,
    inBand: measured.length - below - above,
    below,
    above,
    lossMs,
    band,
    isConstant: band.p90 - band.p10 < TOLERANCE_MS && new Set(measured).size <= 1,
  };
}

/** Koenker and Bassett: a quantile costs what lies beyond it, weighed by how rarely that should be. */
const pinball = (ms: number, quantileMs: number, q: number): number =>
  ms >= quantileMs ? q * (ms - quantileMs) : (1 - q) * (quantileMs - ms);
