/** What happens to a run, as the statechart and the journal have it. */
import { ExpressionFailure } from '../expression/scope.ts';
import type { ActOutcome } from '../node-port.ts';
import type { CompiledPlan } from '../statechart/compiled-plan.ts';
import type { EffectError, EffectInput, EffectOutput, RunContext } from '../statechart/run-context.ts';
import type { StepArgs } from '../steps/step-kind.ts';
import { stepOutputs } from './effect-request.ts';

export interface Happening {
  readonly type: string;
  readonly atNs: number;
  readonly [field: string]: unknown;
}

/** An effect, and the arguments of its step as they may be shown. */
interface Asked {
  readonly effect: EffectInput;
  readonly args: StepArgs;
}

/** What the answer of the node is to the effect; outputs of a step that have no value are its failure. */
export function endOfAct(
  effectId: string,
  { effect, args }: Asked,
  outcome: ActOutcome,
  { evaluator, steps }: CompiledPlan,
  context: RunContext,
): Happening {
  const { startNs, endNs } = outcome;
  if (!outcome.ok) {
    const { code, message, retryable } = outcome.error;
    return failed(effectId, { startNs, endNs, args, code, message, retryable, left: 'perhaps', result: null });
  }
  const { result } = outcome;
  if (effect.kind !== 'step') return done(effectId, { startNs, endNs, args, result, outputs: {} });
  try {
    const outputs = stepOutputs(evaluator, steps[effect.index]!, result, context);
    return done(effectId, { startNs, endNs, args, result, outputs });
  } catch (error) {
    if (!(error instanceof ExpressionFailure)) throw error;
    const problem = { code: 'expression', message: error.message, retryable: false, left: 'all' as const, result };
    return failed(effectId, { startNs, endNs, args, ...problem });
  }
}

export const done = (actorId: string, output: EffectOutput): Happening => ({
  type: `xstate.done.actor.${actorId}`,
  actorId,
  output,
  atNs: output.endNs,
});

export const failed = (actorId: string, error: EffectError): Happening => ({
  type: `xstate.error.actor.${actorId}`,
  actorId,
  error,
  atNs: error.endNs,
});
