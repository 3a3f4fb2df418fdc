/** Predictions and their scores for a terminal. */
import { figureTable } from '../report/figure-table.ts';
import { paint } from '../report/paint.ts';
import { formatMs } from '../values/duration.ts';
import type { Backtest, SplitScore, Splits } from './backtest.ts';
import type { Quantiles } from './quantiles.ts';
import type { Simulation } from './simulate.ts';
import { RUNS_MIN } from './step-model.ts';

export interface RenderOptions {
  readonly color: boolean;
}

export function renderSimulation(simulation: Simulation, { color }: RenderOptions): string {
  const colors = paint(color);
  const { plan, runs, outcomes, nodeMs, downtimeMs, neverDownIn, phases, budgets, windows } = simulation;
  const ways = Object.entries(outcomes).map(([outcome, share]) => `${outcome} ${percent(share)}`);
  const rows = [
    ['phase', 'took p50', 'p90', 'p99', 'down p50', 'p90', 'p99'],
    ...phases.map(({ id, nodeMs: took, downtimeMs: down }) => [id, ...cells(took), ...cells(down)]),
    ['in all', ...cells(nodeMs), ...cells(downtimeMs)],
  ];
  const [head, ...body] = table(rows);
  return `${[
    `${colors.strong(plan.name)} ${runs} simulated runs: ${ways.join(', ')}`,
    ...basisLines(simulation).map((line) => colors.dim(line)),
    '',
    colors.dim(head ?? ''),
    ...body,
    '',
    `p10 to p90: ${formatMs(nodeMs.p10)} to ${formatMs(nodeMs.p90)} in all, down for ${formatMs(downtimeMs.p10)} to ${formatMs(downtimeMs.p90)}`,
    ...(neverDownIn ? [neverDownLine(neverDownIn)] : []),
    ...budgets.map(
      ({ of, limitMs, chance }) =>
        `the downtime budget of ${of} (${formatMs(limitMs)}) is spent in ${percent(chance)} of the runs`,
    ),
    ...windows.map(
      ({ phase, chance }) => `the window of ${phase} is closed when it is its turn in ${percent(chance)} of the runs`,
    ),
  ].join('\n')}\n`;
}

/** The largest share of runs with downtime of which `runs` without any are not less likely than one in twenty. */
function neverDownLine(runs: number): string {
  const share = 1 - 0.05 ** (1 / runs);
  return `never down in ${runs} earlier ${runs === 1 ? 'run' : 'runs'}: that leaves up to ${percent(share)} of runs that are (95 % confidence)`;
}

const cells = ({ p50, p90, p99 }: Quantiles): readonly string[] => [p50, p90, p99].map((ms) => formatMs(ms));

const percent = (share: number): string => {
  const text = (share * 100).toFixed(share > 0 && share < 0.1 ? 1 : 0);
  return `${text} %`;
};

/** Where the figures come from: what was measured is not mixed with what was guessed. */
function basisLines({ pastRuns, steps }: Simulation): readonly string[] {
  const timed = steps.filter(({ meanMs }) => meanMs > 0);
  const count = (basis: string): number => timed.filter((step) => step.basis === basis).length;
  const parts = [
    [count('measured'), 'as measured here'],
    [count('like steps'), 'like other steps of their kind here'],
    [count('expected'), 'as the playbook expects'],
    [count('guessed'), 'guessed'],
  ] as const;
  const told = parts.filter(([number]) => number > 0).map(([number, words]) => `${number} ${words}`);
  const from =
    pastRuns === 0
      ? 'no earlier run of this playbook: durations are priors, nothing was measured'
      : `from ${pastRuns} earlier ${pastRuns === 1 ? 'run' : 'runs'} of it${pastRuns < RUNS_MIN ? `; spreads are guessed until there are ${RUNS_MIN}` : ''}`;
  return [from, `steps: ${told.join(', ')}`];
}

const table = (rows: readonly (readonly string[])[]): readonly string[] =>
  figureTable(rows.map(([what = '', ...figures]) => [`${what}  `, ...figures]));

export function renderBacktest({ playbook, trained, scores, expected }: Backtest, { color }: RenderOptions): string {
  const colors = paint(color);
  const rows = [
    ['', 'in p10..p90', 'below', 'above', 'p10', 'p90', 'width', 'loss'],
    ...scores.map(({ what, of, inBand, below, above, band, lossMs, isConstant }) => [
      what,
      `${inBand} of ${of}${isConstant ? ' (constant)' : ''}`,
      String(below),
      String(above),
      formatMs(band.p10),
      formatMs(band.p90),
      formatMs(band.p90 - band.p10),
      formatMs(lossMs),
    ]),
  ];
  const [head, ...body] = table(rows);
  const predicted = scores[0]?.of ?? 0;
  return `${[
    `${colors.strong(playbook)} predicted from ${trained} runs, compared with ${predicted} further ones`,
    colors.dim(
      `80 % should be in the band; of ${predicted} runs that share one from ${trained} that is ${expected.from} to ${expected.to} in 95 of 100 cases`,
    ),
    '',
    colors.dim(head ?? ''),
    ...body,
  ].join('\n')}\n`;
}

export function renderSplits(all: Splits): string {
  const { splits, trained, tested, duration, phases, downtime, enough, enoughShare, enoughExpected } = all;
  const told = (what: string, { of, inBand, width, lossMs }: SplitScore): string =>
    of === 0
      ? `  ${what}: nothing varies`
      : `  ${what}: ${percent(inBand / of)} in the band; it is ${percent(width)} of the median wide, loss ${formatMs(lossMs)}`;
  const expected =
    trained < 2
      ? ''
      : ` (${percent(enoughExpected)} where nothing is known but ${trained} runs of a normal population)`;
  return `${[
    `${splits} random choices of the ${trained} runs that predict the other ${tested}; 80 % should be in the band:`,
    told('times of a run', duration),
    told('times of phases', phases),
    told('downtimes', downtime),
    `  ${enough.from} to ${enough.to} of ${tested} times of a run in the band: in ${percent(enoughShare)} of the choices${expected}`,
  ].join('\n')}\n`;
}
