/** Quantiles of latencies, nearest rank. */
import { NS_PER_MS } from './clock.ts';

export interface LatencyMs {
  readonly p50: number;
  readonly p99: number;
  readonly max: number;
}

/** Null when there is none. */
export function latencyMsOf(latenciesNs: readonly number[]): LatencyMs | null {
  if (latenciesNs.length === 0) return null;
  const sorted = latenciesNs.toSorted((a, b) => a - b);
  const rank = (percent: number): number => nearestRank(sorted, percent) / NS_PER_MS;
  return { p50: rank(50), p99: rank(99), max: rank(100) };
}

/** Of numbers in ascending order; 0 when there is none. */
export function nearestRank(sorted: readonly number[], percent: number): number {
  return sorted[Math.max(0, Math.ceil((percent / 100) * sorted.length) - 1)] ?? 0;
}
