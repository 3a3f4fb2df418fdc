/** What a phase or a playbook says beside its steps: retries, budgets, gates, windows. */
import type { Pointer } from '../diagnostics/diagnostic.ts';
import type { Budget, Gate, Retry, Window } from '../generated/playbook.ts';
import type { CalendarTimes } from '../values/calendar.ts';
import type { FailurePolicy, PlannedBudget, PlannedGate, PlannedRetry, PlannedWindow } from './plan.ts';

/** Gives durations their milliseconds and pointers their lines; complains where that is not possible. */
export interface Settings {
  durationMs(text: string, pointer: Pointer): number;
  lineOf(pointer: Pointer): number;
}

const RETRY_DELAY_MS_MAX = 3_600_000;

export const NO_RETRY: PlannedRetry = {
  attempts: 1,
  delayMs: 0,
  factor: 1,
  delayMsMax: RETRY_DELAY_MS_MAX,
  jitter: 0,
  durationMsMax: null,
  on: null,
};

/** null where it is absent. */
const optional = (settings: Settings, text: string | undefined, pointer: Pointer): number | null =>
  text === undefined ? null : settings.durationMs(text, pointer);

export function planRetry(retry: Retry, settings: Settings, at: Pointer): PlannedRetry {
  const { attempts, delay, backoff, jitter = 0, maxDuration, on } = retry;
  return {
    attempts,
    delayMs: optional(settings, delay, [...at, 'delay']) ?? 0,
    factor: backoff?.factor ?? 1,
    delayMsMax: optional(settings, backoff?.max, [...at, 'backoff', 'max']) ?? RETRY_DELAY_MS_MAX,
    jitter,
    durationMsMax: optional(settings, maxDuration, [...at, 'maxDuration']),
    on: on ?? null,
  };
}

export function planBudget(budget: Budget | undefined, settings: Settings, at: Pointer): PlannedBudget | null {
  if (!budget) return null;
  const { downtime, errors = null, errorRate, action = 'rollback' } = budget;
  return {
    downtimeMs: optional(settings, downtime, [...at, 'downtime']),
    errors,
    errorRate: errorRate === undefined ? null : Number.parseFloat(errorRate) / 100,
    action,
    line: settings.lineOf(at),
  };
}

/** What follows a refusal where nothing is said. */
const refusalPolicy = (isAfterCommit: boolean): Exclude<FailurePolicy, 'continue'> =>
  isAfterCommit ? 'pause' : 'rollback';

export function planGate(
  gate: Gate | undefined,
  isAfterCommit: boolean,
  settings: Settings,
  at: Pointer,
): PlannedGate | null {
  if (!gate) return null;
  const { approvers, required = 1, timeout, onFailure = refusalPolicy(isAfterCommit), message = '' } = gate;
  const timeoutMs = optional(settings, timeout, [...at, 'timeout']);
  return { approvers, required, timeoutMs, onFailure, message, line: settings.lineOf(at) };
}

export function planWindow(
  window: Window | undefined,
  times: CalendarTimes | undefined,
  isAfterCommit: boolean,
  settings: Settings,
  at: Pointer,
): PlannedWindow | null {
  if (!window || !times) return null;
  return {
    ...times,
    cutoffMs: optional(settings, window.cutoff, [...at, 'cutoff']) ?? 0,
    onClosed: window.onClosed ?? 'wait',
    onFailure: refusalPolicy(isAfterCommit),
    line: settings.lineOf(at),
  };
}
