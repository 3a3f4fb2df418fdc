/** Times of a run as a picture needs them: milliseconds since its first phase began. */
import type { ReportTimeline } from '../generated/report.ts';
import type { NodeTimeline } from '../node-port.ts';
import type { PhaseLedger } from '../statechart/run-context.ts';

const MS = 1e6;

/**
 * Of each phase that was entered, when it began. With a loss of power the node's time begins anew: the time that no node
 * counted is left out, so that a phase begins where the one before it ended.
 */
export function phaseStartsMs(ledgers: readonly PhaseLedger[], nowNs: number): readonly number[] {
  const originNs = ledgers[0]?.startNs ?? 0;
  const starts: number[] = [];
  let shiftNs = 0;
  let lastEndNs = originNs;
  for (const { startNs, endNs } of ledgers) {
    if (startNs < lastEndNs) shiftNs += lastEndNs - startNs;
    starts.push((startNs + shiftNs - originNs) / MS);
    lastEndNs = endNs ?? nowNs;
  }
  return starts;
}

export function reportTimeline({ requests, owners }: NodeTimeline, originNs: number): ReportTimeline {
  const sinceMs = (ns: number): number => (ns - originNs) / MS;
  return {
    requests: requests && {
      fromMs: sinceMs(requests.fromNs),
      binMs: requests.binNs / MS,
      requests: [...requests.requests],
      failed: [...requests.failed],
      p50Ms: requests.p50Ms.map(toMicroseconds),
      maxMs: requests.maxMs.map(toMicroseconds),
    },
    owners: owners.map(({ part, owner, fromNs, toNs }) => ({
      part,
      owner,
      fromMs: sinceMs(fromNs),
      toMs: sinceMs(toNs),
    })),
  };
}

/** A picture shows no more, and a thousand bins of nanoseconds are long to write. */
const toMicroseconds = (ms: number | null): number | null => (ms === null ? null : Math.round(ms * 1e3) / 1e3);
