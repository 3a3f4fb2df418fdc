/**
 * What an expression may name, with types, and its values. One scope per field of the playbook: which contexts exist there
 * is the table FIELD_CONTEXTS. Expressions are CEL; they are checked before the run and cannot loop without end.
 */
import { type ASTNode, Environment, type EvaluationError, type ParseError } from '@marcbachmann/cel-js';
import type { Json } from '../node-port.ts';
import { celTypeOf, fromCel, toCel, type ValueType } from './cel-value.ts';

export type ContextName = 'vars' | 'params' | 'facts' | 'steps' | 'run' | 'phase' | 'each' | 'result' | 'secrets';

/**
 * The contexts of each kind of field. `vars` exists in a playbook and `params` in a fragment; `each` in a loop only.
 * `secrets` is no value that an expression could compute with: it stands alone, as `${{ secrets.NAME }}`.
 */
export const FIELD_CONTEXTS = {
  'a default of a variable': [],
  'a setting of node or service': ['vars'],
  'a timeout or retry': ['vars', 'params', 'each'],
  'a loop': ['vars', 'params', 'each'],
  'a condition': ['vars', 'params', 'facts', 'steps', 'run', 'phase', 'each'],
  'an argument': ['vars', 'params', 'facts', 'steps', 'run', 'phase', 'each'],
  'an argument that may be secret': ['vars', 'params', 'facts', 'steps', 'run', 'phase', 'each', 'secrets'],
  'an output': ['vars', 'params', 'facts', 'steps', 'run', 'phase', 'each', 'result'],
  'an output of a fragment': ['params', 'facts', 'steps', 'run', 'phase', 'each'],
  'an output of the playbook': ['vars', 'facts', 'steps', 'run'],
} as const satisfies Record<string, readonly ContextName[]>;

/** Where a field stands: in a fragment, in a step that is a round of a loop. */
export interface FieldPlace {
  readonly inFragment: boolean;
  readonly inLoop: boolean;
}

export const contextsAt = (field: FieldKind, { inFragment, inLoop }: FieldPlace): readonly ContextName[] =>
  FIELD_CONTEXTS[field].filter(
    (context) =>
      (context !== 'vars' || !inFragment) && (context !== 'params' || inFragment) && (context !== 'each' || inLoop),
  );

export type FieldKind = keyof typeof FIELD_CONTEXTS;

export type Fields = { readonly [name: string]: ValueType };

/** Types of everything an expression can name in one place of the playbook. */
export interface Declarations {
  readonly contexts: readonly ContextName[];
  readonly vars: Fields;
  /** Parameters of the fragment it stands in. */
  readonly params: Fields;
  /** Type of the entries of the loop it stands in; null: it stands in none. */
  readonly each: ValueType | null;
  readonly steps: { readonly [id: string]: Fields };
  /** Fields of `result`, the outputs of the step itself. */
  readonly result: Fields;
}

/** Where nothing can be named. */
export const NOTHING_DECLARED: Declarations = { contexts: [], vars: {}, params: {}, each: null, steps: {}, result: {} };

/** Values to the declarations. */
export interface Values {
  readonly vars: { readonly [name: string]: Json };
  readonly params: { readonly [name: string]: Json };
  readonly each: { readonly item: Json; readonly index: number } | null;
  readonly facts: Json;
  readonly steps: { readonly [id: string]: { readonly [output: string]: Json } };
  readonly run: { readonly id: string };
  readonly phase: { readonly id: string };
  readonly result?: { readonly [output: string]: Json };
}

export interface ExpressionProblem {
  readonly kind: 'syntax' | 'type' | 'unknown-name' | 'unknown-key';
  readonly message: string;
  readonly start: number;
  readonly end: number;
  /** The dotted path up to the unknown part, e.g. `['vars', 'kernell']`. */
  readonly path: readonly string[];
}

/** What an expression names, with offsets into its source. */
export interface NamesUsed {
  /** Names at the root, e.g. `vars` and `steps`; includes those bound by macros. */
  readonly roots: ReadonlySet<string>;
  /** `steps.ID` and `steps["ID"]`. */
  readonly steps: readonly { readonly id: string; readonly start: number; readonly end: number }[];
}

export type CheckedExpression =
  | ({ readonly ok: true; readonly type: string } & NamesUsed)
  | { readonly ok: false; readonly problem: ExpressionProblem };

/** An expression that could not be evaluated: a key that is absent at run time, a conversion, a division by zero. */
export class ExpressionFailure extends Error {
  override readonly name = 'ExpressionFailure';
}

type CelError = NonNullable<ReturnType<Environment['check']>['error']>;

export class Scope {
  readonly #environment: Environment;
  readonly #declarations: Declarations;
  /** A playbook often says the same thing in many places. */
  readonly #checked = new Map<string, CheckedExpression>();

  constructor(declarations: Declarations) {
    this.#declarations = declarations;
    const environment = new Environment({ unlistedVariablesAreDyn: false, homogeneousAggregateLiterals: false });
    for (const context of declarations.contexts) declare(environment, context, declarations);
    this.#environment = environment;
  }

  check(source: string): CheckedExpression {
    const known = this.#checked.get(source);
    if (known) return known;
    const checked = this.#check(source);
    this.#checked.set(source, checked);
    return checked;
  }

  #check(source: string): CheckedExpression {
    let error: CelError;
    try {
      const parsed = this.#environment.parse(source);
      const { valid, type = 'dyn', error: problem } = parsed.check();
      if (valid) return { ok: true, type, ...namesUsed(parsed.ast) };
      error = problem!;
    } catch (problem) {
      error = problem as CelError;
    }
    const range = error.range ?? { start: 0, end: source.length };
    const end = Math.max(range.end, Math.min(range.start + 1, source.length));
    const kind =
      error.name === 'ParseError'
        ? 'syntax'
        : error.code === 'unknown_variable'
          ? 'unknown-name'
          : error.code === 'no_such_key'
            ? 'unknown-key'
            : 'type';
    return {
      ok: false,
      problem: { kind, message: summaryOf(error), start: range.start, end, path: pathBefore(source, end) },
    };
  }

  /** Throws ExpressionFailure where the expression has no value or none that JSON can hold. */
  evaluate(source: string, values: Values): Json {
    let value: unknown;
    try {
      value = this.#environment.evaluate(source, this.#context(values));
    } catch (error) {
      throw new ExpressionFailure(`${source}: ${summaryOf(error as EvaluationError | ParseError)}`, { cause: error });
    }
    const json = fromCel(value);
    if (json === undefined) throw new ExpressionFailure(`${source}: the value has no JSON form`);
    return json;
  }

  #context(values: Values): Record<string, unknown> {
    const { vars, params, each, steps, result } = this.#declarations;
    return {
      vars: convert(vars, values.vars),
      params: convert(params, values.params),
      each: each && values.each ? { item: toCel(values.each.item, each), index: BigInt(values.each.index) } : {},
      facts: toCel(values.facts, 'json'),
      steps: new Map(
        Object.entries(steps).map(([id, fields]) => [
          id,
          convert(fields, Object.hasOwn(values.steps, id) ? values.steps[id]! : {}),
        ]),
      ),
      run: values.run,
      phase: values.phase,
      result: convert(result, values.result ?? {}),
    };
  }
}

function namesUsed(ast: ASTNode): NamesUsed {
  const roots = new Set<string>();
  const steps: { id: string; start: number; end: number }[] = [];
  const visit = (part: unknown): void => {
    if (Array.isArray(part)) {
      for (const item of part) visit(item);
    } else if (part !== null && typeof part === 'object' && 'op' in part) {
      const node = part as ASTNode;
      if (node.op === 'id') roots.add(node.args);
      else {
        const id = stepNamedBy(node);
        if (id !== undefined) steps.push({ id, start: node.start, end: node.end });
        visit(node.args);
      }
    }
  };
  visit(ast);
  return { roots, steps };
}

function stepNamedBy(node: ASTNode): string | undefined {
  if (node.op !== '.' && node.op !== '[]') return undefined;
  const [of, member] = node.args;
  if (of.op !== 'id' || of.args !== 'steps') return undefined;
  if (typeof member === 'string') return member;
  return member.op === 'value' && typeof member.args === 'string' ? member.args : undefined;
}

function declare(environment: Environment, context: ContextName, declarations: Declarations): void {
  switch (context) {
    case 'vars':
      environment.registerVariable({ name: 'vars', schema: schemaOf(declarations.vars) });
      return;
    case 'params':
      environment.registerVariable({ name: 'params', schema: schemaOf(declarations.params) });
      return;
    case 'each': {
      const { each } = declarations;
      if (each) environment.registerVariable({ name: 'each', schema: schemaOf({ item: each, index: 'int' }) });
      return;
    }
    case 'result':
      environment.registerVariable({ name: 'result', schema: schemaOf(declarations.result) });
      return;
    case 'steps':
      environment.registerVariable({
        name: 'steps',
        schema: Object.fromEntries(Object.entries(declarations.steps).map(([id, fields]) => [id, schemaOf(fields)])),
      });
      return;
    case 'facts':
      environment.registerVariable('facts', 'map');
      return;
    case 'run':
    case 'phase':
      environment.registerVariable({ name: context, schema: { id: 'string' } });
      return;
    case 'secrets':
      return;
  }
}

const schemaOf = (fields: Fields): Record<string, string> =>
  Object.fromEntries(Object.entries(fields).map(([name, type]) => [name, celTypeOf(type)]));

/** Only what is there: a key that is absent is an error where it is used, never a silent null. */
const convert = (fields: Fields, values: { readonly [name: string]: Json }): ReadonlyMap<string, unknown> =>
  new Map(
    Object.entries(fields)
      .filter(([name]) => Object.hasOwn(values, name) && values[name] !== undefined)
      .map(([name, type]) => [name, toCel(values[name], type)]),
  );

/** `vars.kernell` from the text that ends at `end`. */
function pathBefore(source: string, end: number): readonly string[] {
  const match = /[A-Za-z_][\w]*(?:\.[A-Za-z_][\w]*)*$/.exec(source.slice(0, end));
  return match ? match[0].split('.') : [];
}

const summaryOf = (error: { readonly summary?: string; readonly message: string }): string => {
  const summary = error.summary ?? error.message.split('\n')[0]!;
  return summary.charAt(0).toLowerCase() + summary.slice(1);
};
