/**
 * Whether a step that these values of variables switch off could run with others: with the truth values, and with the
 * texts and numbers that its conditions compare with. A condition that no such values meet is one that nobody can meet.
 */
import { ExpressionFailure } from '../expression/scope.ts';
import type { Json } from '../node-port.ts';
import type { Plan, PlannedStep } from '../plan/plan.ts';
import { Evaluator } from '../statechart/evaluator.ts';

const COMBINATIONS_MAX = 256;

export function couldRun(plan: Plan, step: PlannedStep): boolean {
  const conditions = step.when === null ? [] : [step.when];
  for (
    let scope = plan.scopes[step.scope];
    scope;
    scope = scope.parent === null ? undefined : plan.scopes[scope.parent]
  ) {
    if (scope.when !== null) conditions.push(scope.when);
  }
  const text = conditions.join(' ');
  const names = Object.keys(plan.vars).filter((name) => new RegExp(`\\bvars\\.${name}\\b`).test(text));
  let combinations: readonly Plan['vars'][] = [plan.vars];
  for (const name of names) {
    const { type, value } = plan.vars[name]!;
    const candidates = [value, ...candidatesFor(value, text)];
    combinations = combinations
      .flatMap((vars) => candidates.map((candidate) => ({ ...vars, [name]: { type, value: candidate } })))
      .slice(0, COMBINATIONS_MAX);
  }
  return combinations.some((vars) => holds({ ...plan, vars }, step));
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
  return Array.isArray(value) ? [[], ...literals.map((literal) => [literal])] : literals;
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
