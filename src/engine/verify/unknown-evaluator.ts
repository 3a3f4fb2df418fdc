/**
 * Expressions where a run has not happened: what only variables decide is decided, what a step or the node would have
 * said can be either way. A condition that was taken to hold once holds for the rest of the run; the same text in another
 * fragment, or in another round of a loop, is another condition where its names mean something else there.
 */
import { ExpressionFailure } from '../expression/scope.ts';
import type { Json } from '../node-port.ts';
import type { PlannedArgs, PlannedStep } from '../plan/plan.ts';
import { Evaluator } from '../statechart/evaluator.ts';
import type { RunContext } from '../statechart/run-context.ts';
import type { Choices } from './choices.ts';

/** Whether the text depends on more than variables and on which steps ran. */
const isUnknown = (source: string): boolean =>
  /\b(?:steps|facts|result)\s*[.[]/.test(source.replace(/has\([^()]*\)/g, ''));

const conditionKey = (source: string, { scope, each }: PlannedStep): string =>
  JSON.stringify([
    source,
    /\b(?:steps|params)\b/.test(source) ? scope : null,
    /\beach\b/.test(source) && each ? each.index : null,
  ]);

export class UnknownEvaluator extends Evaluator {
  /** Conditions that were decided on the way here, by their text and what it depends on. */
  conditions: Map<string, boolean> = new Map();
  choices: Choices | undefined;

  override condition(source: string, step: PlannedStep, context: RunContext): boolean {
    const texts = this.textsBehind(source, step);
    if (!this.choices || !texts.some(isUnknown)) return super.condition(source, step, context);
    const isAssertion = source !== step.when;
    const key = conditionKey(source, step);
    const known = isAssertion ? undefined : this.conditions.get(key);
    if (known !== undefined) return known;
    const options = ['holds', 'does not hold'] as const;
    const holds = this.choices.choose(isAssertion ? step.id : source, options) === 'holds';
    if (!isAssertion) this.conditions.set(key, holds);
    return holds;
  }

  override args(
    args: PlannedArgs,
    step: PlannedStep,
    context: RunContext,
    secret?: (name: string) => string,
  ): { [name: string]: Json } {
    return this.#known(args, (some) => super.args(some, step, context, secret));
  }

  override outputs(
    step: PlannedStep,
    result: { readonly [name: string]: Json },
    context: RunContext,
  ): { [name: string]: Json } {
    return this.#known(step.outputs, (some) => super.outputs({ ...step, outputs: some }, result, context));
  }

  /** A value that cannot be made of what the model says is an empty text: on a node it would be another one. */
  #known(args: PlannedArgs, resolve: (args: PlannedArgs) => { [name: string]: Json }): { [name: string]: Json } {
    try {
      return resolve(args);
    } catch (error) {
      if (!this.choices || !(error instanceof ExpressionFailure)) throw error;
    }
    const values: { [name: string]: Json } = {};
    for (const [name, value] of Object.entries(args)) {
      try {
        Object.assign(values, resolve({ [name]: value }));
      } catch (error) {
        if (!(error instanceof ExpressionFailure)) throw error;
        values[name] = '';
      }
    }
    return values;
  }
}
