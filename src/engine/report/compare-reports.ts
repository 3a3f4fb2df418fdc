/** Puts the ordinary way beside this one. */
import type { Report } from '../generated/report.ts';

/**
 * The report of `online` with `offline` as its baseline. Where no downtime was seen online, the resolution of its prober
 * stands in for it: shorter gaps would not have been seen, so the factor is a lower bound. Where a run has no
 * measurement there is nothing to compare, and the report stays as it is.
 */
export function compareReports(online: Report, offline: Report): Report {
  if (!online.service || !offline.service) return online;
  const { downtimeMs, resolutionMs } = online.service;
  const isLowerBound = downtimeMs === 0;
  const divisorMs = isLowerBound ? resolutionMs : downtimeMs;
  return {
    ...online,
    baseline: {
      playbook: offline.run.playbook,
      outcome: offline.run.outcome,
      downtimeMs: offline.service.downtimeMs,
      longestGapMs: offline.service.longestGapMs,
      requests: offline.service.requests,
      failed: offline.service.failed,
      nodeMs: offline.run.nodeMs,
      resolutionMs: offline.service.resolutionMs,
    },
    improvement: {
      factor: divisorMs === 0 ? 0 : Math.round((offline.service.downtimeMs / divisorMs) * 10) / 10,
      isLowerBound,
    },
  };
}
