/** Whether and when something that failed is tried again. */
import { createHash } from 'node:crypto';
import type { PlannedPhase, PlannedRetry, PlannedStep } from '../plan/plan.ts';
import { type EffectError, NO_TRIES, type RunContext, type StepTries } from './run-context.ts';

export const triesOf = (context: RunContext, { index }: PlannedStep): StepTries => context.tries[index] ?? NO_TRIES;

/** Attempts of the step that count: those since it was last begun. */
export const attemptsNow = ({ attempts, attemptsBefore }: StepTries): number => attempts - attemptsBefore;

/**
 * Time between the attempt that failed as the n-th and the next one, in milliseconds. `seed` moves the jitter: it is the
 * same in every run of a plan, so that a run that is resumed or rehearsed waits as long.
 */
export function retryDelayMs(retry: PlannedRetry, failedAttempts: number, seed: string): number {
  const delayMs = Math.min(retry.delayMs * retry.factor ** (failedAttempts - 1), retry.delayMsMax);
  if (retry.jitter === 0) return delayMs;
  const digest = createHash('sha256').update(`${seed}/${failedAttempts}`).digest();
  const share = digest.readUInt32LE(0) / 2 ** 32;
  return Math.round(delayMs * (1 + retry.jitter * (2 * share - 1)));
}

export function canRetry(context: RunContext, step: PlannedStep, error: EffectError, seed: string): boolean {
  const { retry } = step;
  const tries = triesOf(context, step);
  const over = attemptsNow(tries) + 1;
  const isWanted = retry.on === null ? error.retryable : retry.on.includes(error.code);
  const nextMs = (error.endNs - (tries.sinceNs ?? error.startNs)) / 1e6 + retryDelayMs(retry, over, seed);
  return isWanted && over < retry.attempts && (retry.durationMsMax === null || nextMs <= retry.durationMsMax);
}

/** Whether a phase of which a step has failed for good may be taken back and run again. */
export function canRunAgain(context: RunContext, { id, retry }: PlannedPhase, seed: string): boolean {
  const ledger = context.phases.at(-1);
  if (!retry || ledger?.id !== id || context.isCommitted) return false;
  const code = context.failure?.code ?? '';
  // What a client noticed does not go away by doing it again, nor does what the operator wants.
  const isWanted = retry.on === null ? code !== 'budget' && code !== 'on-request' : retry.on.includes(code);
  const nextMs = (context.nowNs - ledger.startNs) / 1e6 + retryDelayMs(retry, ledger.rounds, seed);
  return isWanted && ledger.rounds < retry.attempts && (retry.durationMsMax === null || nextMs <= retry.durationMsMax);
}
