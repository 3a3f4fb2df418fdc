/**
 * Whether it is these values of variables that switch a step off, and others would let it run: with the truth values, with the
 * texts and numbers that its conditions compare with, and with a text that is none of them. A condition that no such values
 * meet is one that nobody can meet.
 */
import { ExpressionFailure } from '../expression/scope.ts';
import type { Json } from '../node-port.ts';
import type { Plan, PlannedStep } from '../plan/plan.ts';
import { Evaluator } from '../statechart/evaluator.ts';

const COMBINATIONS_MAX = 256;

/** False for a step without a condition: nothing switches it off. */
export function isSwitchedOff(plan: Plan, step: PlannedStep): boolean {
  const scopes = scopesAround(plan, step);
  const conditions = [step.when, ...scopes.map((id) => plan.scopes[id]!.when)].filter((when) => when !== null);
  if (conditions.length === 0) return false;
  const text = conditions.join(' ');
  let combinations: readonly Plan[] = [plan];
  const vary = (value: Json, withValue: (of: Plan, value: Json) => Plan): void => {
    const candidates = [value, ...candidatesFor(value, text)];
    combinations = combinations
      .flatMap((of) => candidates.map((candidate) => withValue(of, candidate)))
      .slice(0, COMBINATIONS_MAX);
  };
  for (const [name, { type, value }] of Object.entries(plan.vars)) {
    if (!new RegExp(`\\bvars\\.${name}\\b`).test(text)) continue;
    vary(value, (of, other) => ({ ...of, vars: { ...of.vars, [name]: { type, value: other } } }));
  }
  // What a fragment is given here it may be given otherwise elsewhere, or be made of a variable.
  for (const id of scopes) {
    for (const [name, { type, value }] of Object.entries(plan.scopes[id]!.params)) {
      if (value.as !== 'value' || !new RegExp(`\\bparams\\.${name}\\b`).test(text)) continue;
      vary(value.value, (of, other) => {
        const scope = of.scopes[id]!;
        const params = { ...scope.params, [name]: { type, value: { as: 'value', value: other } as const } };
        return { ...of, scopes: { ...of.scopes, [id]: { ...scope, params } } };
      });
    }
  }
  return combinations.some((of) => holds(of, step));
}

/** The scope that the step stands in and those around it. */
function scopesAround(plan: Plan, { scope }: PlannedStep): readonly string[] {
  const ids: string[] = [];
  for (let id: string | null = scope; id !== null; id = plan.scopes[id]!.parent) ids.push(id);
  return ids;
}

function candidatesFor(value: Json, text: string): readonly Json[] {
  if (typeof value === 'boolean') return [!value];
  if (typeof value === 'number')
    return [...text.matchAll(/\b\d+(?:\.\d+)?\b/g)].flatMap(([number]) => [
      Number(number) - 1,
      Number(number),
      Number(number) + 1,
    ]);
  const literals = [...text.matchAll(/"([^"]*)"|'([^']*)'/g)].map(([, double, single]) => double ?? single ?? '');
  return Array.isArray(value)
    ? [[], ...literals.map((literal) => [literal])]
    : [...literals, `other${literals.join()}`];
}

function holds(plan: Plan, step: PlannedStep): boolean {
  try {
    return new Evaluator(plan).shouldRun(step, { facts: {}, outputs: {} });
  } catch (error) {
    // What depends on a step is tried both ways by the checker itself.
    if (error instanceof ExpressionFailure) return false;
    throw error;
  }
}
