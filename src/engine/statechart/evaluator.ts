/** Expressions of a plan against what a run remembers. Pure: the same context gives the same value. */
import {
  type Declarations,
  FIELD_CONTEXTS,
  type FieldKind,
  type Fields,
  Scope,
  type Values,
} from '../expression/scope.ts';
import type { Json } from '../node-port.ts';
import { type Plan, type PlannedArgs, type PlannedStep, runIdOf, stepsOf } from '../plan/plan.ts';
import { evaluateCondition, resolveArgs } from '../plan/planned-value.ts';
import { stepKind } from '../steps/table.ts';
import { outputTypes } from '../validate/playbook-expressions.ts';
import { valueTypeOf } from '../values/variable.ts';
import type { RunContext } from './run-context.ts';

export class Evaluator {
  readonly #plan: Plan;
  readonly #steps: readonly PlannedStep[];
  readonly #scopes = new Map<string, Scope>();
  readonly #vars: Fields;
  readonly #varValues: { readonly [name: string]: Json };

  constructor(plan: Plan) {
    this.#plan = plan;
    this.#steps = stepsOf(plan);
    const vars = Object.entries(plan.vars);
    this.#vars = Object.fromEntries(vars.map(([name, { type }]) => [name, valueTypeOf(type)]));
    this.#varValues = Object.fromEntries(vars.map(([name, { value }]) => [name, value]));
  }

  /** Throws ExpressionFailure. */
  condition(source: string, step: PlannedStep, context: RunContext): boolean {
    return evaluateCondition(source, this.#scope(step, 'a condition'), this.#values(step, context));
  }

  /** Throws ExpressionFailure. */
  args(args: PlannedArgs, step: PlannedStep, context: RunContext): { [name: string]: Json } {
    return resolveArgs(args, this.#scope(step, 'an argument'), this.#values(step, context));
  }

  /** Throws ExpressionFailure. */
  outputs(step: PlannedStep, result: { readonly [name: string]: Json }, context: RunContext): { [name: string]: Json } {
    return resolveArgs(step.outputs, this.#scope(step, 'an output'), { ...this.#values(step, context), result });
  }

  #values(step: PlannedStep, context: RunContext): Values {
    return {
      vars: this.#varValues,
      facts: context.facts,
      steps: context.outputs,
      run: { id: runIdOf(this.#plan) },
      phase: { id: step.phase },
    };
  }

  #scope(step: PlannedStep, field: FieldKind): Scope {
    const key = `${step.index}:${field}`;
    const known = this.#scopes.get(key);
    if (known) return known;
    const kind = stepKind(step.uses);
    const declarations: Declarations = {
      contexts: FIELD_CONTEXTS[field],
      vars: this.#vars,
      steps: Object.fromEntries(
        this.#steps
          .slice(0, step.index)
          .filter(({ isCriterion }) => !isCriterion)
          .map(({ id, uses, outputs }) => [id, outputTypes(stepKind(uses), Object.keys(outputs))]),
      ),
      result: outputTypes(kind, []),
    };
    const scope = new Scope(declarations);
    this.#scopes.set(key, scope);
    return scope;
  }
}
