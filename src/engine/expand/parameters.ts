/** Parameters of a fragment: what whoever includes it gives for them. */
import type { DiagnosticCode } from '../diagnostics/codes.ts';
import { didYouMean } from '../diagnostics/suggest.ts';
import type { ValueType } from '../expression/cel-value.ts';
import { hasExpression } from '../expression/template.ts';
import type { Fragment, Parameter } from '../generated/fragment.ts';
import type { Step } from '../generated/playbook.ts';
import { checkVariableValue, valueTypeOf } from '../values/variable.ts';
import type { ExpandedScope } from './expanded.ts';

export interface BoundParameters {
  readonly params: { readonly [name: string]: Parameter };
  readonly args: { readonly [name: string]: unknown };
  readonly problems: readonly ParameterProblem[];
}

interface ParameterProblem {
  readonly code: DiagnosticCode;
  readonly message: string;
  readonly hint?: string | undefined;
  /** The argument; undefined: one that is missing. */
  readonly key?: string;
}

/** Type of a parameter as an expression sees it; what has to be written out is text. */
export const parameterType = ({ type }: Parameter): ValueType =>
  type === 'guest' || type === 'name' ? 'string' : valueTypeOf(type);

/** A value for a parameter where the fragment is looked at alone. */
export function sampleOf({ type }: Parameter): unknown {
  const samples: Readonly<Record<Parameter['type'], unknown>> = {
    string: 'text',
    int: 1,
    double: 1,
    bool: true,
    duration: '1s',
    'list<string>': ['entry'],
    guest: 'old',
    name: 'name',
  };
  return samples[type];
}

const PARAMETER = /^\$\{\{\s*params\.(\w+)\s*\}\}$/;

/** `given` as it stands in `scope`, where parameters of that scope may be passed on. */
export function bindParameters(
  { params: declared = {} }: Fragment,
  given: { readonly [name: string]: unknown },
  scope: ExpandedScope,
): BoundParameters {
  const params = Object.fromEntries(Object.entries(declared).flatMap(([name, row]) => (row ? [[name, row]] : [])));
  const problems: ParameterProblem[] = [];
  const names = Object.keys(params);
  for (const key of Object.keys(given).filter((name) => !names.includes(name))) {
    const message = `the fragment has no parameter ${JSON.stringify(key)}`;
    problems.push({ code: 'MV0122', message, hint: didYouMean(key, names), key });
  }
  const args: { [name: string]: unknown } = {};
  for (const [name, { type, default: fallback }] of Object.entries(params)) {
    const key = name in given ? { key: name } : {};
    const value = passedOn(given[name] ?? fallback, scope);
    const problem = value === undefined ? 'it has no default, and no value is given' : mismatch(type, value);
    if (problem === undefined) args[name] = value;
    else problems.push({ code: 'MV0122', message: `the parameter ${name}: ${problem}`, ...key });
  }
  return { params, args, problems };
}

/** A parameter that has to be written out and is passed on by the fragment around it. */
function passedOn(value: unknown, { params, args }: ExpandedScope): unknown {
  const name = typeof value === 'string' ? PARAMETER.exec(value)?.[1] : undefined;
  return name !== undefined && isWrittenOut(params[name]) ? args[name] : value;
}

function mismatch(type: Parameter['type'], value: unknown): string | undefined {
  switch (type) {
    case 'guest':
      return value === 'old' || value === 'new' ? undefined : `expected old or new, found ${JSON.stringify(value)}`;
    case 'name':
      return typeof value === 'string' && /^[a-z][a-z0-9-]*$/.test(value)
        ? undefined
        : `expected a name in kebab-case, found ${JSON.stringify(value)}`;
    default:
      // An expression is checked with its type, where it stands.
      return typeof value === 'string' && hasExpression(value) ? undefined : checkVariableValue(type, value);
  }
}

export const isWrittenOut = (parameter: Parameter | undefined): boolean =>
  parameter?.type === 'guest' || parameter?.type === 'name';

/** A step of a fragment with the values of parameters that have to be written out in their places. */
export function withWrittenOut(step: Step, { params, args }: ExpandedScope): Step {
  const values = Object.entries(params).flatMap(([name, parameter]) =>
    isWrittenOut(parameter) ? [[name, String(args[name])] as const] : [],
  );
  return values.length === 0 ? step : writtenOut(step, Object.fromEntries(values));
}

export function writtenOut(step: Step, values: { readonly [name: string]: string }): Step {
  const substitute = (value: unknown): unknown => {
    const name = typeof value === 'string' ? PARAMETER.exec(value)?.[1] : undefined;
    return name === undefined ? value : (values[name] ?? value);
  };
  const args = (given: { readonly [name: string]: unknown }): { [name: string]: unknown } =>
    Object.fromEntries(Object.entries(given).map(([name, value]) => [name, substitute(value)]));
  const { undo, doneIf } = step;
  return {
    ...step,
    ...(isArgs(step.with) ? { with: args(step.with) } : {}),
    ...(typeof doneIf === 'object' && isArgs(doneIf?.with) ? { doneIf: { ...doneIf, with: args(doneIf.with) } } : {}),
    ...(typeof undo === 'object' && isArgs(undo.with) ? { undo: { ...undo, with: args(undo.with) } } : {}),
  };
}

/** Looked at before the shape was checked. */
const isArgs = <Value>(value: Value): value is Value & { readonly [name: string]: unknown } =>
  value !== null && typeof value === 'object';
