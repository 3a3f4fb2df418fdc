/** Values of a playbook to planned values, and planned values to JSON when their step runs. */
import { ExpressionFailure, type Scope, type Values } from '../expression/scope.ts';
import { type Expression, hasExpression, parseTemplate, wholeExpression } from '../expression/template.ts';
import type { Json } from '../node-port.ts';
import type { PlannedArgs, PlannedPart, PlannedValue } from './plan.ts';

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
  const secret = whole && secretName(whole.source);
  if (secret) return { as: 'secret', name: secret };
  if (whole) {
    const value = evaluateNow(whole.source);
    return value === undefined ? { as: 'expression', source: whole.source } : { as: 'value', value };
  }
  const parts = joinTexts(template.parts.map((part) => planPart(part, evaluateNow)));
  const [only] = parts;
  return parts.length === 1 && typeof only === 'string' ? { as: 'value', value: only } : { as: 'text', parts };
}

/** The secret that an expression is, or undefined: a secret stands alone. */
export const secretName = (source: string): string | undefined => /^secrets\.(\w+)$/.exec(source)?.[1];

function planPart(part: string | Expression, evaluateNow: EvaluateNow): PlannedPart {
  if (typeof part === 'string') return part;
  const secret = secretName(part.source);
  if (secret) return { secret };
  const value = evaluateNow(part.source);
  return value === undefined ? { source: part.source } : textOf(value);
}

function joinTexts(parts: readonly PlannedPart[]): readonly PlannedPart[] {
  const joined: PlannedPart[] = [];
  for (const part of parts) {
    const last = joined.at(-1);
    if (typeof part === 'string' && typeof last === 'string') joined[joined.length - 1] = last + part;
    else joined.push(part);
  }
  return joined;
}

/** What expressions of a step are evaluated with. */
export interface ValueSource {
  readonly scope: Scope;
  readonly values: Values;
  /** What a secret stands for: its value where it is used, its name where it is shown. */
  readonly secret: (name: string) => string;
}

/** A secret where it is shown. */
export const secretShown = (name: string): string => `[secret ${name}]`;

/** Throws ExpressionFailure where an expression has no value. */
export function resolveValue(planned: PlannedValue, source: ValueSource): Json {
  switch (planned.as) {
    case 'value':
      return planned.value;
    case 'secret':
      return source.secret(planned.name);
    case 'expression':
      return source.scope.evaluate(planned.source, source.values);
    case 'text':
      return planned.parts.map((part) => resolvePart(part, source)).join('');
    case 'list':
      return planned.items.map((item) => resolveValue(item, source));
    case 'map':
      return Object.fromEntries(
        Object.entries(planned.entries).map(([key, entry]) => [key, resolveValue(entry, source)]),
      );
  }
}

function resolvePart(part: PlannedPart, source: ValueSource): string {
  if (typeof part === 'string') return part;
  if ('secret' in part) return source.secret(part.secret);
  return textOf(source.scope.evaluate(part.source, source.values));
}

export const resolveArgs = (args: PlannedArgs, source: ValueSource): { [name: string]: Json } =>
  Object.fromEntries(Object.entries(args).map(([name, planned]) => [name, resolveValue(planned, source)]));

/** A condition that is neither true nor false is a failure, not a guess. */
export function evaluateCondition(source: string, scope: Scope, values: Values): boolean {
  const value = scope.evaluate(source, values);
  if (typeof value !== 'boolean')
    throw new ExpressionFailure(`${source}: expected true or false, found ${JSON.stringify(value)}`);
  return value;
}

const textOf = (value: Json): string => (typeof value === 'string' ? value : JSON.stringify(value));
