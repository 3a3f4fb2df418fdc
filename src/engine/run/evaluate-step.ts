/** Steps that ask nothing of the node: they take no node time. */
import { ExpressionFailure } from '../expression/scope.ts';
import type { PlannedStep } from '../plan/plan.ts';
import type { CompiledPlan } from '../statechart/compiled-plan.ts';
import type { EffectError, EffectOutput, RunContext } from '../statechart/run-context.ts';
import { stepKind } from '../steps/table.ts';
import { stepArgs, stepOutputs } from './effect-request.ts';

export function evaluateStep(
  { plan, evaluator }: CompiledPlan,
  step: PlannedStep,
  context: RunContext,
  nowNs: number,
  assumesAssertions: boolean,
): EffectOutput | EffectError {
  const kind = stepKind(step.uses);
  try {
    if (kind.does.by === 'assert') {
      const condition = step.with['that'];
      const source = condition?.as === 'value' ? String(condition.value) : '';
      if (!evaluator.condition(source, step, context) && !assumesAssertions) {
        const { message } = evaluator.args({ message: step.with['message']! }, step, context);
        const told = message === '' ? `${source} does not hold` : String(message);
        return { ...notBegun(told, nowNs), code: 'assertion' };
      }
    }
    const args = kind.does.by === 'pause' ? stepArgs({ evaluator, plan }, kind, step.with, step, context) : {};
    const outputs = stepOutputs(evaluator, step, {}, context);
    return { startNs: nowNs, endNs: nowNs, args, result: {}, outputs };
  } catch (error) {
    if (error instanceof ExpressionFailure) return notBegun(error.message, nowNs);
    throw error;
  }
}

/** The step's arguments have no value: the node was never asked, so there is nothing to take back. */
export const notBegun = (message: string, atNs: number): EffectError => ({
  startNs: atNs,
  endNs: atNs,
  args: {},
  code: 'expression',
  message,
  retryable: false,
  left: 'nothing',
  result: null,
});
