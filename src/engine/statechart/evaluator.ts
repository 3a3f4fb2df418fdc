/** Expressions of a plan against what a run remembers. Pure: the same context gives the same value. */
import { typeOfJson } from '../expression/cel-value.ts';
import { contextsAt, type Declarations, type FieldKind, type Fields, Scope, type Values } from '../expression/scope.ts';
import type { Json } from '../node-port.ts';
import {
  PLAYBOOK_SCOPE,
  type Plan,
  type PlannedArgs,
  type PlannedPhase,
  type PlannedScope,
  type PlannedStep,
  runIdOf,
  stepsOf,
} from '../plan/plan.ts';
import { evaluateCondition, resolveArgs, resolveValue, secretShown, type ValueSource } from '../plan/planned-value.ts';
import { sourcesBehind } from '../plan/sources-behind.ts';
import { stepKind } from '../steps/table.ts';
import { outputTypes } from '../validate/playbook-expressions.ts';
import { valueTypeOf } from '../values/variable.ts';
import type { RunContext } from './run-context.ts';

/** Where an expression stands: what it can name. */
interface Standpoint {
  /** Key of a scope of the plan. */
  readonly scope: string;
  /** Position: steps before it can be named. */
  readonly before: number;
  readonly phase: string;
  readonly each: PlannedStep['each'];
  /** Outputs of the step itself. */
  readonly result: Fields;
}

type Context = Pick<RunContext, 'facts' | 'outputs'>;

export class Evaluator {
  readonly runId: string;
  readonly #plan: Plan;
  readonly #steps: readonly PlannedStep[];
  readonly #scopes = new Map<string, Scope>();
  readonly #vars: Fields;
  readonly #varValues: { readonly [name: string]: Json };

  constructor(plan: Plan) {
    this.#plan = plan;
    this.runId = runIdOf(plan);
    this.#steps = stepsOf(plan);
    const vars = Object.entries(plan.vars);
    this.#vars = Object.fromEntries(vars.map(([name, { type }]) => [name, valueTypeOf(type)]));
    this.#varValues = Object.fromEntries(vars.map(([name, { value }]) => [name, value]));
  }

  phase(id: string): PlannedPhase | undefined {
    return this.#plan.phases.find((phase) => phase.id === id);
  }

  /** Whether the conditions of the step, and of what includes it, hold. Throws ExpressionFailure. */
  shouldRun(step: PlannedStep, context: Context): boolean {
    const { parent, each, when } = this.#planned(step);
    if (parent !== null && !this.shouldRun({ ...step, scope: parent, each, when }, context)) return false;
    return step.when === null || this.condition(step.when, step, context);
  }

  /** The text of a condition of the step, and of what its parameters stand for. */
  textsBehind(source: string, { scope }: PlannedStep): readonly string[] {
    return sourcesBehind(this.#plan, { source, scope }).map((behind) => behind.source);
  }

  /** Throws ExpressionFailure. */
  condition(source: string, step: PlannedStep, context: Context): boolean {
    const { scope, values } = this.#source('a condition', standpointOf(step), context);
    return evaluateCondition(source, scope, values);
  }

  /** Throws ExpressionFailure. `secret`: what a secret stands for. */
  args(
    args: PlannedArgs,
    step: PlannedStep,
    context: Context,
    secret: (name: string) => string = secretShown,
  ): { [name: string]: Json } {
    return resolveArgs(args, { ...this.#source('an argument', standpointOf(step), context), secret });
  }

  /** Throws ExpressionFailure. */
  outputs(step: PlannedStep, result: { readonly [name: string]: Json }, context: Context): { [name: string]: Json } {
    const { scope, values, secret } = this.#source('an output', standpointOf(step), context);
    return resolveArgs(step.outputs, { scope, values: { ...values, result }, secret });
  }

  /** What the run tells. Throws ExpressionFailure. */
  playbookOutputs(context: Context): { [name: string]: Json } {
    const end = { scope: PLAYBOOK_SCOPE, before: this.#steps.length, phase: '', each: null, result: {} };
    return resolveArgs(this.#plan.outputs, this.#source('an output of the playbook', end, context));
  }

  #source(field: FieldKind, at: Standpoint, context: Context): ValueSource {
    return { scope: this.#scope(field, at), values: this.#values(at, context), secret: secretShown };
  }

  #values(at: Standpoint, context: Context): Values {
    return {
      vars: this.#varValues,
      params: this.#params(at, context),
      each: at.each,
      facts: context.facts,
      steps: Object.fromEntries(
        this.#named(at).flatMap(({ name, id }) => {
          const outputs = Object.hasOwn(context.outputs, id) ? context.outputs[id] : undefined;
          return outputs === undefined ? [] : [[name, outputs] as const];
        }),
      ),
      run: { id: this.runId },
      phase: { id: at.phase },
    };
  }

  /** Parameters of the fragment, evaluated where it is included. */
  #params(at: Standpoint, context: Context): Values['params'] {
    const { parent, params, each } = this.#planned(at);
    if (parent === null) return {};
    const source = this.#source('an argument', { ...at, scope: parent, each, result: {} }, context);
    return Object.fromEntries(Object.entries(params).map(([name, { value }]) => [name, resolveValue(value, source)]));
  }

  #planned({ scope }: Pick<Standpoint, 'scope'>): PlannedScope {
    const planned = this.#plan.scopes[scope];
    if (!planned) throw new Error(`the plan has no scope ${JSON.stringify(scope)}`);
    return planned;
  }

  /** Steps that can be named, in order: of the rounds of a loop the last that ran counts. */
  #named({ scope, before }: Standpoint): readonly PlannedStep[] {
    return this.#steps.slice(0, before).filter(({ namedIn }) => namedIn === scope);
  }

  #scope(field: FieldKind, at: Standpoint): Scope {
    const key = `${at.scope}:${at.before}:${field}`;
    const known = this.#scopes.get(key);
    if (known) return known;
    const { parent, params } = this.#planned(at);
    const declarations: Declarations = {
      contexts: contextsAt(field, { inFragment: parent !== null, inLoop: at.each !== null }),
      vars: this.#vars,
      params: Object.fromEntries(Object.entries(params).map(([name, { type }]) => [name, type])),
      each: at.each && (at.each.type ?? typeOfJson(at.each.item)),
      steps: Object.fromEntries(
        this.#named(at).map(({ name, uses, outputs }) => [name, outputTypes(stepKind(uses), Object.keys(outputs))]),
      ),
      result: at.result,
    };
    const scope = new Scope(declarations);
    this.#scopes.set(key, scope);
    return scope;
  }
}

const standpointOf = ({ scope, index, phase, each, uses }: PlannedStep): Standpoint => ({
  scope,
  before: index,
  phase,
  each,
  result: outputTypes(stepKind(uses), []),
});
