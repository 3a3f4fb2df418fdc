/** Every expression of a playbook with its field, its place and what it may name. */
import type { Pointer } from '../diagnostics/diagnostic.ts';
import type { ExpandedPhase, ExpandedScope, Round } from '../expand/expanded.ts';
import { parameterType } from '../expand/parameters.ts';
import type { Declarations, FieldKind, Fields } from '../expression/scope.ts';
import { type ContextName, contextsAt } from '../expression/scope.ts';
import { hasExpression } from '../expression/template.ts';
import type { Playbook, Retry, Step } from '../generated/playbook.ts';
import type { StepKind } from '../steps/step-kind.ts';
import { stepKind } from '../steps/table.ts';
import { valueTypeOf } from '../values/variable.ts';
import type { Outline, OutlinedStep } from './outline.ts';

export interface ExpressionField {
  readonly field: FieldKind;
  readonly pointer: Pointer;
  readonly text: string;
  /** A condition without `${{ }}`. */
  readonly isBare: boolean;
  /** CEL type that a whole expression must have; any where absent. */
  readonly expected?: string;
  /** The step it belongs to; absent for what belongs to a phase or the playbook. */
  readonly owner?: OutlinedStep;
  /** Position of the first step whose outputs are not there yet. */
  readonly position: number;
  /** Where it finds names; absent: the playbook. */
  readonly scope?: ExpandedScope;
  /** The round of a loop it stands in. */
  readonly round?: Round | null;
}

/** Text for people: an expression in it would be shown, not evaluated. */
export function plainTexts({ playbook, steps, calls }: Outline): readonly { pointer: Pointer; text: string }[] {
  const texts: { pointer: Pointer; text: string | undefined }[] = [
    { pointer: ['description'], text: playbook.description },
    { pointer: ['node', 'image'], text: playbook.node?.image },
    ...playbook.phases.map(({ title }, index) => ({ pointer: ['phases', index, 'title'], text: title })),
    ...steps.map(({ step, pointer }) => ({ pointer: [...pointer, 'name'], text: step.name })),
    ...calls.flatMap(({ kind, with: args, pointer }) =>
      Object.entries(kind.args)
        .filter(([, spec]) => spec.type === 'file' || spec.type === 'name')
        .map(([name]) => ({ pointer: [...pointer, 'with', name], text: args[name] as string | undefined })),
    ),
  ];
  return texts.filter((entry): entry is { pointer: Pointer; text: string } => hasExpression(entry.text ?? ''));
}

export function expressionFields(outline: Outline): readonly ExpressionField[] {
  const { playbook, steps } = outline;
  const fields: ExpressionField[] = [...settingFields(playbook)];
  for (const owner of steps) fields.push(...(owner.expanded.isHidden ? fragmentFields(owner) : stepFields(owner)));
  let end = 0;
  for (const [phaseIndex, phase] of playbook.phases.entries()) {
    const pointer = ['phases', phaseIndex];
    if (typeof phase.undo === 'object') {
      const { uses, with: args = {} } = phase.undo;
      fields.push(...argFields({ position: end }, stepKind(uses), args, [...pointer, 'undo', 'with']));
    }
    end += phase.steps.length;
    for (const [index, { that, message }] of (phase.verify ?? []).entries()) {
      const at = { field: 'a condition', position: end } as const;
      const criterion = [...pointer, 'verify', index];
      fields.push({ ...at, pointer: [...criterion, 'that'], text: that, isBare: true, expected: 'bool' });
      if (message !== undefined)
        fields.push({ ...at, pointer: [...criterion, 'message'], text: message, isBare: false });
    }
  }
  for (const [name, text] of Object.entries(playbook.outputs ?? {})) {
    const field = 'an output of the playbook';
    if (text !== undefined) fields.push({ field, pointer: ['outputs', name], text, isBare: false, position: end });
  }
  return fields.filter(({ isBare, text }) => isBare || hasExpression(text));
}

function settingFields({ service, phases, budget, window }: Outline['playbook']): readonly ExpressionField[] {
  const field = { field: 'a setting of node or service', isBare: false, position: 0, expected: 'string' } as const;
  const settings: { pointer: Pointer; text: string | undefined }[] = [
    { pointer: ['service', 'path'], text: service?.path },
    { pointer: ['service', 'interval'], text: service?.interval },
    { pointer: ['service', 'deadline'], text: service?.deadline },
    { pointer: ['service', 'expect', 'contains'], text: service?.expect?.contains },
    { pointer: ['budget', 'downtime'], text: budget?.downtime },
    { pointer: ['window', 'cutoff'], text: window?.cutoff },
    ...phases.flatMap((phase, index) =>
      phaseDurations(phase).map(({ path, text }) => ({ pointer: ['phases', index, ...path], text })),
    ),
  ];
  return settings.flatMap(({ pointer, text }) => (text === undefined ? [] : [{ ...field, pointer, text }]));
}

/** What a phase says in durations, beside its steps. */
export const phaseDurations = ({
  timeout,
  budget,
  window,
  gate,
  retry,
}: ExpandedPhase): readonly { readonly path: readonly string[]; readonly text: string | undefined }[] => [
  { path: ['timeout'], text: timeout },
  { path: ['budget', 'downtime'], text: budget?.downtime },
  { path: ['window', 'cutoff'], text: window?.cutoff },
  { path: ['gate', 'timeout'], text: gate?.timeout },
  ...retryDurations(retry).map(({ path, text }) => ({ path: ['retry', ...path], text })),
];

export const retryDurations = (
  retry: Retry | undefined,
): readonly { readonly path: readonly string[]; readonly text: string | undefined }[] => [
  { path: ['delay'], text: retry?.delay },
  { path: ['backoff', 'max'], text: retry?.backoff?.max },
  { path: ['maxDuration'], text: retry?.maxDuration },
];

type FieldPlace = Pick<ExpressionField, 'owner' | 'position' | 'scope' | 'round'>;

const placeOf = (owner: OutlinedStep): FieldPlace => ({
  owner,
  position: owner.index,
  scope: owner.expanded.scope,
  round: owner.expanded.round,
});

function stepFields(owner: OutlinedStep): readonly ExpressionField[] {
  const { step, kind, pointer, expanded } = owner;
  const common = placeOf(owner);
  const fields: ExpressionField[] = [];
  const settings = [
    { path: ['timeout'], text: step.timeout },
    { path: ['expected'], text: step.expected },
    ...retryDurations(step.retry).map(({ path, text }) => ({ path: ['retry', ...path], text })),
  ];
  for (const { path, text } of settings) {
    if (text === undefined) continue;
    fields.push({
      field: 'a timeout or retry',
      pointer: [...pointer, ...path],
      text,
      isBare: false,
      expected: 'string',
      ...common,
    });
  }
  fields.push(...conditionFields(expanded.written, pointer, common));
  fields.push(...argFields(common, kind, step.with ?? {}, [...pointer, 'with']));
  for (const [key, call] of [
    ['undo', step.undo],
    ['doneIf', step.doneIf],
  ] as const) {
    if (typeof call !== 'object') continue;
    fields.push(...argFields(common, stepKind(call.uses), call.with ?? {}, [...pointer, key, 'with']));
  }
  return [...fields, ...outputFields('an output', step, pointer, common)];
}

/** What a fragment tells, and what it is given where it is included. */
function fragmentFields(owner: OutlinedStep): readonly ExpressionField[] {
  const { step, pointer, expanded, phase, index } = owner;
  const { scope } = expanded;
  const { includedBy, round } = scope;
  const parent = { owner, position: index, round, ...(scope.around ? { scope: scope.around } : {}) };
  const params = Object.entries(includedBy?.step.with ?? {}).flatMap(([name, value]): readonly ExpressionField[] => {
    const type = scope.params[name]?.type;
    const expected = type === undefined ? undefined : (EXPECTED[type] ?? (type === 'double' ? 'double' : undefined));
    if (typeof value !== 'string') return [];
    const at = { pointer: [...pointer, 'with', name], text: value, isBare: false };
    return [{ field: 'an argument', ...at, ...(expected ? { expected } : {}), ...parent }];
  });
  return [
    ...params,
    ...conditionFields(includedBy?.step ?? {}, pointer, parent),
    ...outputFields('an output of a fragment', step, pointer, { ...placeOf(owner), position: phase.steps.length }),
  ];
}

function conditionFields(
  written: Pick<Step, 'when' | 'unless'>,
  pointer: Pointer,
  common: FieldPlace,
): readonly ExpressionField[] {
  return (['when', 'unless'] as const).flatMap((key): readonly ExpressionField[] => {
    const text = written[key];
    if (text === undefined) return [];
    const at = { field: 'a condition', pointer: [...pointer, key], text, isBare: true, expected: 'bool' } as const;
    return [{ ...at, ...common }];
  });
}

function outputFields(
  field: FieldKind,
  { outputs = {} }: Pick<Step, 'outputs'>,
  pointer: Pointer,
  common: FieldPlace,
): readonly ExpressionField[] {
  return Object.entries(outputs).flatMap(([name, text]): readonly ExpressionField[] =>
    text === undefined ? [] : [{ field, pointer: [...pointer, 'outputs', name], text, isBare: false, ...common }],
  );
}

const EXPECTED: { readonly [type: string]: string } = {
  string: 'string',
  duration: 'string',
  int: 'int',
  bool: 'bool',
  'list<string>': 'list<string>',
};

function argFields(
  place: FieldPlace,
  kind: StepKind,
  args: { readonly [name: string]: unknown },
  pointer: Pointer,
): readonly ExpressionField[] {
  return Object.entries(args).flatMap(([name, value]): readonly ExpressionField[] => {
    const spec = kind.args[name];
    if (!spec || spec.isShell || spec.type === 'file' || spec.type === 'name' || spec.type === 'guest') return [];
    const field = spec.maySecret ? 'an argument that may be secret' : 'an argument';
    const common = { field, ...place } as const;
    const at = [...pointer, name];
    if (spec.type === 'expression') {
      return [{ ...common, pointer: at, text: String(value), isBare: true, expected: 'bool' }];
    }
    const expected = EXPECTED[spec.type];
    if (typeof value === 'string') {
      return [{ ...common, pointer: at, text: value, isBare: false, ...(expected ? { expected } : {}) }];
    }
    if (value === null || typeof value !== 'object') return [];
    return Object.entries(value)
      .filter((entry): entry is [string, string] => typeof entry[1] === 'string')
      .map(([key, text]) => ({
        ...common,
        pointer: [...at, Array.isArray(value) ? Number(key) : key],
        text,
        isBare: false,
        expected: 'string',
      }));
  });
}

/**
 * What an expression of a field may name: steps of the whole playbook, because one scope serves all fields with the same
 * contexts. Whether a step has run by then is `hasRunBefore`.
 */
export function declarationsFor(
  outline: Outline,
  field: ExpressionField,
  steps: readonly OutlinedStep[],
): Declarations {
  const { owner, scope, round } = field;
  return {
    contexts: contextsOf(field),
    vars: variableTypes(outline.playbook),
    params: parameterTypes(scope),
    each: round?.type ?? null,
    steps: Object.fromEntries(
      steps
        .filter(({ expanded }) => expanded.namedIn === (scope?.id ?? ''))
        .map(({ step, kind, expanded }) => [expanded.name, outputTypes(kind, Object.keys(step.outputs ?? {}))]),
    ),
    result: owner && field.field === 'an output' ? outputTypes(owner.kind, []) : {},
  };
}

/** Fields with one key have the same declarations. */
export const declarationsKey = (field: ExpressionField): string => {
  const place = `${field.scope?.id ?? ''} ${field.round?.type ?? ''}`;
  const { field: kind, owner } = field;
  return `${kind === 'an output' ? `${kind} of ${owner?.kind.name}` : contextsOf(field).join()} ${place}`;
};

export const contextsOf = ({ field, scope, round }: ExpressionField): readonly ContextName[] =>
  contextsAt(field, { inFragment: scope !== undefined && scope.parent !== null, inLoop: round != null });

/** The steps that may be named in the fields: declaring one takes longer than checking what names it. */
export function stepsNamedIn(fields: readonly ExpressionField[], { steps }: Outline): readonly OutlinedStep[] {
  const words = new Set(fields.flatMap(({ text }) => text.match(/[A-Za-z_]\w*/g) ?? []));
  return words.has('steps') ? steps.filter(({ expanded }) => words.has(expanded.name)) : [];
}

/** The step that a field calls by a name: of the rounds of a loop the last. */
export const stepNamed = ({ steps }: Outline, { scope }: ExpressionField, name: string): OutlinedStep | undefined =>
  steps.findLast(({ expanded }) => expanded.name === name && expanded.namedIn === (scope?.id ?? ''));

/** Whether the outputs of a step are there when the field is evaluated. */
export const hasRunBefore = (outline: Outline, { owner, position }: ExpressionField, step: OutlinedStep): boolean =>
  owner ? outline.isBefore(step, owner) : step.index < position;

const parameterTypes = (scope: ExpandedScope | undefined): Fields =>
  Object.fromEntries(Object.entries(scope?.params ?? {}).map(([name, parameter]) => [name, parameterType(parameter)]));

export const variableTypes = ({ vars = {} }: Pick<Playbook, 'vars'>): Fields =>
  Object.fromEntries(
    Object.entries(vars).flatMap(([name, variable]) => (variable ? [[name, valueTypeOf(variable.type)]] : [])),
  );

/** Outputs of a kind and those the step adds, whose type is known at run time only. */
export const outputTypes = (kind: StepKind, added: readonly string[]): Fields => ({
  ...Object.fromEntries(added.map((name) => [name, 'json' as const])),
  ...Object.fromEntries(Object.entries(kind.outputs).map(([name, { type }]) => [name, type])),
});
