/** A playbook of the right shape as the rules want it: its steps in order, with kind and place. */
import type { Pointer } from '../diagnostics/diagnostic.ts';
import type { Phase, Playbook, Step } from '../generated/playbook.ts';
import { COMMIT } from '../steps/node.ts';
import type { StepKind } from '../steps/step-kind.ts';
import { stepKind } from '../steps/table.ts';

export interface OutlinedStep {
  readonly step: Step;
  readonly kind: StepKind;
  readonly phase: Phase;
  readonly pointer: Pointer;
  /** Position among all steps of the playbook. */
  readonly index: number;
  readonly isAfterCommit: boolean;
}

export interface Outline {
  readonly playbook: Playbook;
  readonly steps: readonly OutlinedStep[];
}

export function outlineOf(playbook: Playbook): Outline {
  const steps: OutlinedStep[] = [];
  let isAfterCommit = false;
  for (const [phaseIndex, phase] of playbook.phases.entries()) {
    for (const [stepIndex, step] of phase.steps.entries()) {
      const pointer = ['phases', phaseIndex, 'steps', stepIndex];
      steps.push({ step, kind: stepKind(step.uses), phase, pointer, index: steps.length, isAfterCommit });
      if (step.uses === COMMIT) isAfterCommit = true;
    }
  }
  return { playbook, steps };
}

/** An argument as the playbook gives it, or the default of its kind. */
export const givenArg = ({ step, kind }: Pick<OutlinedStep, 'step' | 'kind'>, name: string): unknown =>
  step.with?.[name] ?? kind.args[name]?.default;
