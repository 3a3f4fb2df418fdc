/** A report as metrics. */
import type { Report } from '../../engine/index.ts';
import { histogramMetric, sumMetric } from './otlp-json.ts';
import { RESULTS } from './run-spans.ts';

/** Seconds. */
const RUN_BOUNDS = [10, 30, 60, 120, 300, 600, 1_800, 3_600] as const;
const DOWNTIME_BOUNDS = [0, 0.01, 0.1, 0.5, 1, 5, 10, 30, 60, 300] as const;

/** `startMs`, `endMs`: wall clock of the run. */
export function runMetrics(
  { run, service, phases, failure }: Report,
  startMs: number,
  endMs: number,
): readonly object[] {
  const at = { startMs, endMs };
  const pipeline = { 'cicd.pipeline.name': run.playbook };
  const result = { ...pipeline, 'cicd.pipeline.result': RESULTS[run.outcome], 'error.type': failure?.code };
  return [
    histogramMetric({ name: 'cicd.pipeline.run.duration', unit: 's', description: 'Wall time of a run.' }, RUN_BOUNDS, [
      { ...at, value: (endMs - startMs) / 1e3, attributes: { ...result, 'cicd.pipeline.run.state': 'executing' } },
    ]),
    sumMetric(
      { name: 'cicd.pipeline.run.errors', unit: '{error}', description: 'Runs that did not succeed.' },
      run.outcome === 'succeeded' ? [] : [{ ...at, value: 1, attributes: result }],
    ),
    histogramMetric(
      { name: 'mvctl.downtime.duration', unit: 's', description: 'Downtime a client saw, by phase, in node time.' },
      DOWNTIME_BOUNDS,
      phases.flatMap(({ id, downtimeMs }) =>
        downtimeMs === null ? [] : [{ ...at, value: downtimeMs / 1e3, attributes: { ...pipeline, 'mvctl.phase': id } }],
      ),
    ),
    sumMetric(
      { name: 'mvctl.requests', unit: '{request}', description: 'Requests of the prober, by what became of them.' },
      service
        ? [
            { ...at, value: service.failed, attributes: { ...pipeline, 'mvctl.request.result': 'failed' } },
            {
              ...at,
              value: service.requests - service.failed,
              attributes: { ...pipeline, 'mvctl.request.result': 'ok' },
            },
          ]
        : [],
    ),
  ];
}
