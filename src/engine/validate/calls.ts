/** Every call of a step kind that a playbook makes: its steps, what asks whether one is done, what takes it back. */
import type { Pointer } from '../diagnostics/diagnostic.ts';
import type { ExpandedPhase, PlainStep } from '../expand/expanded.ts';
import type { StepKind } from '../steps/step-kind.ts';
import { stepKind } from '../steps/table.ts';

export interface StepCall {
  readonly kind: StepKind;
  readonly with: { readonly [name: string]: unknown };
  readonly timeout?: string | undefined;
  /** Where `uses`, `with` and `timeout` stand. */
  readonly pointer: Pointer;
}

type WrittenCall = Partial<Pick<StepCall, 'with' | 'timeout'>> & { readonly uses: string };

/** A step that was a fragment makes no call of its own. */
export const callsOf = (
  phases: readonly ExpandedPhase[],
  steps: readonly { readonly step: PlainStep; readonly pointer: Pointer }[],
): readonly StepCall[] => [
  ...phases.flatMap(({ undo }, index) => written(undo, ['phases', index, 'undo'])),
  ...steps.flatMap(({ step, pointer }) => [
    ...written(step, pointer),
    ...written(step.doneIf, [...pointer, 'doneIf']),
    ...written(step.undo, [...pointer, 'undo']),
  ]),
];

const written = (call: WrittenCall | 'none' | undefined, pointer: Pointer): readonly StepCall[] =>
  typeof call === 'object'
    ? [{ kind: stepKind(call.uses), with: call.with ?? {}, timeout: call.timeout, pointer }]
    : [];
