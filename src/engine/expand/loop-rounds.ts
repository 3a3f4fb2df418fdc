/** The entries of a loop, which have to be known before the run: so every round can be checked. */

import type { ValueType } from '../expression/cel-value.ts';
import { type ContextName, ExpressionFailure, NOTHING_DECLARED, Scope } from '../expression/scope.ts';
import { hasExpression, parseTemplate, wholeExpression } from '../expression/template.ts';
import type { Playbook } from '../generated/playbook.ts';
import type { Json } from '../node-port.ts';
import { valueTypeOf } from '../values/variable.ts';
import type { ExpandedScope, Round } from './expanded.ts';
import { parameterType } from './parameters.ts';

export interface LoopValues {
  readonly playbook: Playbook;
  readonly vars: { readonly [name: string]: Json };
  readonly scopes: ReadonlyMap<string, ExpandedScope>;
  readonly scope: ExpandedScope;
  readonly round: Round | null;
}

export interface LoopRounds {
  readonly items: readonly Json[];
  /** Where the entries cannot tell. */
  readonly type?: ValueType;
  readonly dependsOnVars: boolean;
}

export interface LoopProblem {
  readonly message: string;
  readonly hint: string;
}

/** Rounds of one loop. */
const ROUNDS_MAX = 200;

const KNOWN_BEFORE = 'a list, or an expression over vars, params or each: what a run finds out is not known yet';

export function roundsOf(list: unknown, values: LoopValues): LoopRounds | LoopProblem {
  if (Array.isArray(list)) {
    const isPlain = !JSON.stringify(list).includes('${{');
    return isPlain
      ? { items: list as Json[], dependsOnVars: false }
      : { message: 'expected plain entries, found an expression in one', hint: 'make the whole list an expression' };
  }
  const template = typeof list === 'string' ? parseTemplate(list) : undefined;
  const whole = template && 'parts' in template ? wholeExpression(template) : undefined;
  if (!whole) return { message: 'expected a list', hint: `write ${KNOWN_BEFORE}` };
  return evaluate(whole.source, values);
}

function evaluate(source: string, values: LoopValues): LoopRounds | LoopProblem {
  const { playbook, vars, scope, round } = values;
  const declared = Object.entries(playbook.vars ?? {}).flatMap(([name, row]) => (row ? [[name, row] as const] : []));
  const inFragment = scope.parent !== null;
  const contexts: ContextName[] = [inFragment ? 'params' : 'vars', ...(round ? (['each'] as const) : [])];
  const params = Object.entries(scope.params);
  const checker = new Scope({
    ...NOTHING_DECLARED,
    contexts,
    vars: Object.fromEntries(declared.map(([name, { type }]) => [name, valueTypeOf(type)])),
    params: Object.fromEntries(params.map(([name, parameter]) => [name, parameterType(parameter)])),
    each: round?.type ?? null,
  });
  const checked = checker.check(source);
  if (!checked.ok) return { message: `expected a list: ${checked.problem.message}`, hint: `write ${KNOWN_BEFORE}` };
  const given = params.map(([name]) => [name, argumentOf(name, values)] as const);
  const dependsOnVars = checked.roots.has('vars') || given.some(([, { dependsOnVars: depends }]) => depends);
  let value: Json;
  try {
    value = checker.evaluate(source, {
      vars: Object.fromEntries(declared.map(([name, row]) => [name, vars[name] ?? sampleOf(row)])),
      params: Object.fromEntries(given.map(([name, { value: argument }]) => [name, argument])),
      each: round,
      facts: {},
      steps: {},
      run: { id: '' },
      phase: { id: '' },
    });
  } catch (error) {
    if (!(error instanceof ExpressionFailure)) throw error;
    return { message: error.message, hint: `write ${KNOWN_BEFORE}` };
  }
  if (!Array.isArray(value))
    return { message: `expected a list, found ${checked.type}`, hint: `write ${KNOWN_BEFORE}` };
  if (value.length > ROUNDS_MAX) {
    return { message: `expected at most ${ROUNDS_MAX} entries, found ${value.length}`, hint: 'split the loop' };
  }
  return { items: value, dependsOnVars, ...(checked.type === 'list<string>' ? { type: 'string' as const } : {}) };
}

/** The default of a variable, or a list of one where it has none: so that its loop can be checked. */
function sampleOf({ type, default: value }: { readonly type: string; readonly default?: unknown }): Json {
  const isEmptyList = Array.isArray(value) && value.length === 0;
  if (value !== undefined && !isEmptyList) return value as Json;
  return type === 'list<string>' ? ['entry'] : '';
}

/** The argument for a parameter; a list may be an expression over what is known where the fragment is included. */
function argumentOf(name: string, values: LoopValues): { readonly value: Json; readonly dependsOnVars: boolean } {
  const { scope, scopes } = values;
  const value = scope.args[name] ?? null;
  if (typeof value !== 'string' || !hasExpression(value)) return { value: value as Json, dependsOnVars: false };
  const parent = scopes.get(scope.parent ?? '');
  const rounds = parent && roundsOf(value, { ...values, scope: parent, round: scope.round });
  if (!rounds || 'message' in rounds) return { value: '', dependsOnVars: false };
  return { value: [...rounds.items], dependsOnVars: rounds.dependsOnVars };
}
