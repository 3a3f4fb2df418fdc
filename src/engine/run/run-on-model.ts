/**
 * A whole run on a model node in virtual time, with whatever goes wrong on the way: where mvctl dies it is started again
 * and resumes from what its journal holds, which is kept in memory.
 */
import type { Outcome } from '../exit-codes.ts';
import type { JournalRecord } from '../generated/journal.ts';
import type { NewRecord } from '../journal/record-line.ts';
import { Crash, endsAfter, endsBefore, type Fate, interferenceOf, losesPower, usesAllTime } from '../model/fate.ts';
import { ModelNode, type ModelTiming } from '../model/model-node.ts';
import type { ActRequest, Json } from '../node-port.ts';
import { runIdOf } from '../plan/plan.ts';
import type { FailureCode } from '../primitives.ts';
import type { CompiledPlan } from '../statechart/compiled-plan.ts';
import type { RunContext } from '../statechart/run-context.ts';
import { type Occasion, occasionOf } from './occasion.ts';
import { type DriveEnd, RunDriver } from './run-driver.ts';
import type { ProgressListener } from './run-progress.ts';

export interface ModelRunOptions {
  readonly timing: (request: ActRequest, nowNs: number) => ModelTiming;
  /** Absent: everything goes well. */
  readonly fateOf?: (occasion: Occasion) => OrderedFate | undefined;
  /** What a primitive says in place of the model's result. */
  readonly answer?: (occasion: Occasion, result: Json) => Json;
  /** How often a run that pauses is resumed. */
  readonly resumes?: number;
  readonly assumesAssertions?: boolean;
  /** Windows are open and gates are approved. */
  readonly admits?: boolean;
  readonly onProgress?: ProgressListener;
}

export interface OrderedFate {
  readonly fate: Fate;
  readonly code?: FailureCode | undefined;
  readonly message?: string | undefined;
}

export interface ModelRun {
  readonly outcome: Outcome;
  readonly context: RunContext;
  readonly node: ModelNode;
  /** How often mvctl died. */
  readonly crashes: number;
}

/** More than any test asks for: a run that dies more often never ends. */
const CRASHES_MAX = 1_000;
const NS_PER_MS = 1e6;

export async function runOnModel(compiled: CompiledPlan, options: ModelRunOptions): Promise<ModelRun> {
  const { plan, steps } = compiled;
  const ids = new Set(steps.map(({ id }) => id));
  /** Of the requests that have begun, by their keys. */
  const fates = new Map<string, Fate>();
  /** Keys of the requests of effects, by their names in the statechart. */
  const keys = new Map<string, string>();
  let lostPower = false;
  const node = new ModelNode({
    hardware: plan.node,
    timing: (request, nowNs) => {
      const timing = options.timing(request, nowNs);
      const leftMs = ((request.deadlineNs ?? Number.POSITIVE_INFINITY) - nowNs) / NS_PER_MS;
      return usesAllTime(fates.get(request.key) ?? 'ok') && Number.isFinite(leftMs)
        ? { ...timing, ms: Math.max(0, leftMs) }
        : timing;
    },
    interfere: (request) => {
      const ordered = options.fateOf?.(occasionOf(request.key, ids));
      if (!ordered) return undefined;
      const { fate, code, message } = ordered;
      if (endsBefore(fate)) {
        lostPower = losesPower(fate);
        throw new Crash();
      }
      fates.set(request.key, fate);
      return interferenceOf(fate, code, message);
    },
    ...(options.answer
      ? { answer: (request: ActRequest, result: Json) => options.answer!(occasionOf(request.key, ids), result) }
      : {}),
  });
  const records: JournalRecord[] = [];
  const append = async (record: NewRecord): Promise<void> => {
    if (record.type === 'intent') keys.set(record.effect, record.key);
    const key = record.type === 'event' ? keys.get(String(record.event['actorId'])) : undefined;
    const fate = (key !== undefined && fates.get(key)) || 'ok';
    if (key !== undefined && endsAfter(fate)) {
      fates.delete(key);
      lostPower = losesPower(fate);
      throw new Crash();
    }
    records.push({
      ...(JSON.parse(JSON.stringify(record)) as NewRecord),
      seq: records.length + 1,
      crc: '',
    } as JournalRecord);
  };
  const { nowNs: beginNs, bootId } = node;
  const begin = (): RunDriver => {
    const driver = new RunDriver({
      compiled,
      port: node,
      sink: { append },
      wallNow: () => 0,
      keyPrefix: runIdOf(plan),
      epoch: 1,
      bootId,
      beginNs,
      facts: {},
      onProgress: options.onProgress ?? (() => {}),
      assumesAssertions: options.assumesAssertions ?? false,
      admits: options.admits ?? false,
      secrets: Object.fromEntries(Object.keys(plan.secrets).map((name) => [name, ''])),
    });
    driver.replay(records);
    return driver;
  };
  let driver = begin();
  let resumes = options.resumes ?? 0;
  for (let crashes = 0; crashes < CRASHES_MAX; ) {
    const end = await driver.drive().catch((problem: unknown): 'crashed' => {
      if (problem instanceof Crash) return 'crashed';
      throw problem;
    });
    if (end === 'crashed') {
      crashes += 1;
      if (lostPower) node.losePower();
      lostPower = false;
    } else if (end === 'paused' && resumes > 0) resumes -= 1;
    else return { outcome: outcomeOf(end, driver), context: driver.context, node, crashes };
    driver = begin();
  }
  throw new Error(`the run died more than ${CRASHES_MAX} times`);
}

const outcomeOf = (end: DriveEnd, driver: RunDriver): Outcome =>
  end === 'finished' ? (driver.context.outcome ?? 'failed-dirty') : 'paused';
