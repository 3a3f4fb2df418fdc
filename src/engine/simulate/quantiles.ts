/** What a pile of numbers is like. */

export interface Quantiles {
  readonly p10: number;
  readonly p50: number;
  readonly p90: number;
  readonly p99: number;
}

/** The value that a share `q` of the numbers does not exceed, between the two next to it. Sorted numbers. */
export function quantile(sorted: readonly number[], q: number): number {
  const at = q * (sorted.length - 1);
  const below = sorted[Math.floor(at)] ?? 0;
  const above = sorted[Math.ceil(at)] ?? below;
  return below + (above - below) * (at - Math.floor(at));
}

export function quantiles(numbers: readonly number[]): Quantiles {
  const sorted = numbers.toSorted((a, b) => a - b);
  const round = (q: number): number => Math.round(quantile(sorted, q) * 1e3) / 1e3;
  return { p10: round(0.1), p50: round(0.5), p90: round(0.9), p99: round(0.99) };
}
