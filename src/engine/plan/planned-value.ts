/** Values of a playbook to planned values, and planned values to JSON when their step runs. */
import { ExpressionFailure, type Scope, type Values } from '../expression/scope.ts';
import { type Expression, hasExpression, parseTemplate, wholeExpression } from '../expression/template.ts';
import type { Json } from '../node-port.ts';
import type { PlannedArgs, PlannedValue } from './plan.ts';

/** Evaluates an expression that names variables only; undefined for any other. */
export type EvaluateNow = (source: string) => Json | undefined;

/** Fills in what is known before the run. */
export function planValue(value: unknown, evaluateNow: EvaluateNow): PlannedValue {
  if (typeof value === 'string' && hasExpression(value)) return planText(value, evaluateNow);
  if (Array.isArray(value)) {
    const items = value.map((item) => planValue(item, evaluateNow));
    return items.every((item) => item.as === 'value')
      ? { as: 'value', value: items.map((item) => item.value) }
      : { as: 'list', items };
  }
  if (value !== null && typeof value === 'object') {
    const entries = Object.fromEntries(
      Object.entries(value).map(([key, member]) => [key, planValue(member, evaluateNow)] as const),
    );
    const known = Object.entries(entries).flatMap(([key, entry]) =>
      entry.as === 'value' ? [[key, entry.value] as const] : [],
    );
    return known.length === Object.keys(entries).length
      ? { as: 'value', value: Object.fromEntries(known) }
      : { as: 'map', entries };
  }
  return { as: 'value', value: value as Json };
}

function planText(text: string, evaluateNow: EvaluateNow): PlannedValue {
  const template = parseTemplate(text);
  if (!('parts' in template)) throw new Error(`unclosed expression in ${JSON.stringify(text)}: it was not validated`);
  const whole = wholeExpression(template);
  if (whole) {
    const value = evaluateNow(whole.source);
    return value === undefined ? { as: 'expression', source: whole.source } : { as: 'value', value };
  }
  const parts = joinTexts(template.parts.map((part) => planPart(part, evaluateNow)));
  const [only] = parts;
  return parts.length === 1 && typeof only === 'string' ? { as: 'value', value: only } : { as: 'text', parts };
}

function planPart(part: string | Expression, evaluateNow: EvaluateNow): string | { readonly source: string } {
  if (typeof part === 'string') return part;
  const value = evaluateNow(part.source);
  return value === undefined ? { source: part.source } : textOf(value);
}

function joinTexts(
  parts: readonly (string | { readonly source: string })[],
): readonly (string | { readonly source: string })[] {
  const joined: (string | { readonly source: string })[] = [];
  for (const part of parts) {
    const last = joined.at(-1);
    if (typeof part === 'string' && typeof last === 'string') joined[joined.length - 1] = last + part;
    else joined.push(part);
  }
  return joined;
}

/** Throws ExpressionFailure where an expression has no value. */
function resolveValue(planned: PlannedValue, scope: Scope, values: Values): Json {
  switch (planned.as) {
    case 'value':
      return planned.value;
    case 'expression':
      return scope.evaluate(planned.source, values);
    case 'text':
      return planned.parts
        .map((part) => (typeof part === 'string' ? part : textOf(scope.evaluate(part.source, values))))
        .join('');
    case 'list':
      return planned.items.map((item) => resolveValue(item, scope, values));
    case 'map':
      return Object.fromEntries(
        Object.entries(planned.entries).map(([key, entry]) => [key, resolveValue(entry, scope, values)]),
      );
  }
}

export const resolveArgs = (args: PlannedArgs, scope: Scope, values: Values): { [name: string]: Json } =>
  Object.fromEntries(Object.entries(args).map(([name, planned]) => [name, resolveValue(planned, scope, values)]));

/** A condition that is neither true nor false is a failure, not a guess. */
export function evaluateCondition(source: string, scope: Scope, values: Values): boolean {
  const value = scope.evaluate(source, values);
  if (typeof value !== 'boolean')
    throw new ExpressionFailure(`${source}: expected true or false, found ${JSON.stringify(value)}`);
  return value;
}

const textOf = (value: Json): string => (typeof value === 'string' ? value : JSON.stringify(value));
