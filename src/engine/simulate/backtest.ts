/** Scores the predictor: how often runs fell into the band that earlier ones predicted for them. */
import type { Plan } from '../plan/plan.ts';
import type { PastRun } from './history.ts';
import type { Quantiles } from './quantiles.ts';
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
  readonly expected: { readonly from: number; readonly to: number };
}

/** What p10 to p90 promises. */
export const COVERAGE = 0.8;
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
        'duration',
        nodeMs,
        figures(({ report }) => report.run.nodeMs),
      ),
      score(
        'downtime',
        downtimeMs,
        figures(({ report }) => report.service?.downtimeMs),
      ),
      ...phases.flatMap(({ id, nodeMs: took, downtimeMs: down }) => [
        score(
          `duration of ${id}`,
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
    expected: binomialBand(tested.length, COVERAGE),
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

/** The narrowest middle of a binomial distribution that holds 95 % of it. */
export function binomialBand(n: number, p: number): { readonly from: number; readonly to: number } {
  const chances = Array.from({ length: n + 1 }, (_, k) => binomial(n, k) * p ** k * (1 - p) ** (n - k));
  let from = chances.indexOf(Math.max(...chances));
  let to = from;
  for (let sum = chances[from] ?? 1; sum < 0.95 && (from > 0 || to < n); ) {
    const down = from > 0 ? chances[from - 1]! : -1;
    const up = to < n ? chances[to + 1]! : -1;
    if (down >= up) from -= 1;
    else to += 1;
    sum += Math.max(down, up);
  }
  return { from, to };
}

function binomial(n: number, k: number): number {
  let result = 1;
  for (let i = 1; i <= k; i++) result = (result * (n - k + i)) / i;
  return result;
}
