/** Runs a plan on a node, or goes on with the run that an earlier process left. */

import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import type { Outcome } from '../exit-codes.ts';
import type { BeginRecord, JournalRecord } from '../generated/journal.ts';
import type { Report, ReportPrediction } from '../generated/report.ts';
import { readAnswers } from '../journal/gate-answers.ts';
import { JournalError } from '../journal/journal-error.ts';
import { JournalWriter } from '../journal/journal-writer.ts';
import { lockNode } from '../journal/node-lock.ts';
import { readJournal, takeOverJournal } from '../journal/read-journal.ts';
import { RunStore, type StoredRun } from '../journal/run-store.ts';
import { writeSafely } from '../journal/write-safely.ts';
import type { NodePort } from '../node-port.ts';
import { type Plan, runIdOf } from '../plan/plan.ts';
import { renderJson } from '../report/render-json.ts';
import { compilePlan } from '../statechart/compiled-plan.ts';
import type { Waiting } from '../statechart/run-context.ts';
import type { GateAnswer } from '../statechart/waiting.ts';
import { assembleReport } from './assemble-report.ts';
import type { RecordSink } from './driver-options.ts';
import { redactingPort, type Secrets } from './redact.ts';
import { RunDriver } from './run-driver.ts';
import type { ProgressListener } from './run-progress.ts';

export interface RunOptions {
  readonly port: NodePort;
  /** Where the node's runs, their journals and the lock are. */
  readonly stateDir: string;
  /** Before a run that begins asks the node for anything: from then on the node is its alone. */
  readonly prepare?: (() => Promise<void>) | undefined;
  /** Wall clock in milliseconds; only for what the report calls wall time. */
  readonly wallNow: () => number;
  readonly onProgress?: ProgressListener;
  /** Stops the run between two effects. */
  readonly signal?: AbortSignal;
  /** Takes the run back between two effects, as long as it can be taken back. */
  readonly rollBack?: AbortSignal;
  /** Runs that the node had when the plan was made: with more of them it does not hold any more. */
  readonly plannedRuns?: number;
  /** What the run is expected to take, told in its report; asked before it begins. */
  readonly predict?: (plan: Plan) => Promise<ReportPrediction>;
  /** Values of the playbook's secrets: they go to the node and nowhere else. Throws where one cannot be read. */
  readonly readSecrets?: (plan: Plan) => Secrets;
  /** What was said at the gates of the run; where absent what stands beside its journal. */
  readonly answers?: () => readonly GateAnswer[];
  /** Opens the journal whose last record is number `seq`. */
  readonly openJournal?: (path: string, seq: number) => Promise<Journal>;
}

export interface Journal extends RecordSink {
  close(): Promise<void>;
}

export type RunEnd =
  | { readonly kind: 'over'; readonly report: Report; readonly journalPath: string }
  /** Stopped on request between two effects; the run can be resumed. */
  | { readonly kind: 'interrupted'; readonly journalPath: string; readonly isCommitted: boolean }
  /** For people or for a time of day; nothing goes on until somebody resumes the run. */
  | { readonly kind: 'waiting'; readonly journalPath: string; readonly waiting: Waiting; readonly plan: Plan };

/** An earlier run on the node has not ended. */
export class UnfinishedRun extends Error {
  override readonly name = 'UnfinishedRun';
}

/** The node is not any more what the plan was made for; nothing was done. */
export class PlanStale extends Error {
  override readonly name = 'PlanStale';
}

export class NothingToResume extends Error {
  override readonly name = 'NothingToResume';
}

/**
 * Rejects with LockHeld, LockLost, UnfinishedRun, JournalError or NodeUnreachable; what a step does wrong is in the
 * report.
 */
export async function runPlan(plan: Plan, options: RunOptions): Promise<RunEnd> {
  return locked(plan.name, options, async (store) => {
    const open = store.unfinished();
    if (open) throw new UnfinishedRun(`run ${open.run.runId} is not finished: ${open.run.journalPath}`);
    const secrets = options.readSecrets?.(plan) ?? {};
    const { plannedRuns = store.runs().length } = options;
    if (store.runs().length !== plannedRuns) throw new PlanStale('another run used the plan, or came before it');
    await options.prepare?.();
    const { bootId, nowNs, clock, facts } = await options.port.status();
    const prediction = await options.predict?.(plan);
    const run = store.create(runIdOf(plan));
    if (prediction) writeSafely(predictionPath(run), JSON.stringify(prediction));
    const epoch = await newEpoch(store, options);
    const writer = await openJournal(options, run.journalPath, 0);
    const begin = {
      type: 'begin',
      version: 1,
      runId: run.runId,
      keyPrefix: `${run.number}-${run.runId}`,
      epoch,
      bootId,
      clock,
      atNs: nowNs,
      wallMs: options.wallNow(),
      facts: facts as { [name: string]: unknown },
      plan: plan as unknown as { [name: string]: unknown },
    } as const;
    await writer.append(begin);
    return drive(plan, begin, epoch, [], run, writer, secrets, options);
  });
}

/** Rejects like runPlan, and with NothingToResume. */
export async function resumeRun(options: RunOptions): Promise<RunEnd> {
  return locked('a resumed run', options, async (store) => {
    const open = store.unfinished();
    if (!open) throw new NothingToResume(`no unfinished run in ${options.stateDir}`);
    const { run } = open;
    const { bootId, nowNs } = await options.port.status();
    const epoch = await newEpoch(store, options);
    // What the last engine wrote before it was fenced off counts; later lines of its go to a file without a name.
    const journal = readJournal(run.journalPath);
    const [begin] = journal.records;
    if (begin?.type !== 'begin') throw new JournalError(`${run.journalPath}:1: expected the begin of a run`);
    const plan = begin.plan as unknown as Plan;
    const secrets = options.readSecrets?.(plan) ?? {};
    takeOverJournal(run.journalPath, journal);
    const writer = await openJournal(options, run.journalPath, journal.records.length);
    await writer.append({ type: 'attach', epoch, bootId, atNs: nowNs, wallMs: options.wallNow() });
    return drive(plan, begin, epoch, journal.records, run, writer, secrets, options);
  });
}

async function drive(
  plan: Plan,
  begin: Omit<BeginRecord, 'seq' | 'crc'>,
  epoch: number,
  records: readonly JournalRecord[],
  run: StoredRun,
  writer: Journal,
  secrets: Secrets,
  options: RunOptions,
): Promise<RunEnd> {
  const { wallNow, onProgress = () => {}, signal, rollBack } = options;
  const port = redactingPort(options.port, secrets);
  const { journalPath } = run;
  try {
    onProgress({ type: 'run-start', plan, isResumed: records.length > 0, journalPath }, false);
    const driver = new RunDriver({
      compiled: compilePlan(plan),
      port,
      sink: writer,
      wallNow,
      keyPrefix: begin.keyPrefix,
      epoch,
      bootId: begin.bootId,
      beginNs: begin.atNs,
      facts: begin.facts as RunDriver['context']['facts'],
      onProgress,
      signal,
      rollBack,
      answers: options.answers ?? (() => readAnswers(journalPath)),
      secrets,
    });
    driver.replay(records);
    const end = await driver.drive();
    if (end === 'interrupted') return { kind: 'interrupted', journalPath, isCommitted: driver.context.isCommitted };
    if (end === 'waiting') return { kind: 'waiting', journalPath, waiting: driver.context.waiting!, plan };
    const outcome: Outcome = end === 'paused' ? 'paused' : (driver.context.outcome ?? 'failed-dirty');
    const predicted = readPrediction(run);
    const measured = await assembleReport({
      plan,
      context: driver.context,
      outcome,
      clock: begin.clock,
      port,
      startedMs: begin.wallMs,
      wallNow,
      records: readJournal(journalPath).records,
      isDryRun: false,
    });
    const report = predicted ? { ...measured, predicted } : measured;
    writeSafely(join(dirname(journalPath), 'report.json'), renderJson(report));
    const { exitCode } = report.run;
    const { nowNs } = driver.context;
    await writer.append({ type: 'end', outcome, exitCode, atNs: nowNs, wallMs: wallNow() });
    onProgress({ type: 'run-end', outcome, exitCode, atNs: nowNs }, false);
    return { kind: 'over', report, journalPath };
  } finally {
    await writer.close();
  }
}

/** Beside the journal, because a later process may end the run. */
const predictionPath = ({ journalPath }: StoredRun): string => join(dirname(journalPath), 'prediction.json');

function readPrediction(run: StoredRun): ReportPrediction | undefined {
  const path = predictionPath(run);
  try {
    return JSON.parse(readFileSync(path, 'utf8')) as ReportPrediction;
  } catch {
    // A run is over whether or not what was foreseen of it is still there.
    return undefined;
  }
}

/** From here on the node listens to this engine and to none before it. */
async function newEpoch(store: RunStore, { port }: RunOptions): Promise<number> {
  const epoch = store.nextEpoch();
  await port.fence(epoch);
  return epoch;
}

const openJournal = (
  { openJournal: open = JournalWriter.open }: RunOptions,
  path: string,
  seq: number,
): Promise<Journal> => open(path, seq);

async function locked<Value>(
  playbook: string,
  { stateDir, wallNow }: RunOptions,
  work: (store: RunStore) => Promise<Value>,
): Promise<Value> {
  const since = new Date(wallNow()).toISOString();
  const lock = await lockNode(stateDir, { pid: process.pid, since, playbook });
  try {
    return await work(new RunStore(stateDir));
  } finally {
    await lock.release();
  }
}
