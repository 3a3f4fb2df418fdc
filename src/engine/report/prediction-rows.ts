/** Predicted beside measured, for whoever shows a report. */
import type { Report, ReportBand } from '../generated/report.ts';
import { formatMs } from '../values/duration.ts';

export interface PredictionRow {
  /** A phase, or `in all`. */
  readonly what: string;
  readonly predicted: string;
  readonly took: string;
  readonly predictedDown: string;
  readonly down: string;
  /** Inside p10 to p90; null where it was not measured. */
  readonly isInBand: boolean | null;
  readonly isDownInBand: boolean | null;
}

export function predictionRows({ predicted, phases, run, service }: Report): readonly PredictionRow[] {
  if (!predicted) return [];
  return [
    ...predicted.phases.map(({ id, nodeMs, downtimeMs }) => {
      const phase = phases.find((one) => one.id === id && one.outcome !== 'not-reached');
      return row(id, nodeMs, phase?.nodeMs ?? null, downtimeMs, phase?.downtimeMs ?? null);
    }),
    row('in all', predicted.nodeMs, run.nodeMs, predicted.downtimeMs, service?.downtimeMs ?? null),
  ];
}

/** Times are told in microseconds: a difference below is none. */
const TOLERANCE_MS = 0.001;

function row(
  what: string,
  band: ReportBand,
  ms: number | null,
  downBand: ReportBand,
  downMs: number | null,
): PredictionRow {
  const isIn = (value: number | null, { p10, p90 }: ReportBand): boolean | null =>
    value === null ? null : value >= p10 - TOLERANCE_MS && value <= p90 + TOLERANCE_MS;
  return {
    what,
    predicted: bandText(band),
    took: ms === null ? '-' : formatMs(ms),
    predictedDown: bandText(downBand),
    down: downMs === null ? '-' : formatMs(downMs),
    isInBand: isIn(ms, band),
    isDownInBand: isIn(downMs, downBand),
  };
}

function bandText({ p10, p90 }: ReportBand): string {
  const [from, to] = [formatMs(p10), formatMs(p90)];
  return from === to ? from : `${from} to ${to}`;
}

/** Where the prediction came from. */
export const predictionSource = ({ predicted }: Report): string =>
  predicted === undefined || predicted.pastRuns === 0
    ? 'from priors: no earlier run of this playbook on the node'
    : `from ${predicted.pastRuns} earlier ${predicted.pastRuns === 1 ? 'run' : 'runs'} on the node`;

/** Where the figures of a dry run come from. */
export const dryRunBasis = ({ predicted }: Report): string =>
  predicted && predicted.pastRuns > 0
    ? `durations are those of ${predicted.pastRuns} earlier ${predicted.pastRuns === 1 ? 'run' : 'runs'}`
    : 'durations and downtimes are priors';
