/** What the explored statechart of a run is made of. */
import type { Outcome } from '../exit-codes.ts';
import type { Fate } from '../model/fate.ts';
import type { ModelNode } from '../model/model-node.ts';
import type { DriverState } from '../run/driver-options.ts';
import type { EffectInput } from '../statechart/run-context.ts';
import type { Choice } from './choices.ts';

/** Where a run can be: what its driver knows, the node, and the conditions that were decided. */
export interface Spot {
  readonly driver: DriverState;
  readonly node: ModelNode;
  readonly conditions: ReadonlyMap<string, boolean>;
}

export interface State {
  readonly id: number;
  readonly spot: Spot;
  /** How it was reached first; undefined for the beginning. */
  reachedBy: Edge | undefined;
  readonly outcome: Outcome | undefined;
  edges: readonly Edge[];
}

export interface Edge {
  readonly from: State;
  readonly to: State;
  /** What was under way; undefined for a timer or an operator. */
  readonly effect: EffectInput | undefined;
  readonly fate: Fate | 'time-passes' | 'resumed' | 'taken-back' | 'admitted' | 'rejected' | 'nobody-answers';
  readonly choices: readonly Choice[];
  /** Code and message where the node, or the engine, said no. */
  readonly error: { readonly code: string; readonly message: string } | undefined;
  /** Longest time it can take, in node time. */
  readonly msMax: number;
  /** Longest time of it without an answer to a client. */
  readonly downtimeMsMax: number;
  /** The phase it belongs to. */
  readonly phase: string;
}
