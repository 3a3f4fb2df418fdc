/**
 * Where spans and metrics go, from the environment: [OTel] "OpenTelemetry Protocol Exporter" and "General SDK
 * Configuration". mvctl speaks OTLP over HTTP in JSON and nothing else.
 */
import { EXIT } from '../../engine/exit-codes.ts';
import { CommandError } from '../command-error.ts';

export type Environment = { readonly [name: string]: string | undefined };
export type SignalKind = 'traces' | 'metrics';

export interface OtlpConfig {
  /** Absent: this signal is not wanted. */
  readonly url: { readonly [Kind in SignalKind]?: string };
  readonly headers: { readonly [name: string]: string };
  readonly timeoutMs: number;
  readonly resource: { readonly [name: string]: string };
  /** Of the caller, [W3C Trace Context] "traceparent Header". */
  readonly parent: { readonly traceId: string; readonly spanId: string } | undefined;
}

const TIMEOUT_MS_DEFAULT = 10_000;
const PROTOCOL = 'http/json';

/** Undefined: nothing is configured, or all of it is switched off. Throws CommandError. */
export function otlpConfig(env: Environment): OtlpConfig | undefined {
  if (env['OTEL_SDK_DISABLED']?.toLowerCase() === 'true') return undefined;
  const url = Object.fromEntries(
    (['traces', 'metrics'] as const).flatMap((kind) => {
      const found = urlOf(kind, env);
      return found === undefined ? [] : [[kind, found]];
    }),
  );
  if (Object.keys(url).length === 0) return undefined;
  const protocol = env['OTEL_EXPORTER_OTLP_PROTOCOL'] ?? PROTOCOL;
  if (protocol !== PROTOCOL) throw wrong('OTEL_EXPORTER_OTLP_PROTOCOL', PROTOCOL, protocol);
  return {
    url,
    headers: pairs('OTEL_EXPORTER_OTLP_HEADERS', env),
    timeoutMs: timeoutOf(env),
    resource: { ...pairs('OTEL_RESOURCE_ATTRIBUTES', env), 'service.name': env['OTEL_SERVICE_NAME'] || 'mvctl' },
    parent: parentOf(env['TRACEPARENT'] ?? ''),
  };
}

function urlOf(kind: SignalKind, env: Environment): string | undefined {
  const upper = kind.toUpperCase();
  if (env[`OTEL_${upper}_EXPORTER`] === 'none') return undefined;
  const own = env[`OTEL_EXPORTER_OTLP_${upper}_ENDPOINT`];
  const base = env['OTEL_EXPORTER_OTLP_ENDPOINT'];
  const url = own || (base ? `${base.replace(/\/$/, '')}/v1/${kind}` : undefined);
  if (url !== undefined && !/^https?:$/.test(URL.parse(url)?.protocol ?? ''))
    throw wrong('OTEL_EXPORTER_OTLP_ENDPOINT', 'an http or https URL', url);
  return url;
}

/** `name=value,name=value`, values percent-encoded. */
function pairs(variable: string, env: Environment): { readonly [name: string]: string } {
  const text = env[variable] ?? '';
  return Object.fromEntries(
    text
      .split(',')
      .filter((part) => part.trim() !== '')
      .map((part) => {
        const equals = part.indexOf('=');
        if (equals < 1) throw wrong(variable, 'NAME=VALUE,…', part);
        return [part.slice(0, equals).trim(), decoded(variable, part.slice(equals + 1).trim())];
      }),
  );
}

function decoded(variable: string, text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    throw wrong(variable, 'percent-encoded text', text);
  }
}

function timeoutOf(env: Environment): number {
  const text = env['OTEL_EXPORTER_OTLP_TIMEOUT'];
  const ms = Number(text ?? TIMEOUT_MS_DEFAULT);
  if (Number.isFinite(ms) && ms > 0) return ms;
  throw wrong('OTEL_EXPORTER_OTLP_TIMEOUT', 'milliseconds', String(text));
}

function parentOf(traceparent: string): OtlpConfig['parent'] {
  const [, traceId, spanId] = /^[0-9a-f]{2}-([0-9a-f]{32})-([0-9a-f]{16})-[0-9a-f]{2}$/.exec(traceparent) ?? [];
  return traceId === undefined || spanId === undefined ? undefined : { traceId, spanId };
}

const wrong = (variable: string, expected: string, found: string): CommandError =>
  new CommandError(EXIT.usage.code, `${variable}: expected ${expected}, found ${found}`);
