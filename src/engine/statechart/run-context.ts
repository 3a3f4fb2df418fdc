/** What the statechart of a run remembers. Plain JSON, so that a checker can compare and a person can read it. */
import type { Outcome } from '../exit-codes.ts';
import type { Json } from '../node-port.ts';
import type { GuestFacts } from '../primitives.ts';
import type { StepArgs } from '../steps/step-kind.ts';

/** An effect that the driver has to bring about; its result comes back as an event. */
export type EffectInput =
  | { readonly kind: 'begin' }
  | { readonly kind: 'step'; readonly index: number; readonly attempt: number }
  /** Whether the step is done already. */
  | { readonly kind: 'ask'; readonly index: number; readonly attempt: number }
  | { readonly kind: 'undo'; readonly entry: DoneStep; readonly attempt: number }
  /** After a loss of power: boot the node, then see that the service answers. */
  | { readonly kind: 'boot'; readonly attempt: number }
  | { readonly kind: 'check'; readonly attempt: number }
  | { readonly kind: 'end' };

/** How an effect came about: times are node time. */
export interface EffectOutput {
  readonly startNs: number;
  readonly endNs: number;
  /** Arguments it was called with. */
  readonly args: StepArgs;
  readonly result: Json;
  /** Outputs as expressions see them. */
  readonly outputs: { readonly [name: string]: Json };
}

export interface EffectError {
  readonly startNs: number;
  readonly endNs: number;
  readonly args: StepArgs;
  readonly code: string;
  readonly message: string;
  readonly retryable: boolean;
  /** What there may be to take back: the node was never asked; it failed, perhaps half-way; it did it and the rest failed. */
  readonly left: 'nothing' | 'perhaps' | 'all';
  readonly result: Json;
}

/** A step whose effect, or half of it, is on the node. */
export interface DoneStep {
  readonly index: number;
  /** The attempt that did it: a phase may be taken back and run again. */
  readonly attempt: number;
  readonly args: StepArgs;
  /** null where it failed half-way. */
  readonly result: StepArgs | null;
}

export interface EffectResult {
  readonly index: number;
  readonly isUndo: boolean;
  readonly endNs: number;
  readonly result: Json;
}

export interface StepLedger {
  readonly outcome: 'done' | 'done-already' | 'failed' | 'skipped';
  readonly attempts: number;
  readonly startNs: number;
  readonly endNs: number;
}

export interface PhaseLedger {
  readonly id: string;
  readonly startNs: number;
  readonly endNs: number | null;
  /** How often it was begun, and when the last time: its timeout counts from there. */
  readonly rounds: number;
  readonly roundNs: number;
}

/** What a step that is under way has behind it. */
export interface StepTries {
  /** Attempts that are over, in this run. */
  readonly attempts: number;
  /** Those of them that no longer count: the step was begun anew by a resume or with its phase. */
  readonly attemptsBefore: number;
  /** When the first attempt that counts began; null before it has ended. */
  readonly sinceNs: number | null;
  /** Node time until the next attempt, or that a pause lasts. */
  readonly delayMs: number;
}

export const NO_TRIES: StepTries = { attempts: 0, attemptsBefore: 0, sinceNs: null, delayMs: 0 };

/** A limit that what a client noticed is beyond. */
export interface ExceededBudget {
  /** The phase, or the run. */
  readonly scope: 'phase' | 'run';
  readonly phase: string;
  readonly what: 'downtime' | 'errors' | 'errorRate';
  readonly limit: number;
  readonly measured: number;
  readonly atNs: number;
}

/** What a run waits for that is not the node's to bring about. */
export interface Waiting {
  readonly kind: 'window' | 'gate';
  readonly phase: string;
  /** Wall clock, in milliseconds: since when it waits, and until when at the most; null: not told yet, or without end. */
  readonly sinceMs: number | null;
  readonly untilMs: number | null;
  /** Who approved. */
  readonly approvals: readonly string[];
  /** Answers that were taken in, whatever they said. */
  readonly answers: number;
}

export interface RunFailure {
  readonly phase: string;
  readonly step: string;
  readonly attempts: number;
  readonly code: string;
  readonly message: string;
  /** null: the playbook itself. */
  readonly file: string | null;
  readonly line: number;
}

export interface RunContext {
  readonly nowNs: number;
  readonly facts: { readonly [name: string]: Json };
  readonly hasBegun: boolean;
  readonly beganNs: number;
  readonly osBefore: GuestFacts | null;
  readonly osAfter: GuestFacts | null;
  readonly isCommitted: boolean;
  /** A node's time and its measurements begin anew with each. */
  readonly powerLosses: number;
  /** Attempts of the engine's own effect under way (boot, check, undo) that are over. */
  readonly attempts: number;
  /** By step. */
  readonly tries: { readonly [index: number]: StepTries };
  /** Steps of the phase under way that are over: others may need them. */
  readonly over: readonly number[];
  /** What follows when the steps that are in flight have ended; null: the phase goes on. */
  readonly stopping: 'rollback' | 'abort' | null;
  /** Budgets that are spent. */
  readonly exceeded: readonly ExceededBudget[];
  /** Those that a resume has accepted, as scope and phase: they are not asked about again. */
  readonly acceptedBudgets: readonly string[];
  readonly waiting: Waiting | null;
  /** Outputs by step id. */
  readonly outputs: { readonly [step: string]: { readonly [output: string]: Json } };
  /** Results of the primitives, in order: what the report is made from. */
  readonly results: readonly EffectResult[];
  readonly steps: { readonly [index: number]: StepLedger };
  readonly phases: readonly PhaseLedger[];
  /** Steps to take back, the latest last. */
  readonly done: readonly DoneStep[];
  readonly undone: readonly string[];
  readonly leftOver: readonly string[];
  readonly failure: RunFailure | null;
  readonly outcome: Outcome | null;
}

export interface RunInput {
  readonly atNs: number;
  readonly facts: { readonly [name: string]: Json };
}
