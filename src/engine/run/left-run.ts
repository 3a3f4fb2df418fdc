/** What a run that was left is in the middle of, from its journal alone. */
import type { JournalRecord } from '../generated/journal.ts';
import { JournalError } from '../journal/journal-error.ts';
import type { NodePort } from '../node-port.ts';
import type { Plan } from '../plan/plan.ts';
import { compilePlan } from '../statechart/compiled-plan.ts';
import type { RunContext } from '../statechart/run-context.ts';
import { RunDriver } from './run-driver.ts';

export interface LeftRun {
  readonly plan: Plan;
  readonly context: RunContext;
}

/** Replays the journal; no node is asked for anything. Throws JournalError. */
export function leftRun(records: readonly JournalRecord[]): LeftRun {
  const [begin] = records;
  if (begin?.type !== 'begin') throw new JournalError('expected the begin of a run');
  const plan = begin.plan as unknown as Plan;
  const driver = new RunDriver({
    compiled: compilePlan(plan),
    port: NOBODY,
    sink: { append: () => Promise.resolve() },
    wallNow: () => 0,
    keyPrefix: begin.keyPrefix,
    epoch: begin.epoch,
    bootId: begin.bootId,
    beginNs: begin.atNs,
    facts: begin.facts as RunContext['facts'],
    onProgress: () => {},
  });
  driver.replay(records);
  return { plan, context: driver.context };
}

/** A replay asks no node. */
const NOBODY = new Proxy({} as NodePort, {
  get: (_, name) => {
    throw new Error(`a replay asked the node for ${String(name)}`);
  },
});
