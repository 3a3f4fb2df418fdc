/** Every expression of a playbook with its field, its place and what it may name. */
import type { Pointer } from '../diagnostics/diagnostic.ts';
import type { Declarations, FieldKind, Fields } from '../expression/scope.ts';
import { type ContextName, contextsAt } from '../expression/scope.ts';
import { hasExpression } from '../expression/template.ts';
import type { Playbook } from '../generated/playbook.ts';
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
  /** The step it belongs to; absent for settings. */
  readonly owner?: OutlinedStep;
  /** Position of the first step whose outputs are not there yet. */
  readonly position: number;
}

/** Text for people: an expression in it would be shown, not evaluated. */
export function plainTexts({ playbook, steps }: Outline): readonly { pointer: Pointer; text: string }[] {
  const texts: { pointer: Pointer; text: string | undefined }[] = [
    { pointer: ['description'], text: playbook.description },
    { pointer: ['node', 'image'], text: playbook.node?.image },
    ...playbook.phases.map(({ title }, index) => ({ pointer: ['phases', index, 'title'], text: title })),
    ...steps.map(({ step, pointer }) => ({ pointer: [...pointer, 'name'], text: step.name })),
    ...steps.flatMap(({ step, kind, pointer }) =>
      Object.entries(kind.args)
        .filter(([, spec]) => spec.type === 'file' || spec.type === 'name')
        .map(([name]) => ({ pointer: [...pointer, 'with', name], text: step.with?.[name] as string | undefined })),
    ),
  ];
  return texts.filter((entry): entry is { pointer: Pointer; text: string } => hasExpression(entry.text ?? ''));
}

export function expressionFields({ playbook, steps }: Outline): readonly ExpressionField[] {
  const fields: ExpressionField[] = [...settingFields(playbook)];
  for (const owner of steps) fields.push(...stepFields(owner));
  let end = 0;
  for (const [phaseIndex, phase] of playbook.phases.entries()) {
    end += phase.steps.length;
    for (const [index, { that, message }] of (phase.verify ?? []).entries()) {
      const pointer = ['phases', phaseIndex, 'verify', index];
      fields.push({
        field: 'a condition',
        pointer: [...pointer, 'that'],
        text: that,
        isBare: true,
        expected: 'bool',
        position: end,
      });
      if (message !== undefined) {
        fields.push({
          field: 'a condition',
          pointer: [...pointer, 'message'],
          text: message,
          isBare: false,
          position: end,
        });
      }
    }
  }
  return fields.filter(({ isBare, text }) => isBare || hasExpression(text));
}

function settingFields({ service, phases }: Playbook): readonly ExpressionField[] {
  const field = { field: 'a setting of node or service', isBare: false, position: 0, expected: 'string' } as const;
  const settings: { pointer: Pointer; text: string | undefined }[] = [
    { pointer: ['service', 'path'], text: service?.path },
    { pointer: ['service', 'interval'], text: service?.interval },
    { pointer: ['service', 'deadline'], text: service?.deadline },
    { pointer: ['service', 'expect', 'contains'], text: service?.expect?.contains },
    ...phases.map(({ timeout }, index) => ({ pointer: ['phases', index, 'timeout'], text: timeout })),
  ];
  return settings.flatMap(({ pointer, text }) => (text === undefined ? [] : [{ ...field, pointer, text }]));
}

function stepFields(owner: OutlinedStep): readonly ExpressionField[] {
  const { step, kind, pointer, index } = owner;
  const common = { owner, position: index };
  const fields: ExpressionField[] = [];
  const settings = [
    ['timeout', step.timeout],
    ['expected', step.expected],
    ['retry.delay', step.retry?.delay],
    ['retry.backoff.max', step.retry?.backoff?.max],
  ] as const;
  for (const [path, text] of settings) {
    if (text === undefined) continue;
    fields.push({
      field: 'a timeout or retry',
      pointer: [...pointer, ...path.split('.')],
      text,
      isBare: false,
      expected: 'string',
      ...common,
    });
  }
  if (step.when !== undefined) {
    fields.push({
      field: 'a condition',
      pointer: [...pointer, 'when'],
      text: step.when,
      isBare: true,
      expected: 'bool',
      ...common,
    });
  }
  fields.push(...argFields(owner, kind, step.with ?? {}, [...pointer, 'with']));
  if (typeof step.undo === 'object') {
    fields.push(...argFields(owner, stepKind(step.undo.uses), step.undo.with ?? {}, [...pointer, 'undo', 'with']));
  }
  for (const [name, text] of Object.entries(step.outputs ?? {})) {
    if (text !== undefined) {
      fields.push({ field: 'an output', pointer: [...pointer, 'outputs', name], text, isBare: false, ...common });
    }
  }
  return fields;
}

const EXPECTED: { readonly [type: string]: string } = {
  string: 'string',
  duration: 'string',
  int: 'int',
  bool: 'bool',
  'list<string>': 'list<string>',
};

function argFields(
  owner: OutlinedStep,
  kind: StepKind,
  args: { readonly [name: string]: unknown },
  pointer: Pointer,
): readonly ExpressionField[] {
  const common = { field: 'an argument' as const, owner, position: owner.index };
  return Object.entries(args).flatMap(([name, value]): readonly ExpressionField[] => {
    const spec = kind.args[name];
    if (!spec || spec.isShell || spec.type === 'file' || spec.type === 'name' || spec.type === 'guest') return [];
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
  { field, owner }: ExpressionField,
  steps: readonly OutlinedStep[],
): Declarations {
  return {
    contexts: contextsOf(field),
    vars: variableTypes(outline.playbook),
    params: {},
    each: null,
    steps: Object.fromEntries(
      steps.map(({ step, kind }) => [step.id, outputTypes(kind, Object.keys(step.outputs ?? {}))]),
    ),
    result: owner ? outputTypes(owner.kind, []) : {},
  };
}

/** Fields with one key have the same declarations. */
export const declarationsKey = ({ field, owner }: ExpressionField): string =>
  field === 'an output' ? `${field} of ${owner?.kind.name}` : contextsOf(field).join();

export const contextsOf = (field: FieldKind): readonly ContextName[] =>
  contextsAt(field, { inFragment: false, inLoop: false });

/** The steps that may be named in the fields: declaring one takes longer than checking what names it. */
export function stepsNamedIn(fields: readonly ExpressionField[], { steps }: Outline): readonly OutlinedStep[] {
  const words = new Set(fields.flatMap(({ text }) => text.match(/[A-Za-z_]\w*/g) ?? []));
  return words.has('steps') ? steps.filter(({ step }) => words.has(step.id)) : [];
}

/** Whether the outputs of a step are there when the field is evaluated. */
export const hasRunBefore = (field: ExpressionField, step: OutlinedStep): boolean => step.index < field.position;

export const variableTypes = ({ vars = {} }: Playbook): Fields =>
  Object.fromEntries(
    Object.entries(vars).flatMap(([name, variable]) => (variable ? [[name, valueTypeOf(variable.type)]] : [])),
  );

/** Outputs of a kind and those the step adds, whose type is known at run time only. */
export const outputTypes = (kind: StepKind, added: readonly string[]): Fields => ({
  ...Object.fromEntries(added.map((name) => [name, 'json' as const])),
  ...Object.fromEntries(Object.entries(kind.outputs).map(([name, { type }]) => [name, type])),
});
