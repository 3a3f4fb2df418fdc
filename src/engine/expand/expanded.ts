/**
 * A playbook with its fragments and loops written out: what the rules look at and the plan is made from. Pointers into it
 * are those of the playbook written out; `locate` knows in which file each part stands.
 */
import type { Diagnostic, Finding, Pointer } from '../diagnostics/diagnostic.ts';
import type { ValueType } from '../expression/cel-value.ts';
import type { Parameter } from '../generated/fragment.ts';
import type { Phase, Playbook, Step, Window } from '../generated/playbook.ts';
import type { Json } from '../node-port.ts';
import type { SourceFile } from '../parse/parse-yaml.ts';
import type { CalendarTimes } from '../values/calendar.ts';

/**
 * A step that is done itself, not one that includes others. `when` is all that has to hold for it to run: two steps with
 * the same text run together or not at all.
 */
export interface PlainStep extends Step {
  uses: NonNullable<Step['uses']>;
}

/** An entry of a loop. */
export interface Round {
  readonly item: Json;
  readonly index: number;
  /** Type of the entries, as far as it is known. */
  readonly type: ValueType;
}

/** Where names are found: the playbook, or one use of a fragment. */
export interface ExpandedScope {
  readonly id: string;
  /** null: the playbook itself. */
  readonly parent: string | null;
  /** The same as an object. */
  readonly around: ExpandedScope | null;
  readonly params: { readonly [name: string]: Parameter };
  /** Arguments for them, or their defaults. */
  readonly args: { readonly [name: string]: unknown };
  readonly round: Round | null;
  /** Condition of the step that includes it, in the scope of the parent; null: always. */
  readonly when: string | null;
  /** That and all conditions around it, as text: what runs under the same guard runs together. */
  readonly guard: string | null;
  /** The step that includes it. */
  readonly includedBy: { readonly step: Step; readonly source: SourceFile; readonly pointer: Pointer } | null;
}

export interface ExpandedStep {
  readonly step: PlainStep;
  /** As it stands in its file. */
  readonly written: Step;
  /** Name in its own file. */
  readonly name: string;
  readonly scope: ExpandedScope;
  /** The scope whose expressions can name it; null: none. */
  readonly namedIn: string | null;
  readonly round: Round | null;
  /** Ids of steps of its phase that have to be over before. */
  readonly needs: readonly string[];
  readonly source: SourceFile;
  readonly pointer: Pointer;
  /** Folder of its file, relative to the playbook. */
  readonly folder: string;
  /** Tells the outputs of a fragment. */
  readonly isHidden: boolean;
}

export interface ExpandedPhase extends Omit<Phase, 'steps'> {
  steps: PlainStep[];
}

export interface ExpandedPlaybook extends Omit<Playbook, 'phases'> {
  phases: ExpandedPhase[];
}

export interface Expanded {
  readonly source: SourceFile;
  /** As it stands in its file. */
  readonly written: Playbook;
  readonly playbook: ExpandedPlaybook;
  /** By phase, in the order of the playbook written out. */
  readonly phases: readonly (readonly ExpandedStep[])[];
  readonly scopes: ReadonlyMap<string, ExpandedScope>;
  /** Times of the windows of the playbook and its phases, by the window as it is written. */
  readonly times: ReadonlyMap<Window, CalendarTimes>;
  /** Fragments and calendars, each once. */
  readonly files: readonly SourceFile[];
  /** What is wrong with the files it is made of; a playbook with errors is not complete. */
  readonly diagnostics: readonly Diagnostic[];
  /** Values of variables may change what it looks like: it has to be expanded with them. */
  readonly dependsOnVars: boolean;
  locate(finding: Finding): Diagnostic;
}
