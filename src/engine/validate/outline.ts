/** A playbook of the right shape, written out, as the rules want it: its steps in order, with kind and place. */
import type { Diagnostic, Finding, Pointer } from '../diagnostics/diagnostic.ts';
import type { Expanded, ExpandedPhase, ExpandedPlaybook, ExpandedStep, PlainStep } from '../expand/expanded.ts';
import { COMMIT } from '../steps/node.ts';
import type { StepKind } from '../steps/step-kind.ts';
import { stepKind } from '../steps/table.ts';
import { callsOf, type StepCall } from './calls.ts';

export interface OutlinedStep {
  readonly step: PlainStep;
  readonly kind: StepKind;
  readonly phase: ExpandedPhase;
  readonly pointer: Pointer;
  /** Position among all steps of the playbook. */
  readonly index: number;
  readonly isAfterCommit: boolean;
  /** Steps of its phase, by index, that have to be over before. */
  readonly needs: readonly number[];
  readonly expanded: ExpandedStep;
}

export interface Outline {
  readonly playbook: ExpandedPlaybook;
  readonly steps: readonly OutlinedStep[];
  readonly calls: readonly StepCall[];
  /** Of steps with the same id, the first. */
  readonly byId: ReadonlyMap<string, OutlinedStep>;
  readonly expanded: Expanded;
  /** Gives a rule's finding its place. */
  locate(finding: Finding): Diagnostic;
  /** Whether `step` is over whenever `other` begins. */
  isBefore(step: OutlinedStep, other: OutlinedStep): boolean;
}

export function outlineOf(expanded: Expanded): Outline {
  const { playbook, phases } = expanded;
  const steps: OutlinedStep[] = [];
  const byId = new Map<string, OutlinedStep>();
  let isAfterCommit = false;
  for (const [phaseIndex, phase] of playbook.phases.entries()) {
    const indices = new Map<string, number>();
    for (const [stepIndex, part] of phases[phaseIndex]!.entries()) {
      const { step } = part;
      const pointer = ['phases', phaseIndex, 'steps', stepIndex];
      const index = steps.length;
      const needs = part.needs.flatMap((id) => indices.get(id) ?? []);
      const kind = stepKind(step.uses);
      const outlined = { step, kind, phase, pointer, index, isAfterCommit, needs, expanded: part };
      steps.push(outlined);
      indices.set(step.id, index);
      if (!byId.has(step.id)) byId.set(step.id, outlined);
      if (step.uses === COMMIT) isAfterCommit = true;
    }
  }
  return {
    playbook,
    steps,
    calls: callsOf(playbook.phases, steps),
    byId,
    expanded,
    locate: expanded.locate,
    isBefore: (step, other) => (step.phase === other.phase ? isNeededBy(steps, step, other) : step.index < other.index),
  };
}

function isNeededBy(steps: readonly OutlinedStep[], step: OutlinedStep, other: OutlinedStep): boolean {
  const seen = new Set<number>();
  const pending = [...other.needs];
  for (let index = pending.pop(); index !== undefined; index = pending.pop()) {
    if (index === step.index) return true;
    if (index < step.index || seen.has(index)) continue;
    seen.add(index);
    pending.push(...steps[index]!.needs);
  }
  return false;
}

/** What follows a failure of the step where the playbook says so, and where that stands: with the step, or with its phase. */
export function failurePolicy({ step, phase, pointer }: OutlinedStep): {
  readonly policy: PlainStep['onFailure'];
  readonly pointer: Pointer;
} {
  const isOwn = step.onFailure !== undefined || phase.onFailure === undefined;
  return {
    policy: step.onFailure ?? phase.onFailure,
    pointer: [...(isOwn ? pointer : pointer.slice(0, 2)), 'onFailure'],
  };
}

/** An argument as the playbook gives it, or the default of its kind. */
export const givenArg = ({ step, kind }: Pick<OutlinedStep, 'step' | 'kind'>, name: string): unknown =>
  step.with?.[name] ?? kind.args[name]?.default;
