/** What the explored statechart of a run is made of. */
import type { Outcome } from '../exit-codes.ts';
import type { ModelNode } from '../model/model-node.ts';
import type { DriverState } from '../run/run-driver.ts';
import type { EffectInput } from '../statechart/run-context.ts';
import type { Choice } from './choices.ts';

/** What the world did to an effect. The first is what everybody hopes for. */
export type Fate =
  | 'ok'
  /** Refused or failed, and nothing was done. */
  | 'fails'
  /** Failed after a part of it was done. */
  | 'fails half-way'
  | 'times out'
  | 'times out half-way'
  /** Done, but by then the time of its phase is over. */
  | 'ok, too late'
  /** The engine dies with its intent on disk and nothing done; with all done and nothing of it on disk. */
  | 'engine crashes before'
  | 'engine crashes after'
  | 'fails, then the engine crashes'
  /** The node loses its power; what was flushed stays. */
  | 'power lost before'
  | 'power lost after';

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
  readonly fate: Fate | 'time passes' | 'resumed by the operator' | 'taken back by the operator';
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
