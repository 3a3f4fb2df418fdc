/**
 * A playbook with every variable filled in, every duration in milliseconds and every default written out: what the
 * statechart is compiled from and what the journal begins with. Frozen; its hash names the run.
 */
import type { Json } from '../node-port.ts';
import type { ServiceSpec } from '../primitives.ts';
import type { VariableType } from '../values/variable.ts';

/**
 * A value that may be known only when the step runs. What a variable gave is a value here and never read as an
 * expression again.
 */
export type PlannedValue =
  | { readonly as: 'value'; readonly value: Json }
  | { readonly as: 'expression'; readonly source: string }
  | { readonly as: 'text'; readonly parts: readonly (string | { readonly source: string })[] }
  | { readonly as: 'list'; readonly items: readonly PlannedValue[] }
  | { readonly as: 'map'; readonly entries: { readonly [key: string]: PlannedValue } };

export type PlannedArgs = { readonly [name: string]: PlannedValue };

export interface PlannedUndo {
  readonly uses: string;
  readonly with: PlannedArgs;
  readonly timeoutMs: number;
}

export type FailurePolicy = 'rollback' | 'pause' | 'continue' | 'abort';

export interface PlannedStep {
  /** Position among all steps, criteria included. */
  readonly index: number;
  /** Unique in the plan. Criteria of a phase have ids that no expression can name. */
  readonly id: string;
  readonly title: string;
  readonly uses: string;
  readonly phase: string;
  readonly with: PlannedArgs;
  /** A condition, or null: always. */
  readonly when: string | null;
  readonly timeoutMs: number;
  /** What the author reckons with; null: what the step table says. */
  readonly expectedMs: number | null;
  readonly retry: {
    readonly attempts: number;
    readonly delayMs: number;
    readonly factor: number;
    readonly delayMsMax: number;
  };
  readonly onFailure: FailurePolicy;
  /** `default`: what the step table says. */
  readonly undo: PlannedUndo | 'default' | 'none';
  readonly outputs: PlannedArgs;
  readonly isAfterCommit: boolean;
  readonly isCriterion: boolean;
  /** Line in the playbook. */
  readonly line: number;
}

export interface PlannedPhase {
  readonly id: string;
  readonly title: string;
  /** null: as long as its steps take. */
  readonly timeoutMs: number | null;
  readonly steps: readonly PlannedStep[];
}

export interface PlannedNode {
  readonly image: string | null;
  readonly bankBytes: number | null;
  readonly disks: readonly { readonly name: string; readonly image: string }[];
}

export interface PlanContent {
  readonly version: 1;
  readonly name: string;
  readonly file: string;
  readonly playbookSha256: string;
  readonly vars: { readonly [name: string]: { readonly type: VariableType; readonly value: Json } };
  readonly node: PlannedNode;
  readonly service: ServiceSpec;
  readonly packages: readonly string[];
  readonly phases: readonly PlannedPhase[];
}

export interface Plan extends PlanContent {
  /** SHA-256 of the canonical JSON of everything else, in hexadecimal. */
  readonly sha256: string;
}

/** Phases of a report that no playbook has. */
export const ROLLBACK_PHASE = 'rollback';
export const RECOVERY_PHASE = 'recovery';

/**
 * Name of a run: the same plan has the same name, so that two runs of it give the same report. Keys at the node get
 * the run's number beside it (RunStore), because a node keeps the keys of all its runs.
 */
export const runIdOf = (plan: Plan): string => plan.sha256.slice(0, 12);

export const stepsOf = (plan: PlanContent): readonly PlannedStep[] => plan.phases.flatMap(({ steps }) => steps);
