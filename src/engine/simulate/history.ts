/** What earlier runs of a node took, read from their journals and reports. */
import { existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import type { JournalRecord } from '../generated/journal.ts';
import type { Report } from '../generated/report.ts';
import { JournalError } from '../journal/journal-error.ts';
import { readJournal } from '../journal/read-journal.ts';
import { RunStore } from '../journal/run-store.ts';
import { type Plan, stepsOf } from '../plan/plan.ts';
import { isReport } from '../report/is-report.ts';

/** One attempt of a step, or the engine's own work. Times are node time. */
export interface Observation {
  readonly id: string;
  readonly uses: string;
  readonly isEngine: boolean;
  readonly ms: number;
  /** Code of the failure; null: it was done. */
  readonly failed: string | null;
}

export interface PastRun {
  readonly playbook: string;
  readonly journalPath: string;
  readonly outcome: Report['run']['outcome'];
  readonly observations: readonly Observation[];
  readonly report: Report;
}

/** Runs that ended and left a report, oldest first. What cannot be read tells nothing. */
export function pastRuns(stateDirs: readonly string[]): readonly PastRun[] {
  return stateDirs.flatMap((stateDir) =>
    new RunStore(stateDir).runs().flatMap(({ journalPath }) => {
      const run = pastRun(journalPath);
      return run ? [run] : [];
    }),
  );
}

function pastRun(journalPath: string): PastRun | undefined {
  const reportPath = join(dirname(journalPath), 'report.json');
  if (!existsSync(reportPath) || !existsSync(journalPath)) return undefined;
  try {
    const { records } = readJournal(journalPath);
    const [begin] = records;
    const report: unknown = JSON.parse(readFileSync(reportPath, 'utf8'));
    if (begin?.type !== 'begin' || !isReport(report)) return undefined;
    const plan = begin.plan as unknown as Plan;
    const observations = observationsOf(plan, records);
    return { playbook: plan.name, journalPath, outcome: report.run.outcome, observations, report };
  } catch (error) {
    if (error instanceof JournalError || error instanceof SyntaxError) return undefined;
    throw error;
  }
}

interface Ended {
  readonly startNs: number;
  readonly endNs: number;
  readonly code?: string;
}

/** Effects are named `step N`, `begin`, `end` and so on in the statechart. */
function observationsOf(plan: Plan, records: readonly JournalRecord[]): readonly Observation[] {
  const steps = stepsOf(plan);
  return records.flatMap((record) => {
    if (record.type !== 'event') return [];
    const { actorId, output, error } = record.event as {
      readonly actorId?: string;
      readonly output?: Ended;
      readonly error?: Ended;
    };
    const ended = output ?? error;
    if (actorId === undefined || !ended) return [];
    const [, index] = /^step (\d+)$/.exec(actorId) ?? [];
    const step = index === undefined ? undefined : steps[Number(index)];
    const id = step?.id ?? ENGINE_WORK[actorId];
    if (id === undefined) return [];
    const ms = (ended.endNs - ended.startNs) / NS_PER_MS;
    return [
      { id, uses: step?.uses ?? id, isEngine: step === undefined, ms, failed: error ? (error.code ?? 'failed') : null },
    ];
  });
}

const NS_PER_MS = 1e6;

/** Names in the statechart of what the engine does on its own account; at the node they are boot and so on. */
const ENGINE_WORK: { readonly [actor: string]: string } = { 'power on': 'boot', begin: 'begin', end: 'end' };
