/** A playbook of the right shape as the rules want it: its steps in order, with kind and place. */
import type { Pointer } from '../diagnostics/diagnostic.ts';
import type { Phase, Playbook, Step } from '../generated/playbook.ts';
import { COMMIT } from '../steps/node.ts';
import type { StepKind } from '../steps/step-kind.ts';
import { stepKind } from '../steps/table.ts';

/** A step that is done itself, not one that includes others. */
export interface PlainStep extends Step {
  uses: NonNullable<Step['uses']>;
}

export interface OutlinedStep {
  readonly step: PlainStep;
  readonly kind: StepKind;
  readonly phase: Phase;
  readonly pointer: Pointer;
  /** Position among all steps of the playbook. */
  readonly index: number;
  readonly isAfterCommit: boolean;
  /** Steps of its phase, by index, that have to be over before. */
  readonly needs: readonly number[];
}

export interface Outline {
  readonly playbook: Playbook;
  readonly steps: readonly OutlinedStep[];
  /** Of steps with the same id, the first. */
  readonly byId: ReadonlyMap<string, OutlinedStep>;
}

export function outlineOf(playbook: Playbook): Outline {
  const steps: OutlinedStep[] = [];
  let isAfterCommit = false;
  for (const [phaseIndex, phase] of playbook.phases.entries()) {
    const first = steps.length;
    for (const [stepIndex, written] of phase.steps.entries()) {
      const step = written as PlainStep;
      const pointer = ['phases', phaseIndex, 'steps', stepIndex];
      const index = steps.length;
      const named = step.needs?.map((id) => first + phase.steps.findIndex((other) => other.id === id));
      const needs = named ?? (index > first ? [index - 1] : []);
      steps.push({ step, kind: stepKind(step.uses), phase, pointer, index, isAfterCommit, needs });
      if (step.uses === COMMIT) isAfterCommit = true;
    }
  }
  const byId = new Map<string, OutlinedStep>();
  for (const outlined of steps) if (!byId.has(outlined.step.id)) byId.set(outlined.step.id, outlined);
  return { playbook, steps, byId };
}

/** An argument as the playbook gives it, or the default of its kind. */
export const givenArg = ({ step, kind }: Pick<OutlinedStep, 'step' | 'kind'>, name: string): unknown =>
  step.with?.[name] ?? kind.args[name]?.default;
