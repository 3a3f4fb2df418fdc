/** What is known of expressions before the run: those over variables, parameters that were given as values, and rounds. */
import type { ExpandedScope, Round } from '../expand/expanded.ts';
import { parameterType } from '../expand/parameters.ts';
import { typeOfJson } from '../expression/cel-value.ts';
import { ExpressionFailure, NOTHING_DECLARED, Scope } from '../expression/scope.ts';
import type { Json } from '../node-port.ts';
import { valueTypeOf } from '../values/variable.ts';
import type { PlanContent, PlannedRound, PlannedScope } from './plan.ts';
import { type EvaluateNow, planValue } from './planned-value.ts';

/** Where an expression stands. */
interface Standpoint {
  readonly scope: ExpandedScope;
  readonly round: Round | null;
}

export const plannedRound = (round: Round | null): PlannedRound | null =>
  round && {
    item: round.item,
    index: round.index,
    ...(round.type === typeOfJson(round.item) ? {} : { type: round.type }),
  };

const KNOWN_CONTEXTS: ReadonlySet<string> = new Set(['vars', 'params', 'each']);

export class KnownValues {
  readonly #vars: PlanContent['vars'];
  readonly #scopes: ReadonlyMap<string, ExpandedScope>;
  readonly #planned = new Map<string, PlannedScope>();
  readonly #checkers = new Map<string, Scope>();

  constructor(vars: PlanContent['vars'], scopes: ReadonlyMap<string, ExpandedScope>) {
    this.#vars = vars;
    this.#scopes = scopes;
  }

  /** Every scope with its parameters planned in the scope around it. */
  scopes(): { [scope: string]: PlannedScope } {
    return Object.fromEntries([...this.#scopes].map(([id, scope]) => [id, this.#scope(scope)]));
  }

  /** Evaluates what stands in a scope; undefined for what has to wait for the run. */
  at(at: Standpoint): EvaluateNow {
    return (source) => this.#now(source, at);
  }

  #scope(scope: ExpandedScope): PlannedScope {
    const known = this.#planned.get(scope.id);
    if (known) return known;
    const { parent, round, when } = scope;
    const around = parent === null ? undefined : this.#scopes.get(parent);
    const evaluate: EvaluateNow = around ? this.at({ scope: around, round }) : () => undefined;
    const params = Object.fromEntries(
      Object.entries(scope.params).map(([name, parameter]) => [
        name,
        { type: parameterType(parameter), value: planValue(scope.args[name], evaluate) },
      ]),
    );
    const each = plannedRound(round);
    const planned = { parent, params, each, when };
    this.#planned.set(scope.id, planned);
    return planned;
  }

  #now(source: string, { scope, round }: Standpoint): Json | undefined {
    const checker = this.#checker(scope, round);
    const checked = checker.check(source);
    if (!checked.ok || [...checked.roots].some((root) => !KNOWN_CONTEXTS.has(root))) return undefined;
    const params = Object.entries(this.#scope(scope).params).flatMap(([name, { value }]) =>
      value.as === 'value' ? [[name, value.value] as const] : [],
    );
    try {
      return checker.evaluate(source, {
        vars: Object.fromEntries(Object.entries(this.#vars).map(([name, { value }]) => [name, value])),
        params: Object.fromEntries(params),
        each: round,
        facts: {},
        steps: {},
        run: { id: '' },
        phase: { id: '' },
      });
    } catch (error) {
      // Tried again when the step runs, where the failure has a place in the run.
      if (error instanceof ExpressionFailure) return undefined;
      throw error;
    }
  }

  #checker({ id, parent, params }: ExpandedScope, round: Round | null): Scope {
    const key = `${id} ${round?.type}`;
    const known = this.#checkers.get(key);
    if (known) return known;
    const vars = Object.entries(this.#vars).map(([name, { type }]) => [name, valueTypeOf(type)] as const);
    const checker = new Scope({
      ...NOTHING_DECLARED,
      contexts: [parent === null ? 'vars' : 'params', ...(round ? (['each'] as const) : [])],
      vars: parent === null ? Object.fromEntries(vars) : {},
      params: Object.fromEntries(Object.entries(params).map(([name, row]) => [name, parameterType(row)])),
      each: round?.type ?? null,
    });
    this.#checkers.set(key, checker);
    return checker;
  }
}
