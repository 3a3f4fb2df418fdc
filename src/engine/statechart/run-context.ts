/** What the statechart of a run remembers. Plain JSON, so that a checker can compare and a person can read it. */
import type { Outcome } from '../exit-codes.ts';
import type { Json } from '../node-port.ts';
import type { GuestFacts } from '../primitives.ts';
import type { StepArgs } from '../steps/step-kind.ts';

/** An effect that the driver has to bring about; its result comes back as an event. */
export type EffectInput =
  | { readonly kind: 'begin' }
  | { readonly kind: 'step'; readonly index: number; readonly attempt: number }
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
  readonly outcome: 'done' | 'failed' | 'skipped';
  readonly attempts: number;
  readonly startNs: number;
  readonly endNs: number;
}

export interface PhaseLedger {
  readonly id: string;
  readonly startNs: number;
  readonly endNs: number | null;
}

export interface RunFailure {
  readonly phase: string;
  readonly step: string;
  readonly attempts: number;
  readonly code: string;
  readonly message: string;
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
  /** Attempts of the current effect that are over. */
  readonly attempts: number;
  /** Attempts of the current step that were over when the run was last resumed from a pause. */
  readonly attemptsBefore: number;
  /** Node time until the next attempt, or that a pause lasts. */
  readonly delayMs: number;
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
