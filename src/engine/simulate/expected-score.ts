/** How many of several further runs a predictor that is right has in its p10..p90. */
import { Random } from './random.ts';

/** What p10 to p90 promises. */
export const COVERAGE = 0.8;
/** What counts as likely. */
const LIKELY = 0.95;
/** Bands that are tried, and the seed of the random numbers that make them. */
const BANDS = 4_000;
const SEED = 1;
/** Widths of a band in standard deviations of the population between which the right one is sought. */
const WIDTH_MAX = 100;
const BISECTIONS = 50;

export interface Counts {
  readonly from: number;
  readonly to: number;
}

/**
 * The chance of 0, 1, 2 … of `tested` runs. They share one band, and a band from few runs is at times much too narrow: the
 * counts vary more than those of a binomial distribution. Here for runs of a normal population and the band of Student's t
 * distribution, of which nothing is known but `trained` runs. Fewer than two say nothing of their spread.
 */
export function chancesInBand(trained: number, tested: number): readonly number[] {
  if (trained < 2) return binomialChances(tested, COVERAGE);
  const random = new Random(SEED);
  const bands = Array.from({ length: BANDS }, () => ({
    center: random.normal() / Math.sqrt(trained),
    deviation: Math.sqrt(random.chiSquare(trained - 1) / (trained - 1)),
  }));
  const coverages = (width: number): readonly number[] =>
    bands.map(({ center, deviation }) => normalCdf(center + width * deviation) - normalCdf(center - width * deviation));
  let [low, high] = [0, WIDTH_MAX];
  for (let step = 0; step < BISECTIONS; step++) {
    const middle = (low + high) / 2;
    if (mean(coverages(middle)) < COVERAGE) low = middle;
    else high = middle;
  }
  const chances = new Array<number>(tested + 1).fill(0);
  for (const coverage of coverages(high)) {
    for (const [count, chance] of binomialChances(tested, coverage).entries()) chances[count]! += chance / BANDS;
  }
  return chances;
}

/** The fewest counts next to each other that have 95 % of the chances. */
export function likelyCounts(chances: readonly number[]): Counts {
  const last = chances.length - 1;
  let from = chances.indexOf(Math.max(...chances));
  let to = from;
  for (let sum = chances[from] ?? 1; sum < LIKELY && (from > 0 || to < last); ) {
    const down = from > 0 ? chances[from - 1]! : -1;
    const up = to < last ? chances[to + 1]! : -1;
    if (down >= up) from -= 1;
    else to += 1;
    sum += Math.max(down, up);
  }
  return { from, to };
}

export function binomialChances(n: number, p: number): readonly number[] {
  const chances: number[] = [];
  let ways = 1;
  for (let k = 0; k <= n; k++) {
    chances.push(ways * p ** k * (1 - p) ** (n - k));
    ways = (ways * (n - k)) / (k + 1);
  }
  return chances;
}

/** Abramowitz and Stegun, 7.1.26: to seven digits. */
function normalCdf(z: number): number {
  const x = Math.abs(z) / Math.SQRT2;
  const t = 1 / (1 + 0.3275911 * x);
  const series = ((((1.061405429 * t - 1.453152027) * t + 1.421413741) * t - 0.284496736) * t + 0.254829592) * t;
  const erf = 1 - series * Math.exp(-x * x);
  return z < 0 ? (1 - erf) / 2 : (1 + erf) / 2;
}

const mean = (numbers: readonly number[]): number => numbers.reduce((sum, number) => sum + number, 0) / numbers.length;
