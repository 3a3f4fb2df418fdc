// MV0201 to MV0212: expressions parse, name what is there, and have the type their field needs.
import type { Finding } from '../../diagnostics/diagnostic.ts';
import { didYouMean } from '../../diagnostics/suggest.ts';
import {
  type CheckedExpression,
  type ExpressionProblem,
  FIELD_CONTEXTS,
  type NamesUsed,
  Scope,
} from '../../expression/scope.ts';
import { type Expression, expressionsOf, parseTemplate, wholeExpression } from '../../expression/template.ts';
import { secretName } from '../../plan/planned-value.ts';
import type { Outline, OutlinedStep } from '../outline.ts';
import {
  contextsOf,
  declarationsFor,
  declarationsKey,
  type ExpressionField,
  expressionFields,
  hasRunBefore,
  plainTexts,
  stepNamed,
  stepsNamedIn,
} from '../playbook-expressions.ts';

const ALL_CONTEXTS = FIELD_CONTEXTS['an output'];

export function checkExpressions(outline: Outline): readonly Finding[] {
  const findings: Finding[] = [];
  const sources: string[] = [];
  const scopes = new Map<string, Scope>();
  const fields = expressionFields(outline);
  const steps = stepsNamedIn(fields, outline);
  for (const field of fields) {
    const key = declarationsKey(field);
    const scope = scopes.get(key) ?? new Scope(declarationsFor(outline, field, steps));
    scopes.set(key, scope);
    findings.push(...checkField(outline, field, scope, sources));
  }
  return [...findings, ...checkPlainTexts(outline), ...checkHiddenOutputs(outline), ...checkUnused(outline, sources)];
}

function checkField(outline: Outline, field: ExpressionField, scope: Scope, sources: string[]): readonly Finding[] {
  if (field.isBare && field.text.includes('${{')) {
    const message = `${field.pointer.at(-1)}: expected a condition without \${{ }}`;
    return [
      {
        code: 'MV0208',
        message,
        hint: 'this field is an expression already: remove the braces',
        pointer: field.pointer,
        ...withoutBraces(field.text),
      },
    ];
  }
  const expressions = field.isBare ? [{ source: field.text.trim(), start: 0 }] : inTemplate(field.text);
  if (expressions === undefined) {
    const start = field.text.lastIndexOf('${{');
    return [
      {
        code: 'MV0201',
        message: 'expected }} that closes the expression, found the end of the text',
        pointer: field.pointer,
        within: { text: field.text.slice(start), start: 0, end: 3 },
      },
    ];
  }
  const isWhole = field.isBare || isWholeExpression(field.text);
  return expressions.flatMap((expression): readonly Finding[] => {
    sources.push(expression.source);
    if (namesSecrets(expression.source)) return checkSecret(outline, field, expression);
    const checked = scope.check(expression.source);
    if (!checked.ok) return [describeProblem(outline, field, expression, checked.problem)];
    return [
      ...(isWhole ? checkType(field, expression, checked) : []),
      ...checkStepsNamed(outline, field, expression, checked),
    ];
  });
}

/** As a name of its own, not in a text. */
const namesSecrets = (source: string): boolean => /(?<![.\w])secrets\b/.test(source.replace(QUOTED, '""'));
const QUOTED = /"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*'/g;

/** A secret stands alone, where it may be: nothing can be computed with it, so that nothing tells what it is. */
function checkSecret({ playbook }: Outline, field: ExpressionField, expression: Expression): readonly Finding[] {
  const at = place(field, expression, 0, expression.source.length);
  const names = Object.keys(playbook.secrets ?? {});
  const name = secretName(expression.source);
  if (!contextsOf(field).includes('secrets')) {
    const message = `secrets is not available in ${field.field}`;
    return [{ code: 'MV0207', message, hint: 'a secret goes to `env` of guest.run or `content` of guest.copy', ...at }];
  }
  if (name === undefined) {
    const message = 'expected a secret alone, found an expression that computes with it';
    return [{ code: 'MV0218', message, hint: `write \${{ secrets.${names[0] ?? 'NAME'} }}`, ...at }];
  }
  if (names.includes(name)) return [];
  const hint = didYouMean(name, names) ?? 'declare it under secrets';
  return [{ code: 'MV0203', message: `no secret ${JSON.stringify(name)} is declared`, hint, ...at }];
}

/** Only what is one expression and reads the same in YAML without quotes. */
function withoutBraces(text: string): Pick<Finding, 'fix'> {
  const template = parseTemplate(text);
  const whole = 'parts' in template ? wholeExpression(template) : undefined;
  if (!whole) return {};
  const isPlain = /^[A-Za-z(][^\n#:'"{}[\],&*]*$/.test(whole.source);
  return { fix: { write: isPlain ? whole.source : `'${whole.source.replaceAll("'", "''")}'` } };
}

function inTemplate(text: string): readonly Expression[] | undefined {
  const template = parseTemplate(text);
  return 'parts' in template ? expressionsOf(template) : undefined;
}

function isWholeExpression(text: string): boolean {
  const template = parseTemplate(text);
  return 'parts' in template && wholeExpression(template) !== undefined;
}

function checkType(
  field: ExpressionField,
  expression: Expression,
  checked: CheckedExpression & { readonly ok: true },
): readonly Finding[] {
  const { expected } = field;
  if (expected === undefined || checked.type === 'dyn' || checked.type === expected) return [];
  if (expected === 'list<string>' && checked.type === 'list') return [];
  const message = `expected an expression of type ${expected}, found ${checked.type}`;
  const hint = expected === 'string' ? `write string(${expression.source})` : undefined;
  return [{ code: 'MV0202', message, hint, ...place(field, expression, 0, expression.source.length) }];
}

function describeProblem(
  outline: Outline,
  field: ExpressionField,
  expression: Expression,
  problem: ExpressionProblem,
): Finding {
  const at = place(field, expression, problem.start, problem.end);
  const [root = '', second = '', third = ''] = problem.path;
  if (problem.kind === 'syntax') return { code: 'MV0201', message: problem.message, ...at };
  if (problem.kind === 'unknown-name') return unknownRoot(outline, field, problem.path.at(-1) ?? '', at);
  if (problem.kind === 'unknown-key' && root === 'vars') {
    const names = Object.keys(outline.playbook.vars ?? {});
    const hint = didYouMean(second, names) ?? 'declare it under vars';
    return { code: 'MV0203', message: `no variable ${JSON.stringify(second)} is declared`, hint, ...at };
  }
  if (problem.kind === 'unknown-key' && root === 'params') {
    const names = Object.keys(field.scope?.params ?? {});
    const hint = didYouMean(second, names) ?? 'declare it under params of the fragment';
    return { code: 'MV0203', message: `no parameter ${JSON.stringify(second)} is declared`, hint, ...at };
  }
  if (problem.kind === 'unknown-key' && root === 'steps' && third === '')
    return unknownStep(outline, field, second, at);
  if (problem.kind === 'unknown-key' && (root === 'steps' || root === 'result')) {
    const output = root === 'steps' ? third : second;
    const step = stepNamed(outline, field, second);
    const kind = root === 'steps' ? step?.kind : field.owner?.kind;
    const names = [
      ...Object.keys(kind?.outputs ?? {}),
      ...(root === 'steps' ? Object.keys(step?.step.outputs ?? {}) : []),
    ];
    const message = `${root === 'steps' ? second : kind?.name} has no output ${JSON.stringify(output)}`;
    return {
      code: 'MV0206',
      message,
      hint: names.length === 0 ? 'it has no outputs' : didYouMean(output, names),
      ...at,
    };
  }
  return { code: 'MV0202', message: problem.message, ...at };
}

type At = Pick<Finding, 'pointer' | 'within'>;

function unknownRoot(outline: Outline, field: ExpressionField, name: string, at: At): Finding {
  const available = contextsOf(field);
  if ((ALL_CONTEXTS as readonly string[]).includes(name)) {
    const hint = available.length === 0 ? 'write a plain value' : `available here: ${available.join(', ')}`;
    return { code: 'MV0207', message: `${name} is not available in ${field.field}`, hint, ...at };
  }
  const isVariable = outline.playbook.vars?.[name] !== undefined;
  const isStep = stepNamed(outline, field, name) !== undefined;
  const meant = isVariable ? `vars.${name}` : isStep ? `steps.${name}` : undefined;
  const hint = meant ? `did you mean ${meant}?` : didYouMean(name, available);
  return { code: 'MV0203', message: `nothing is called ${JSON.stringify(name)}`, hint, ...at };
}

function unknownStep(outline: Outline, field: ExpressionField, id: string, at: At): Finding {
  const later = stepNamed(outline, field, id);
  if (later) {
    const isItself = field.owner === later;
    const message = isItself ? `${id} cannot use its own outputs here` : `${id} has not run yet at this point`;
    return {
      code: 'MV0205',
      message,
      hint: isItself ? 'use result under outputs' : laterHint(field, later),
      ...at,
    };
  }
  const known = outline.steps
    .filter((step) => step.expanded.namedIn === (field.scope?.id ?? '') && hasRunBefore(outline, field, step))
    .map(({ expanded }) => expanded.name);
  return { code: 'MV0204', message: `no step ${JSON.stringify(id)} exists`, hint: didYouMean(id, known), ...at };
}

const laterHint = ({ owner }: ExpressionField, later: OutlinedStep): string =>
  owner?.phase === later.phase && later.index < owner.index
    ? `it runs beside this one: add ${later.expanded.name} to needs`
    : 'steps run in the order of the file';

/**
 * A step that runs later has no outputs yet. Nor has one that did not run, unless who asks runs under the same condition or
 * asks with has().
 */
function checkStepsNamed(
  outline: Outline,
  field: ExpressionField,
  expression: Expression,
  { steps }: NamesUsed,
): readonly Finding[] {
  return steps.flatMap(({ id, start, end }): readonly Finding[] => {
    const named = stepNamed(outline, field, id);
    if (!named) return [];
    const at = place(field, expression, start, end);
    if (!hasRunBefore(outline, field, named)) return [unknownStep(outline, field, id, at)];
    if (expression.source.includes(`has(steps.${id}`)) return [];
    const isConditional = named.step.when !== undefined && named.step.when !== field.owner?.step.when;
    const mayHaveFailed = (named.step.onFailure ?? named.phase.onFailure) === 'continue';
    if (!isConditional && !mayHaveFailed && !named.step.doneIf) return [];
    const what = isConditional ? 'skipped' : mayHaveFailed ? 'passed over after a failure' : 'done already';
    return [
      {
        code: 'MV0212',
        message: `${id} may have been ${what}, and then has no outputs`,
        hint: `ask first: has(steps.${id}.<output>) && …${isConditional ? ', or use the same `when`' : ''}`,
        ...at,
      },
    ];
  });
}

function checkPlainTexts(outline: Outline): readonly Finding[] {
  return plainTexts(outline).map(({ pointer, text }) => ({
    code: 'MV0208',
    message: `${pointer.at(-1)}: expected plain text, found an expression`,
    hint: 'expressions are for arguments, conditions, timeouts and outputs',
    pointer,
    within: { text: text.slice(text.indexOf('${{')), start: 0, end: 3 },
  }));
}

function checkHiddenOutputs({ steps }: Outline): readonly Finding[] {
  return steps.flatMap(({ step, kind, pointer }) =>
    Object.keys(step.outputs ?? {})
      .filter((name) => name in kind.outputs)
      .map(
        (name): Finding => ({
          code: 'MV0210',
          message: `expected a new name, but ${kind.name} has an output ${name} already`,
          hint: 'rename it, or remove it',
          pointer: [...pointer, 'outputs', name],
          at: 'key',
        }),
      ),
  );
}

function checkUnused({ playbook, expanded }: Outline, sources: readonly string[]): readonly Finding[] {
  const lists = expanded.written.phases.flatMap(({ steps }) => steps.map(({ forEach }) => forEach));
  const text = [...sources, ...lists.filter((list) => typeof list === 'string')].join('\n');
  return Object.keys(playbook.vars ?? {})
    .filter((name) => !new RegExp(`\\bvars(?:\\.${name}\\b|\\[["']${name}["']\\])`).test(text))
    .map((name) => ({
      code: 'MV0211',
      message: `the variable ${name} is never used`,
      hint: 'remove it',
      pointer: ['vars', name],
      at: 'key',
    }));
}

const place = (field: ExpressionField, expression: Expression, start: number, end: number): At => ({
  pointer: field.pointer,
  within: { text: expression.source, start, end },
});
