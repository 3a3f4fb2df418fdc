/** Sends a run that is over to a collector. What goes wrong there is told and changes nothing: the run is what it was. */
import { setTimeout as sleep } from 'node:timers/promises';
import { type Report, readJournal } from '../../engine/index.ts';
import type { OtlpConfig, SignalKind } from './otlp-config.ts';
import { metricsRequest, tracesRequest } from './otlp-json.ts';
import { runMetrics } from './run-metrics.ts';
import { runSpans } from './run-spans.ts';

/** [OTLP] "Retryable Response Codes". */
const RETRYABLE: ReadonlySet<number> = new Set([429, 502, 503, 504]);
const ATTEMPTS = 3;
const RETRY_MS = 500;

/** Gives what could not be sent and why. */
export async function exportRun(report: Report, journalPath: string, config: OtlpConfig): Promise<readonly string[]> {
  const { records } = readJournal(journalPath);
  const [first, last] = [records[0]!, records.at(-1)!];
  const bodies: Readonly<Record<SignalKind, object>> = {
    traces: tracesRequest(config.resource, runSpans(records, report, config.parent)),
    metrics: metricsRequest(config.resource, runMetrics(report, first.wallMs, last.wallMs)),
  };
  const problems = await Promise.all(
    (Object.entries(config.url) as [SignalKind, string][]).map(([kind, url]) => send(url, bodies[kind], config)),
  );
  return problems.filter((problem) => problem !== undefined);
}

async function send(url: string, body: object, { headers, timeoutMs }: OtlpConfig): Promise<string | undefined> {
  const signal = AbortSignal.timeout(timeoutMs);
  let problem: string | undefined;
  for (let attempt = 1; attempt <= ATTEMPTS; attempt++) {
    try {
      if (attempt > 1) await sleep(RETRY_MS * (attempt - 1), undefined, { signal });
      const response = await fetch(url, {
        method: 'POST',
        headers: { ...headers, 'content-type': 'application/json' },
        body: JSON.stringify(body),
        signal,
      });
      await response.arrayBuffer();
      if (response.ok) return undefined;
      problem = `${url} answered ${response.status}`;
      if (!RETRYABLE.has(response.status)) return problem;
    } catch (error) {
      if (signal.aborted) return `${url} did not answer within ${timeoutMs} ms`;
      const { message, cause } = error as Error;
      problem = `${url}: ${cause instanceof Error ? cause.message : message}`;
    }
  }
  return problem;
}
