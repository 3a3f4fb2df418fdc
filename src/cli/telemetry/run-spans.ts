/**
 * A journal as spans: the run, in it phases, in them an attempt of a step or of its undo each. Made when the run is over,
 * so that a run which several processes worked on is one trace. Names are those of the CI/CD conventions of OpenTelemetry.
 */
import { createHash } from 'node:crypto';
import type { BeginRecord, EventRecord, IntentRecord, JournalRecord } from '../../engine/generated/journal.ts';
import type { Report } from '../../engine/index.ts';
import { subjectOf } from '../../engine/journal/intent-subject.ts';
import type { OtlpConfig } from './otlp-config.ts';
import { attributes, SPAN_KIND, type Span, STATUS, unixNano } from './otlp-json.ts';

const hash = (text: string, bytes: number): string =>
  createHash('sha256')
    .update(text)
    .digest('hex')
    .slice(0, 2 * bytes);

/** cicd.pipeline.result */
export const RESULTS: Readonly<Record<Report['run']['outcome'], string>> = {
  succeeded: 'success',
  'rolled-back': 'failure',
  'failed-safe': 'failure',
  'failed-dirty': 'error',
  paused: 'cancellation',
};

export function runSpans(records: readonly JournalRecord[], report: Report, parent: OtlpConfig['parent']): Span[] {
  const [begin] = records;
  if (begin?.type !== 'begin') throw new Error('a journal begins with the begin of a run');
  // Every run of a node has a key prefix of its own, but two nodes may have the same.
  const identity = `${begin.keyPrefix} ${begin.wallMs}`;
  const traceId = parent?.traceId ?? hash(`trace ${identity}`, 16);
  const idOf = (name: string): string => hash(`${identity} ${name}`, 8);
  const endMs = records.at(-1)!.wallMs;
  const spans: Span[] = [];
  const open = new Map<string, IntentRecord>();
  let phase: { readonly name: string; readonly id: string; readonly startMs: number } | undefined;
  const closePhase = (atMs: number): void => {
    if (!phase) return;
    const { name, id, startMs } = phase;
    const outcome = report.phases.find((candidate) => candidate.id === name)?.outcome;
    spans.push({
      traceId,
      spanId: id,
      parentSpanId: idOf('run'),
      name: `PHASE ${name}`,
      kind: SPAN_KIND.internal,
      startTimeUnixNano: unixNano(startMs),
      endTimeUnixNano: unixNano(atMs),
      attributes: attributes({ 'mvctl.phase': name, 'mvctl.outcome': outcome }),
      status: { code: outcome === 'failed' ? STATUS.error : STATUS.ok },
    });
    phase = undefined;
  };
  for (const record of records) {
    if (record.type === 'phase') {
      closePhase(record.wallMs);
      if (record.edge === 'start')
        phase = { name: record.phase, id: idOf(`phase ${record.phase} ${record.seq}`), startMs: record.wallMs };
    } else if (record.type === 'intent') open.set(record.effect, record);
    else if (record.type === 'event') {
      const intent = open.get(String(record.event['actorId']));
      if (!intent) continue;
      open.delete(intent.effect);
      spans.push(
        attemptSpan(intent, record, { traceId, spanId: idOf(intent.key), parentSpanId: phase?.id ?? idOf('run') }),
      );
    }
  }
  closePhase(endMs);
  return [
    runSpan(begin, records, report, {
      traceId,
      spanId: idOf('run'),
      ...(parent ? { parentSpanId: parent.spanId } : {}),
    }),
    ...spans,
  ];
}

type Ids = Pick<Span, 'traceId' | 'spanId' | 'parentSpanId'>;

function runSpan(
  begin: BeginRecord,
  records: readonly JournalRecord[],
  { run, service, failure }: Report,
  ids: Ids,
): Span {
  const isGood = run.outcome === 'succeeded';
  return {
    ...ids,
    name: `RUN ${run.playbook}`,
    kind: SPAN_KIND.server,
    startTimeUnixNano: unixNano(begin.wallMs),
    endTimeUnixNano: unixNano(records.at(-1)!.wallMs),
    attributes: attributes({
      'cicd.pipeline.name': run.playbook,
      'cicd.pipeline.run.id': begin.keyPrefix,
      'cicd.pipeline.result': RESULTS[run.outcome],
      'error.type': failure?.code,
      'mvctl.outcome': run.outcome,
      'mvctl.clock': begin.clock,
      'mvctl.node.time_ms': run.nodeMs,
      'mvctl.downtime_ms': service?.downtimeMs,
    }),
    events: records
      .filter(({ type }) => type === 'attach')
      .map(({ wallMs }) => ({ timeUnixNano: unixNano(wallMs), name: 'taken over by another process' })),
    status: isGood ? { code: STATUS.ok } : { code: STATUS.error, message: failure?.message ?? run.outcome },
  };
}

const SPAN_WORDS = { step: 'STEP', ask: 'ASK', undo: 'UNDO', engine: 'ENGINE' } as const;

function attemptSpan(intent: IntentRecord, { event, wallMs, atNs }: EventRecord, ids: Ids): Span {
  const { kind, what } = subjectOf(intent);
  const error = event['error'] as { readonly code: string; readonly message: string } | undefined;
  return {
    ...ids,
    name: `${SPAN_WORDS[kind]} ${what}`,
    kind: SPAN_KIND.internal,
    startTimeUnixNano: unixNano(intent.wallMs),
    endTimeUnixNano: unixNano(wallMs),
    attributes: attributes({
      'cicd.pipeline.task.name': what,
      'cicd.pipeline.task.run.id': intent.key,
      'cicd.pipeline.task.run.result': error ? 'failure' : 'success',
      'error.type': error?.code,
      'mvctl.primitive': intent.primitive,
      'mvctl.node.time_ms': (atNs - intent.atNs) / 1e6,
    }),
    status: error ? { code: STATUS.error, message: error.message } : { code: STATUS.ok },
  };
}
