/** What a journal tells a person: how far its run came, when, and by which hands. */
import type { Outcome } from '../exit-codes.ts';
import type { JournalRecord } from '../generated/journal.ts';
import type { PlanContent } from '../plan/plan.ts';
import { type IntentSubject, subjectOf } from './intent-subject.ts';
import type { StoredRun } from './run-store.ts';

export interface RunHistory {
  readonly number: number;
  readonly runId: string;
  readonly playbook: string;
  /** `unfinished`: an engine works on it, or it was left and can be resumed. */
  readonly state: Outcome | 'unfinished';
  readonly clock: 'virtual' | 'realtime';
  /** Wall clock, ISO 8601. */
  readonly startedAt: string;
  readonly endedAt: string | null;
  /** How often a later process took it over. */
  readonly takenOver: number;
  readonly nodeMs: number;
  readonly entries: readonly HistoryEntry[];
}

/** Something that happened, in the words of the playbook. */
export interface HistoryEntry {
  /** Node time since the begin; it begins anew with a loss of power. */
  readonly atMs: number;
  /** Wall clock, ISO 8601. */
  readonly at: string;
  readonly kind: 'begin' | 'phase' | IntentSubject['kind'] | 'wait' | 'event' | 'taken-over' | 'end';
  /** Id of the phase or step, the event, or the outcome. */
  readonly what: string;
  readonly outcome: 'done' | 'failed' | 'under-way' | null;
  /** Code and message of a failure. */
  readonly failure: string | null;
}

const MS = 1e6;

/** `records` begin with the begin of the run. */
export function runHistory({ number, runId }: StoredRun, records: readonly JournalRecord[]): RunHistory {
  const [begin] = records;
  if (begin?.type !== 'begin') throw new Error(`run ${runId} has no begin`);
  const plan = begin.plan as unknown as PlanContent;
  const last = records.at(-1)!;
  const isOver = last.type === 'end';
  return {
    number,
    runId,
    playbook: plan.name,
    state: isOver ? last.outcome : 'unfinished',
    clock: begin.clock,
    startedAt: new Date(begin.wallMs).toISOString(),
    endedAt: isOver ? new Date(last.wallMs).toISOString() : null,
    takenOver: records.filter(({ type }) => type === 'attach').length,
    nodeMs: nodeNsOf(records) / MS,
    entries: entriesOf(records),
  };
}

/** A boot of the node, as far as the run saw it. */
interface Boot {
  readonly bootId: string;
  /** From where its times count: the begin of the run, or after a loss of power that of the node. */
  readonly beginNs: number;
}

/** The boot that each record is of. */
function bootsOf(records: readonly JournalRecord[]): readonly Boot[] {
  let boot: Boot = { bootId: '', beginNs: 0 };
  return records.map((record) => {
    const { bootId } = (record.type === 'event' ? record.event : record) as { readonly bootId?: string };
    if (record.type === 'begin') boot = { bootId: record.bootId, beginNs: record.atNs };
    else if (bootId !== undefined && bootId !== boot.bootId) boot = { bootId, beginNs: 0 };
    return boot;
  });
}

function nodeNsOf(records: readonly JournalRecord[]): number {
  const boots = bootsOf(records);
  return records.reduce(
    (sum, { atNs }, index) => (boots[index + 1] === boots[index] ? sum : sum + atNs - boots[index]!.beginNs),
    0,
  );
}

function entriesOf(records: readonly JournalRecord[]): readonly HistoryEntry[] {
  const entries: HistoryEntry[] = [];
  const boots = bootsOf(records);
  /** Intents without an event yet: effect to the place of its entry. */
  const open = new Map<string, number>();
  for (const [index, record] of records.entries()) {
    const add = (entry: Pick<HistoryEntry, 'kind' | 'what'> & Partial<HistoryEntry>): number =>
      entries.push({
        atMs: (record.atNs - boots[index]!.beginNs) / MS,
        at: new Date(record.wallMs).toISOString(),
        outcome: null,
        failure: null,
        ...entry,
      }) - 1;
    switch (record.type) {
      case 'begin':
        add({ kind: 'begin', what: `epoch ${record.epoch}` });
        break;
      case 'attach':
        add({ kind: 'taken-over', what: `epoch ${record.epoch}` });
        break;
      case 'phase':
        if (record.edge === 'start') add({ kind: 'phase', what: record.phase });
        break;
      case 'timer':
        add({ kind: 'wait', what: `${(record.dueNs - record.atNs) / MS} ms` });
        break;
      case 'end':
        add({ kind: 'end', what: record.outcome });
        break;
      case 'intent':
        open.set(record.effect, add({ ...subjectOf(record), outcome: 'under-way' }));
        break;
      case 'event': {
        const { type, actorId, error } = record.event as { type: string; actorId?: string; error?: EffectError };
        const place = actorId === undefined ? undefined : open.get(actorId);
        if (place !== undefined) {
          const failure = error ? `${error.code}: ${error.message}` : null;
          entries[place] = { ...entries[place]!, outcome: error ? 'failed' : 'done', failure };
          open.delete(actorId!);
        } else if (actorId === undefined && !type.startsWith('xstate.')) add({ kind: 'event', what: type });
      }
    }
  }
  return entries;
}

interface EffectError {
  readonly code: string;
  readonly message: string;
}
