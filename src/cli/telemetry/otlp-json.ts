/** The parts of OTLP's JSON that mvctl sends: [OTLP] "JSON Protobuf Encoding"; 64-bit integers are text, ids hexadecimal. */

export interface Attribute {
  readonly key: string;
  readonly value: { readonly stringValue: string } | { readonly doubleValue: number } | { readonly intValue: string };
}

export interface Span {
  readonly traceId: string;
  readonly spanId: string;
  readonly parentSpanId?: string;
  readonly name: string;
  readonly kind: number;
  readonly startTimeUnixNano: string;
  readonly endTimeUnixNano: string;
  readonly attributes: readonly Attribute[];
  readonly events?: readonly { readonly timeUnixNano: string; readonly name: string }[];
  readonly status: { readonly code: number; readonly message?: string };
}

/** SpanKind and StatusCode of opentelemetry/proto/trace/v1. */
export const SPAN_KIND = { internal: 1, server: 2 } as const;
export const STATUS = { ok: 1, error: 2 } as const;
/** AggregationTemporality of opentelemetry/proto/metrics/v1: each run counts for itself. */
const DELTA = 1;

export interface Point {
  readonly startMs: number;
  readonly endMs: number;
  readonly value: number;
  readonly attributes: Values;
}

export interface Metric {
  readonly name: string;
  readonly unit: string;
  readonly description: string;
}

type Values = { readonly [name: string]: string | number | undefined };

/** What is undefined is left out. */
export function attributes(values: Values): readonly Attribute[] {
  return Object.entries(values).flatMap(([key, value]): readonly Attribute[] => {
    if (value === undefined) return [];
    if (typeof value === 'string') return [{ key, value: { stringValue: value } }];
    return [{ key, value: Number.isSafeInteger(value) ? { intValue: String(value) } : { doubleValue: value } }];
  });
}

/** Wall clock to nanoseconds; a double holds no nanoseconds since 1970, text does. */
export const unixNano = (ms: number): string => String(BigInt(Math.round(ms * 1e3)) * 1_000n);

const SCOPE = { name: 'mvctl' } as const;

export const tracesRequest = (resource: Values, spans: readonly Span[]): object => ({
  resourceSpans: [{ resource: { attributes: attributes(resource) }, scopeSpans: [{ scope: SCOPE, spans }] }],
});

export const metricsRequest = (resource: Values, metrics: readonly object[]): object => ({
  resourceMetrics: [{ resource: { attributes: attributes(resource) }, scopeMetrics: [{ scope: SCOPE, metrics }] }],
});

export const sumMetric = (metric: Metric, points: readonly Point[]): object => ({
  ...metric,
  sum: {
    aggregationTemporality: DELTA,
    isMonotonic: true,
    dataPoints: points.map((point) => ({ ...times(point), asInt: String(point.value) })),
  },
});

/** `bounds`: upper ends of all buckets but the last. */
export const histogramMetric = (metric: Metric, bounds: readonly number[], points: readonly Point[]): object => ({
  ...metric,
  histogram: {
    aggregationTemporality: DELTA,
    dataPoints: points.map((point) => ({
      ...times(point),
      count: '1',
      sum: point.value,
      min: point.value,
      max: point.value,
      explicitBounds: bounds,
      bucketCounts: [...bounds, Number.POSITIVE_INFINITY].map((bound, index) =>
        point.value <= bound && (index === 0 || point.value > bounds[index - 1]!) ? '1' : '0',
      ),
    })),
  },
});

const times = ({ startMs, endMs, attributes: values }: Point): object => ({
  startTimeUnixNano: unixNano(startMs),
  timeUnixNano: unixNano(endMs),
  attributes: attributes(values),
});
