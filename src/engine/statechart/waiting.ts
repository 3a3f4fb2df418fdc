/** What a run waits for that no node brings about: a window to open, people to agree. The wall clock comes with events. */
import type { PlannedGate, PlannedPhase, PlannedWindow } from '../plan/plan.ts';
import { nextBeginning } from '../values/calendar.ts';
import type { RunContext, RunFailure, Waiting } from './run-context.ts';

/** What somebody said at a gate. */
export interface GateAnswer {
  /** The phase that the gate is before. */
  readonly gate: string;
  readonly by: string;
  readonly decision: 'approve' | 'reject';
  readonly comment: string;
  readonly wallMs: number;
}

export interface WindowParams {
  readonly phase: PlannedPhase;
  readonly window: PlannedWindow;
}

export interface GateParams {
  readonly phase: PlannedPhase;
  readonly gate: PlannedGate;
}

export const wallMsOf = (event: object): number => (event as { readonly wallMs: number }).wallMs;

/** What the event decides at this gate, or undefined: it is for another one, or from somebody who is not asked. */
export function answered(event: object, { phase, gate }: GateParams): GateAnswer['decision'] | undefined {
  const { gate: at, by, decision } = event as GateAnswer;
  return at === phase.id && gate.approvers.includes(by) ? decision : undefined;
}

export function isApproved({ waiting }: RunContext, event: object, params: GateParams): boolean {
  if (answered(event, params) !== 'approve') return false;
  return new Set([...(waiting?.approvals ?? []), (event as GateAnswer).by]).size >= params.gate.required;
}

export function isTooOld({ waiting }: RunContext, event: object, { gate }: GateParams): boolean {
  const nowMs = wallMsOf(event);
  return gate.timeoutMs !== null && nowMs - (waiting?.sinceMs ?? nowMs) >= gate.timeoutMs;
}

export const beginWaiting = (kind: Waiting['kind'], phase: string): Waiting => ({
  kind,
  phase,
  sinceMs: null,
  untilMs: null,
  approvals: [],
  answers: 0,
});

/** What is known of the waiting once the clock was told. */
export function tellClock(waiting: Waiting, event: object, phase: PlannedPhase): Waiting {
  const nowMs = wallMsOf(event);
  const sinceMs = waiting.sinceMs ?? nowMs;
  const { window, gate } = phase;
  if (waiting.kind === 'window' && window) {
    return { ...waiting, sinceMs, untilMs: nextBeginning(window, nowMs, window.cutoffMs) };
  }
  return { ...waiting, sinceMs, untilMs: gate?.timeoutMs == null ? null : sinceMs + gate.timeoutMs };
}

export function takeAnswer(waiting: Waiting, event: object, params: GateParams): Waiting {
  const { by } = event as GateAnswer;
  const approves = answered(event, params) === 'approve' && !waiting.approvals.includes(by);
  return {
    ...waiting,
    answers: waiting.answers + 1,
    approvals: approves ? [...waiting.approvals, by] : waiting.approvals,
  };
}

/** The timeout, or who refused: of an answer that came too late it is the timeout that refuses. */
export function gateFailure(context: RunContext, { phase, gate }: GateParams, event: object): RunFailure {
  const { by, comment } = event as Partial<GateAnswer>;
  const approvals = context.waiting?.approvals.length ?? 0;
  const [code, message] =
    by === undefined || isTooOld(context, event, { phase, gate })
      ? [
          'gate-timeout',
          approvals === 0
            ? `nobody answered at the gate of ${phase.id} in time`
            : `${approvals} of ${gate.required} approved at the gate of ${phase.id} in time`,
        ]
      : ['gate-rejected', `${by} refused ${phase.id}${comment ? `: ${comment}` : ''}`];
  return { phase: phase.id, step: 'gate', attempts: 1, code, message, file: null, line: gate.line };
}

export const windowFailure = ({ phase, window }: WindowParams): RunFailure => ({
  phase: phase.id,
  step: 'window',
  attempts: 1,
  code: 'window-closed',
  message: `the window of ${phase.id} (${window.timeZone}) is closed`,
  file: null,
  line: window.line,
});
