/** What a collector hears of a run: real mvctl processes, a real HTTP server. */
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { otlpConfig } from '../../src/cli/telemetry/otlp-config.ts';
import { histogramMetric } from '../../src/cli/telemetry/otlp-json.ts';
import { ModelFleet } from '../../tools/crash/model-fleet.ts';
import { onlinePlan } from '../../tools/crash/plan-of.ts';
import { runMvctl } from '../../tools/crash/run-mvctl.ts';
import { ONLINE } from '../engine/model-run.ts';

interface Heard {
  readonly path: string;
  readonly headers: { readonly [name: string]: unknown };
  readonly body: Body;
}
interface Body {
  readonly resourceSpans?: readonly { resource: { attributes: Pair[] }; scopeSpans: { spans: SpanBody[] }[] }[];
  readonly resourceMetrics?: readonly { scopeMetrics: { metrics: MetricBody[] }[] }[];
}
interface Pair {
  readonly key: string;
  readonly value: { readonly [kind: string]: string | number };
}
interface SpanBody {
  readonly traceId: string;
  readonly spanId: string;
  readonly parentSpanId?: string;
  readonly name: string;
  readonly startTimeUnixNano: string;
  readonly endTimeUnixNano: string;
  readonly attributes: Pair[];
  readonly events?: readonly { readonly name: string }[];
  readonly status: { readonly code: number };
}
interface MetricBody {
  readonly name: string;
  readonly histogram?: {
    dataPoints: { sum: number; bucketCounts: string[]; explicitBounds: number[]; attributes: Pair[] }[];
  };
  readonly sum?: { dataPoints: { asInt: string; attributes: Pair[] }[] };
}

const { plan, vars } = onlinePlan(ONLINE);
let fleet: ModelFleet;
let collector: Server;
let endpoint: string;
let heard: Heard[];
/** Status of each answer to come; 200 when there is none. */
let answers: number[];
let stateDir: string;

beforeAll(async () => {
  fleet = new ModelFleet();
  collector = createServer((request, response) => {
    let text = '';
    request.on('data', (chunk) => (text += chunk));
    request.on('end', () => {
      heard.push({ path: request.url!, headers: request.headers, body: JSON.parse(text) as Body });
      response.writeHead(answers.shift() ?? 200, { 'content-type': 'application/json' }).end('{}');
    });
  });
  await new Promise<void>((resolve) => collector.listen(0, '127.0.0.1', resolve));
  endpoint = `http://127.0.0.1:${(collector.address() as AddressInfo).port}`;
});
afterAll(() => {
  fleet[Symbol.dispose]();
  collector.close();
});
beforeEach(() => {
  [heard, answers] = [[], []];
  stateDir = mkdtempSync(join(tmpdir(), 'mvctl-telemetry-'));
});
afterEach(() => rmSync(stateDir, { recursive: true, force: true }));

const apply = () => ['apply', ONLINE, ...vars, '--state-dir', stateDir];
const spansOf = (): SpanBody[] =>
  heard
    .flatMap(({ body }) => body.resourceSpans ?? [])
    .flatMap(({ scopeSpans }) => scopeSpans.flatMap(({ spans }) => spans));
const metricsOf = (): MetricBody[] =>
  heard
    .flatMap(({ body }) => body.resourceMetrics ?? [])
    .flatMap(({ scopeMetrics }) => scopeMetrics.flatMap(({ metrics }) => metrics));
const attributeOf = (pairs: readonly Pair[], name: string): string | number | undefined =>
  Object.values(pairs.find(({ key }) => key === name)?.value ?? {})[0];

describe('telemetry', { timeout: 120_000 }, () => {
  it('tells a run as spans in spans and as metrics', async () => {
    await fleet.start(stateDir, plan);
    const env = {
      OTEL_EXPORTER_OTLP_ENDPOINT: endpoint,
      OTEL_EXPORTER_OTLP_HEADERS: 'x-tenant=blue%20team',
      OTEL_RESOURCE_ATTRIBUTES: 'deployment.environment=test',
      TRACEPARENT: '00-0123456789abcdef0123456789abcdef-0123456789abcdef-01',
    };
    expect(await runMvctl('model', apply(), { env })).toMatchObject({ exitCode: 0 });
    expect(heard.map(({ path }) => path).sort()).toEqual(['/v1/metrics', '/v1/traces']);
    expect(heard[0]!.headers).toMatchObject({ 'content-type': 'application/json', 'x-tenant': 'blue team' });
    const resource = heard.find(({ path }) => path === '/v1/traces')!.body.resourceSpans![0]!.resource.attributes;
    expect(attributeOf(resource, 'service.name')).toBe('mvctl');
    expect(attributeOf(resource, 'deployment.environment')).toBe('test');

    const spans = spansOf();
    const [run] = spans;
    expect(run).toMatchObject({ name: 'RUN online-os-upgrade', parentSpanId: '0123456789abcdef', status: { code: 1 } });
    expect(attributeOf(run!.attributes, 'cicd.pipeline.result')).toBe('success');
    expect(attributeOf(run!.attributes, 'mvctl.downtime_ms')).toBe('0');
    expect(new Set(spans.map(({ traceId }) => traceId))).toEqual(new Set(['0123456789abcdef0123456789abcdef']));
    expect(new Set(spans.map(({ spanId }) => spanId)).size).toBe(spans.length);
    const byId = new Map(spans.map((span) => [span.spanId, span]));
    for (const span of spans.slice(1)) {
      const outer = byId.get(span.parentSpanId!)!;
      expect(BigInt(span.startTimeUnixNano), span.name).toBeGreaterThanOrEqual(BigInt(outer.startTimeUnixNano));
      expect(BigInt(span.endTimeUnixNano), span.name).toBeLessThanOrEqual(BigInt(outer.endTimeUnixNano));
    }
    const phases = spans.filter(({ name }) => name.startsWith('PHASE '));
    expect(phases.map(({ name }) => name)).toEqual(plan.phases.map(({ id }) => `PHASE ${id}`));
    const install = spans.find(({ name }) => name === 'STEP install')!;
    expect(byId.get(install.parentSpanId!)!.name).toBe('PHASE upgrade');

    const metrics = metricsOf();
    const downtime = metrics.find(({ name }) => name === 'mvctl.downtime.duration')!.histogram!.dataPoints;
    expect(downtime.map(({ attributes }) => attributeOf(attributes, 'mvctl.phase'))).toEqual(
      plan.phases.map(({ id }) => id),
    );
    for (const { sum, bucketCounts } of downtime) expect([sum, bucketCounts[0]]).toEqual([0, '1']);
    const requests = metrics.find(({ name }) => name === 'mvctl.requests')!.sum!.dataPoints;
    expect(requests.find(({ attributes }) => attributeOf(attributes, 'mvctl.request.result') === 'failed')!.asInt).toBe(
      '0',
    );
  });

  it('tells a run that was killed and resumed once, as one trace', async () => {
    await fleet.start(stateDir, plan);
    const env = { OTEL_EXPORTER_OTLP_ENDPOINT: `${endpoint}/`, OTEL_METRICS_EXPORTER: 'none' };
    await runMvctl('model', apply(), { env, crash: { crash: 'after', record: 40 } });
    expect(heard).toEqual([]);
    answers = [503];
    expect(await runMvctl('model', ['resume', '--state-dir', stateDir], { env })).toMatchObject({ exitCode: 0 });
    // The collector was busy once.
    expect(heard.map(({ path }) => path)).toEqual(['/v1/traces', '/v1/traces']);
    heard = heard.slice(1);
    const [run, ...rest] = spansOf();
    expect(run!.events).toMatchObject([{ name: 'taken over by another process' }]);
    expect(rest.filter(({ name }) => name === 'STEP install')).toHaveLength(1);
  });

  it('that cannot be sent is told, and the run is what it was', async () => {
    await fleet.start(stateDir, plan);
    answers = [400, 400];
    const ran = await runMvctl('model', apply(), { env: { OTEL_EXPORTER_OTLP_ENDPOINT: endpoint } });
    expect(ran.exitCode).toBe(0);
    expect(ran.printed).toContain(`telemetry: ${endpoint}/v1/traces answered 400`);
  });

  it('that is configured wrongly is refused before the run begins', async () => {
    await fleet.start(stateDir, plan);
    const ran = await runMvctl('model', apply(), { env: { OTEL_EXPORTER_OTLP_ENDPOINT: 'collector:4318' } });
    expect(ran.exitCode).toBe(2);
    expect(ran.printed).toContain('OTEL_EXPORTER_OTLP_ENDPOINT: expected an http or https URL');
    expect((await fleet.tell(stateDir)).history).toEqual([]);
  });

  it.each([
    [0, 0],
    [0.03, 2],
    [0.1, 2],
    [7, 3],
  ])('counts %d in one bucket, that of the first bound that is not less', (value, bucket) => {
    const point = { startMs: 0, endMs: 1, value, attributes: {} };
    const metric = { name: 'x', unit: 's', description: '' };
    const { dataPoints } = (histogramMetric(metric, [0, 0.01, 0.1], [point]) as MetricBody).histogram!;
    const { bucketCounts } = dataPoints[0]!;
    expect(bucketCounts).toEqual(['0', '0', '0', '0'].with(bucket, '1'));
  });

  it.each([
    ['nothing is configured', {}],
    ['it is switched off', { OTEL_EXPORTER_OTLP_ENDPOINT: 'http://127.0.0.1:4318', OTEL_SDK_DISABLED: 'true' }],
    [
      'neither signal is wanted',
      {
        OTEL_EXPORTER_OTLP_ENDPOINT: 'http://127.0.0.1:4318',
        OTEL_TRACES_EXPORTER: 'none',
        OTEL_METRICS_EXPORTER: 'none',
      },
    ],
  ])('is off where %s', (_, env) => {
    expect(otlpConfig(env)).toBeUndefined();
  });
});
