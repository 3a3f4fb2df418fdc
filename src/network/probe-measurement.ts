/**
 * What a client saw of the service, computed from the slots of a probe.
 *
 * A slot is [atNs, atNs + interval). It is *down* when its request was not answered correctly before its deadline, and
 * it belongs to the interval its `atNs` lies in, so that measurements of adjoining intervals add up.
 */
import { NS_PER_MS } from './clock.ts';
import { type LatencyMs, latencyMsOf } from './latency.ts';
import type { ProbeLog, ProbeRecord } from './probe-log.ts';

export interface ProbeMeasurement {
  /** Slots that began in the interval and whose outcome is known. */
  readonly requests: number;
  /** Those of them that were down. */
  readonly failed: number;
  /** `failed` times the probe's interval. */
  readonly downtimeMs: number;
  /**
   * The longest stretch of the interval in which no correct answer arrived, beyond one probe interval (what a flawless
   * service shows): the largest distance between the arrivals of successive correct answers, or between the first or
   * last of them and the ends of what was observed, minus the probe interval; at least 0. What was observed begins with
   * the first slot and ends a probe interval after the last.
   */
  readonly longestGapMs: number;
  /** The probe's interval: nothing shorter can be told apart. */
  readonly resolutionMs: number;
  /** Of correct answers, nearest rank; null when there was none. */
  readonly latencyMs: LatencyMs | null;
}

const toMs = (ns: number): number => ns / NS_PER_MS;

/** Measures the slots that began in [fromNs, toNs). */
export function measureProbe(log: ProbeLog, fromNs: number, toNs: number): ProbeMeasurement {
  const { intervalNs } = log.schedule;
  const latenciesNs: number[] = [];
  let failed = 0;
  const end = log.indexAt(toNs);
  for (let index = log.indexAt(fromNs); index < end; index++) {
    const { outcome, latencyNs } = log.at(index);
    if (outcome === 'ok') latenciesNs.push(latencyNs);
    else failed++;
  }
  return {
    requests: failed + latenciesNs.length,
    failed,
    downtimeMs: toMs(failed * intervalNs),
    longestGapMs: toMs(longestGapNs(log, fromNs, toNs)),
    resolutionMs: toMs(intervalNs),
    latencyMs: latencyMsOf(latenciesNs),
  };
}

const arrivalNs = (record: ProbeRecord): number => record.atNs + record.latencyNs;

function longestGapNs(log: ProbeLog, fromNs: number, toNs: number): number {
  const { intervalNs, deadlineNs } = log.schedule;
  if (log.length === 0) return 0;
  const observedFrom = Math.max(fromNs, log.at(0).atNs);
  const observedTo = Math.min(toNs, log.at(log.length - 1).atNs + intervalNs);
  if (observedTo <= observedFrom) return 0;
  const arrivals: number[] = [];
  // Answers of slots that began before the interval may arrive in it.
  for (let index = log.indexAt(observedFrom - deadlineNs); index < log.length; index++) {
    const record = log.at(index);
    if (record.atNs >= observedTo) break;
    const arrival = arrivalNs(record);
    if (record.outcome === 'ok' && arrival >= observedFrom && arrival < observedTo) arrivals.push(arrival);
  }
  arrivals.sort((a, b) => a - b);
  let longest = 0;
  let last = observedFrom;
  for (const arrival of [...arrivals, observedTo]) {
    longest = Math.max(longest, arrival - last - intervalNs);
    last = arrival;
  }
  return longest;
}
