/**
 * A playbook with every variable filled in, every duration in milliseconds and every default written out: what the
 * statechart is compiled from and what the journal begins with. Frozen; its hash names the run.
 */
import type { ValueType } from '../expression/cel-value.ts';
import type { Json } from '../node-port.ts';
import type { ServiceSpec } from '../primitives.ts';
import type { CalendarTimes } from '../values/calendar.ts';
import type { VariableType } from '../values/variable.ts';

/**
 * A value that may be known only when the step runs. What a variable gave is a value here and never read as an
 * expression again.
 */
export type PlannedValue =
  | { readonly as: 'value'; readonly value: Json }
  | { readonly as: 'expression'; readonly source: string }
  | { readonly as: 'secret'; readonly name: string }
  | { readonly as: 'text'; readonly parts: readonly PlannedPart[] }
  | { readonly as: 'list'; readonly items: readonly PlannedValue[] }
  | { readonly as: 'map'; readonly entries: { readonly [key: string]: PlannedValue } };

export type PlannedPart = string | { readonly source: string } | { readonly secret: string };

export type PlannedArgs = { readonly [name: string]: PlannedValue };

/** A step without a name of its own: what takes another one back, or asks whether it was done. */
export interface PlannedCall {
  readonly uses: string;
  readonly with: PlannedArgs;
  readonly timeoutMs: number;
}

export type FailurePolicy = 'rollback' | 'pause' | 'continue' | 'abort';

export interface PlannedRetry {
  /** Attempts in all. */
  readonly attempts: number;
  readonly delayMs: number;
  readonly factor: number;
  readonly delayMsMax: number;
  /** Share of a delay by which it may be shorter or longer. */
  readonly jitter: number;
  /** No attempt begins later than this after the first began; null: as late as may be. */
  readonly durationMsMax: number | null;
  /** Codes of failures that are tried again; null: those that can pass by themselves. */
  readonly on: readonly string[] | null;
}

export interface PlannedRound {
  readonly item: Json;
  readonly index: number;
  /** That of all entries of the loop, where this one alone would be taken for another. */
  readonly type?: ValueType;
}

export interface PlannedStep {
  /** Position among all steps, criteria included. */
  readonly index: number;
  /** Unique in the plan; parts of a fragment or a loop are joined by colons. No expression can name a hidden step. */
  readonly id: string;
  /** Name in its own file. */
  readonly name: string;
  /** Where its expressions find their names: a key of PlanContent.scopes. */
  readonly scope: string;
  /** The scope whose expressions can name it; null: none. What a fragment tells is named where it is included. */
  readonly namedIn: string | null;
  readonly title: string;
  readonly uses: string;
  readonly phase: string;
  readonly with: PlannedArgs;
  /** A condition, or null: always. */
  readonly when: string | null;
  /** Asked before each attempt; where it succeeds the step is done already. */
  readonly doneIf: PlannedCall | null;
  /** Indices of the steps of its phase that have to be over before it starts. */
  readonly needs: readonly number[];
  /** Entry of the loop it is a round of. */
  readonly each: PlannedRound | null;
  readonly timeoutMs: number;
  /** What the author reckons with; null: what the step table says. */
  readonly expectedMs: number | null;
  readonly retry: PlannedRetry;
  readonly onFailure: FailurePolicy;
  /** `default`: what the step table says. */
  readonly undo: PlannedCall | 'default' | 'none';
  readonly outputs: PlannedArgs;
  readonly isAfterCommit: boolean;
  /** Made by the planner: an exit criterion, the outputs of a fragment, what a phase's budget or undo need. */
  readonly isHidden: boolean;
  readonly file: string;
  readonly line: number;
}

export type BudgetAction = 'rollback' | 'pause' | 'warn' | 'abort';

/** What a client may notice. null: anything. */
export interface PlannedBudget {
  readonly downtimeMs: number | null;
  readonly errors: number | null;
  /** Share of the requests, 0 to 1. */
  readonly errorRate: number | null;
  readonly action: BudgetAction;
  readonly line: number;
}

export interface PlannedGate {
  readonly approvers: readonly string[];
  readonly required: number;
  /** Wall-clock time; null: it waits for ever. */
  readonly timeoutMs: number | null;
  readonly onFailure: Exclude<FailurePolicy, 'continue'>;
  readonly message: string;
  readonly line: number;
}

export interface PlannedWindow extends CalendarTimes {
  readonly cutoffMs: number;
  readonly onClosed: 'wait' | 'fail';
  readonly onFailure: Exclude<FailurePolicy, 'continue'>;
  readonly line: number;
}

export interface PlannedPhase {
  readonly id: string;
  readonly title: string;
  /** null: as long as its steps take. */
  readonly timeoutMs: number | null;
  readonly window: PlannedWindow | null;
  readonly gate: PlannedGate | null;
  readonly budget: PlannedBudget | null;
  /** null: it is run once. */
  readonly retry: PlannedRetry | null;
  readonly steps: readonly PlannedStep[];
  readonly line: number;
}

/** Where expressions find names: the playbook, or one use of a fragment. */
export interface PlannedScope {
  /** The scope that includes this one; null: this is the playbook. */
  readonly parent: string | null;
  /** Parameters of the fragment, evaluated in the parent. */
  readonly params: { readonly [name: string]: { readonly type: ValueType; readonly value: PlannedValue } };
  /** The round of the loop that includes it. */
  readonly each: PlannedStep['each'];
  /** Its steps are skipped unless this holds in the parent; null: always. */
  readonly when: string | null;
}

/** The scope of what stands in the playbook itself. */
export const PLAYBOOK_SCOPE = '';

export type SecretReference = { readonly env: string } | { readonly file: string };

export interface PlannedNode {
  readonly image: string | null;
  readonly bankBytes: number | null;
  /** Null: the playbook leaves it to the node. */
  readonly harts: number | null;
  readonly disks: readonly {
    readonly name: string;
    readonly image: string;
    /** The OS that boots has it, whichever that is. */
    readonly attached: boolean;
  }[];
}

export interface PlanContent {
  readonly version: 1;
  readonly name: string;
  readonly file: string;
  readonly playbookSha256: string;
  /** What the playbook is made of besides: fragments and calendars, with their hashes. */
  readonly files: readonly { readonly file: string; readonly sha256: string }[];
  readonly vars: { readonly [name: string]: { readonly type: VariableType; readonly value: Json } };
  readonly secrets: { readonly [name: string]: SecretReference };
  readonly scopes: { readonly [scope: string]: PlannedScope };
  readonly node: PlannedNode;
  /** For how long the agent of a guest may be silent. */
  readonly hangMs: number;
  readonly service: ServiceSpec;
  readonly packages: readonly string[];
  readonly budget: PlannedBudget | null;
  readonly outputs: PlannedArgs;
  readonly phases: readonly PlannedPhase[];
}

export interface Plan extends PlanContent {
  /** SHA-256 of the canonical JSON of everything else, in hexadecimal. */
  readonly sha256: string;
}

/** Phases of a report that no playbook has. */
export const ROLLBACK_PHASE = 'rollback';
export const RECOVERY_PHASE = 'recovery';

/** Id of a step that the planner makes: no written one has a hyphen in it, and `begin` and `end` are refused. */
export const hiddenStepId = (phase: string, what: 'begin' | 'end' | `verify-${number}`): string => `${phase}:${what}`;

/**
 * Name of a run: the same plan has the same name, so that two runs of it give the same report. Keys at the node get
 * the run's number beside it (RunStore), because a node keeps the keys of all its runs.
 */
export const runIdOf = (plan: Plan): string => plan.sha256.slice(0, 12);

export const stepsOf = (plan: PlanContent): readonly PlannedStep[] => plan.phases.flatMap(({ steps }) => steps);
