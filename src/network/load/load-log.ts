/** What became of each request of a load, by kind. */
import { type LatencyMs, latencyMsOf } from '../latency.ts';
import type { ProbeOutcome } from '../probe-log.ts';

/**
 * `short`: a request on a connection of its own; `keepAlive`: one of many on a connection; `download`: a long answer, read
 * slowly and checked.
 */
export const LOAD_KINDS = ['short', 'keepAlive', 'download'] as const;
export type LoadKind = (typeof LOAD_KINDS)[number];

export interface LoadRecord {
  readonly kind: LoadKind;
  readonly atNs: number;
  readonly outcome: ProbeOutcome;
  /** From the start of the request to the end of the answer, or to the failure. */
  readonly latencyNs: number;
}

export interface LoadMeasurement {
  readonly requests: number;
  readonly failed: number;
  /** How often each failure occurred. */
  readonly failures: { readonly [outcome: string]: number };
  /** Of correct answers; null when there was none. */
  readonly latencyMs: LatencyMs | null;
}

/** 11 hours of a hundred requests a second. */
const RECORDS_MAX = 4 * 1024 * 1024;

/** One that is full forgets its older half: a load goes on for as long as its run waits. */
export class LoadLog {
  readonly #records: LoadRecord[] = [];
  readonly #recordsMax: number;

  constructor(recordsMax = RECORDS_MAX) {
    this.#recordsMax = recordsMax;
  }

  append(record: LoadRecord): void {
    if (this.#records.length >= this.#recordsMax) this.#records.splice(0, this.#records.length >>> 1);
    this.#records.push(record);
  }

  /** Requests that began in [fromNs, toNs) and whose outcome is known. */
  measure(fromNs: number, toNs: number): { readonly [Kind in LoadKind]: LoadMeasurement } {
    const within = this.#records.filter(({ atNs }) => atNs >= fromNs && atNs < toNs);
    const of = (kind: LoadKind): LoadMeasurement => measured(within.filter((record) => record.kind === kind));
    return { short: of('short'), keepAlive: of('keepAlive'), download: of('download') };
  }
}

function measured(records: readonly LoadRecord[]): LoadMeasurement {
  const failures: Record<string, number> = {};
  const latenciesNs: number[] = [];
  for (const { outcome, latencyNs } of records) {
    if (outcome === 'ok') latenciesNs.push(latencyNs);
    else failures[outcome] = (failures[outcome] ?? 0) + 1;
  }
  return {
    requests: records.length,
    failed: records.length - latenciesNs.length,
    failures,
    latencyMs: latencyMsOf(latenciesNs),
  };
}
