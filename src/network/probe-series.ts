/** The slots of a probe in bins of equal width: what a picture of an interval needs, bounded however long it was. */
import { NS_PER_MS } from './clock.ts';
import { nearestRank } from './latency.ts';
import type { ProbeLog } from './probe-log.ts';

/** One entry a bin in each column. */
export interface ProbeSeries {
  /** Beginning of the first bin. */
  readonly fromNs: number;
  /** A whole number of probe intervals. */
  readonly binNs: number;
  readonly requests: readonly number[];
  readonly failed: readonly number[];
  /** Of correct answers, nearest rank; null where a bin has none. */
  readonly p50Ms: readonly (number | null)[];
  readonly maxMs: readonly (number | null)[];
}

const BINS_MAX = 1_000;

/** The slots that began in [fromNs, toNs). */
export function probeSeries(log: ProbeLog, fromNs: number, toNs: number): ProbeSeries {
  const { intervalNs } = log.schedule;
  const first = log.indexAt(fromNs);
  const end = log.indexAt(toNs);
  const beginNs = first < end ? log.at(first).atNs : fromNs;
  const slots = first < end ? (log.at(end - 1).atNs - beginNs) / intervalNs + 1 : 0;
  const binNs = Math.max(1, Math.ceil(slots / BINS_MAX)) * intervalNs;
  const bins = Math.ceil((slots * intervalNs) / binNs);
  const latenciesNs: number[][] = Array.from({ length: bins }, () => []);
  const failed: number[] = new Array(bins).fill(0);
  for (let index = first; index < end; index++) {
    const { atNs, outcome, latencyNs } = log.at(index);
    const bin = Math.floor((atNs - beginNs) / binNs);
    if (outcome === 'ok') latenciesNs[bin]!.push(latencyNs);
    else failed[bin]! += 1;
  }
  const ofBin = (percent: number): readonly (number | null)[] =>
    latenciesNs.map((bin) => (bin.length === 0 ? null : nearestRank(bin, percent) / NS_PER_MS));
  for (const bin of latenciesNs) bin.sort((a, b) => a - b);
  return {
    fromNs: beginNs,
    binNs,
    requests: latenciesNs.map((bin, index) => bin.length + failed[index]!),
    failed,
    p50Ms: ofBin(50),
    maxMs: ofBin(100),
  };
}
