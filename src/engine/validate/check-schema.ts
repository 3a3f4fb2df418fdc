/**
 * The shape of a file: runs the validator made from the schema of its kind and tells its errors in the words of an
 * author, one finding a mistake.
 */
import type { Finding, Pointer } from '../diagnostics/diagnostic.ts';
import { didYouMean } from '../diagnostics/suggest.ts';
import { validate as validateCalendar } from '../generated/validate-calendar.ts';
import { validate as validateFragment } from '../generated/validate-fragment.ts';
import { validate as validatePlaybook } from '../generated/validate-playbook.ts';
import { validate as validateTest } from '../generated/validate-playbook-test.ts';

interface Schema {
  readonly title?: string;
  readonly type?: string | readonly string[];
  readonly const?: unknown;
  readonly enum?: readonly unknown[];
  readonly pattern?: string;
  readonly properties?: { readonly [name: string]: unknown };
  readonly anyOf?: readonly Schema[];
  readonly $ref?: string;
}

/** An error of Ajv with `verbose`. */
interface SchemaError {
  readonly instancePath: string;
  readonly keyword: string;
  readonly params: { readonly [name: string]: unknown };
  readonly parentSchema: Schema;
  readonly data: unknown;
}

/** Errors of one mistake in a file that has thousands are of no use to anyone. */
const FINDINGS_MAX = 100;

export type FileKind = 'Playbook' | 'Fragment' | 'Calendar' | 'PlaybookTest';

const VALIDATORS: Readonly<Record<FileKind, (data: unknown) => unknown>> = {
  Playbook: validatePlaybook,
  Fragment: validateFragment,
  Calendar: validateCalendar,
  PlaybookTest: validateTest,
};

export function checkShape(kind: FileKind, data: unknown): readonly Finding[] {
  const validate = VALIDATORS[kind];
  if (validate(data)) return [];
  const errors = ((validate as unknown as { errors: readonly SchemaError[] | null }).errors ?? []).filter(
    // A kind that is missing or unknown is told by `required` and `enum`.
    ({ keyword }) => keyword !== 'discriminator' && keyword !== 'if',
  );
  const findings = withoutUnionNoise(errors)
    .filter((error) => !isToldAsKey(error, errors))
    .slice(0, FINDINGS_MAX)
    .map((error) => describe(error, data));
  // What is wrong with a file of another kind is that it is of another kind.
  const otherKind = findings.find(({ code }) => code === 'MV0111');
  return otherKind ? [otherKind] : findings;
}

/** A malformed key is told twice, by its pattern and by `propertyNames`, which alone says that it is a key. */
const isToldAsKey = (error: SchemaError, errors: readonly SchemaError[]): boolean =>
  error.keyword === 'pattern' &&
  errors.some(
    ({ keyword, instancePath, params }) =>
      keyword === 'propertyNames' && instancePath === error.instancePath && params['propertyName'] === error.data,
  );

/**
 * Where none of several shapes fits, Ajv tells what is wrong with each of them. What says more than `another type` is
 * kept, or else the one error that names the alternatives.
 */
function withoutUnionNoise(errors: readonly SchemaError[]): readonly SchemaError[] {
  let kept = [...errors];
  for (const union of errors.filter(({ keyword }) => keyword === 'anyOf')) {
    const isBelow = ({ instancePath }: SchemaError): boolean => instancePath.startsWith(`${union.instancePath}/`);
    const branches = kept.filter(
      (error) => error !== union && (error.instancePath === union.instancePath || isBelow(error)),
    );
    const telling = branches.filter(
      (error) => isBelow(error) || !['type', 'const', 'enum', 'pattern', 'anyOf'].includes(error.keyword),
    );
    kept = kept.filter((error) =>
      telling.length > 0 ? error !== union : error === union || !branches.includes(error),
    );
    kept = kept.filter((error) => !branches.includes(error) || telling.includes(error));
  }
  return kept;
}

function describe(error: SchemaError, root: unknown): Finding {
  const pointer = toPointer(error.instancePath, root);
  const { keyword, params, parentSchema, data } = error;
  const last = pointer.at(-1);
  switch (keyword) {
    case 'additionalProperties':
      return unknownKey(pointer, String(params['additionalProperty']), Object.keys(parentSchema.properties ?? {}));
    case 'required':
      return missingKey(pointer, String(params['missingProperty']));
    case 'propertyNames':
    case 'pattern':
      return malformedName(error, pointer);
    case 'const':
    case 'enum':
      return notAllowed(pointer, data, parentSchema);
    case 'anyOf':
    case 'type':
      return wrongType(pointer, data, parentSchema);
    case 'minimum':
    case 'maximum':
      return {
        code: 'MV0105',
        message: `${name(last)}: expected ${keyword === 'minimum' ? 'at least' : 'at most'} ${String(params['limit'])}, found ${show(data)}`,
        pointer,
      };
    case 'minItems':
    case 'maxItems':
      return {
        code: 'MV0107',
        message: `${name(last)}: expected ${keyword === 'minItems' ? 'at least' : 'at most'} ${entries(Number(params['limit']))}, found ${Array.isArray(data) ? data.length : 0}`,
        pointer,
        at: 'key',
      };
    case 'minProperties':
    case 'maxProperties':
      return wrongChoice(pointer, keyword, Object.keys(parentSchema.properties ?? {}));
    default:
      return { code: 'MV0100', message: `${name(last)}: breaks the rule ${keyword} of the schema`, pointer };
  }
}

function unknownKey(pointer: Pointer, key: string, known: readonly string[]): Finding {
  const isArgument = pointer.at(-1) === 'with';
  return {
    code: isArgument ? 'MV0113' : 'MV0101',
    message: isArgument ? `the step kind has no argument ${quote(key)}` : `unknown key ${quote(key)}`,
    hint: known.length === 0 && isArgument ? 'the step kind has no arguments' : didYouMean(key, known),
    pointer: [...pointer, key],
    at: 'key',
  };
}

function missingKey(pointer: Pointer, key: string): Finding {
  const isArgument = pointer.at(-1) === 'with';
  const hints: { readonly [key: string]: string } = {
    apiVersion: 'start the file with apiVersion: mvctl/v1',
    kind: 'the second line is kind: Playbook',
    id: 'expressions, the journal and the report name a step by its id',
    with: 'the step kind has arguments that are required',
  };
  return {
    code: isArgument ? 'MV0114' : 'MV0102',
    message: isArgument ? `the argument ${quote(key)} is missing` : `the key ${quote(key)} is missing`,
    hint: isArgument ? undefined : hints[key],
    pointer,
    at: 'key',
  };
}

/** One of the keys is wanted, and none is there or too many are. */
function wrongChoice(pointer: Pointer, keyword: string, keys: readonly string[]): Finding {
  const isNone = keyword === 'minProperties';
  const message = `${name(pointer.at(-1))}: expected ${isNone ? 'at least one' : 'only one'} of ${keys.join(', ')}`;
  return { code: isNone ? 'MV0102' : 'MV0213', message, pointer, at: 'key' };
}

const TIMES: { readonly [title: string]: string } = {
  TimeOfDay: 'a time of day such as 22:30',
  CalendarDay: 'a day such as 2026-12-24',
};

function malformedName(error: SchemaError, pointer: Pointer): Finding {
  const time = TIMES[error.parentSchema.title ?? ''];
  if (time !== undefined) {
    const message = `${name(pointer.at(-1))}: expected ${time}, found ${show(error.data)}`;
    return { code: 'MV0117', message, pointer };
  }
  const isKey = error.keyword === 'propertyNames';
  const written = String(isKey ? error.params['propertyName'] : error.data);
  const { title, pattern } = error.parentSchema;
  const expected =
    title === 'PhaseId' || pattern === '^[a-z][a-z0-9-]*$'
      ? 'a name in kebab-case'
      : title === 'Identifier' || isKey
        ? 'a name in camelCase or snake_case'
        : `text that matches ${pattern}`;
  const suggestion =
    title === 'PhaseId' ? kebab(written) : title === 'Identifier' || isKey ? camel(written) : undefined;
  return {
    code: 'MV0106',
    message: `expected ${expected}, found ${quote(written)}`,
    hint: suggestion === undefined || suggestion === written ? undefined : `write ${quote(suggestion)}`,
    pointer: isKey ? [...pointer, written] : pointer,
    at: isKey ? 'key' : 'value',
  };
}

function notAllowed(pointer: Pointer, data: unknown, schema: Schema): Finding {
  const allowed = (schema.enum ?? [schema.const]).map(String);
  const last = pointer.at(-1);
  const hint = didYouMean(String(data), allowed);
  if (schema.title === 'StepKind') {
    return {
      code: 'MV0112',
      message: `unknown step kind ${show(data)}`,
      hint: hint ?? 'docs/playbook.md lists them',
      pointer,
    };
  }
  if (last === 'apiVersion' && pointer.length === 1) {
    return {
      code: 'MV0110',
      message: `expected apiVersion mvctl/v1, found ${show(data)}`,
      hint: 'write mvctl/v1',
      pointer,
    };
  }
  if (last === 'kind' && pointer.length === 1) {
    const message = `expected kind ${allowed[0]}, found ${show(data)}`;
    return { code: 'MV0111', message, hint: `write ${allowed[0]}`, pointer };
  }
  return {
    code: 'MV0104',
    message: `${name(last)}: expected ${allowed.map(quote).join(' or ')}, found ${show(data)}`,
    hint: hint?.startsWith('did') ? hint : undefined,
    pointer,
  };
}

function wrongType(pointer: Pointer, data: unknown, schema: Schema): Finding {
  const last = pointer.at(-1);
  if (schema.title === 'Duration') {
    return {
      code: 'MV0115',
      message: `${name(last)}: expected a duration, found ${show(data)}`,
      hint: typeof data === 'number' ? `write the unit, e.g. ${Math.abs(data)}s` : 'write a duration such as 30s or 5m',
      pointer,
    };
  }
  if (schema.title === 'Bytes') {
    return {
      code: 'MV0116',
      message: `${name(last)}: expected memory with a unit, found ${show(data)}`,
      hint: 'write e.g. 512MiB',
      pointer,
    };
  }
  const expected = (schema.anyOf ?? [schema]).map(typeName).join(' or ');
  return { code: 'MV0103', message: `${name(last)}: expected ${expected}, found ${show(data)}`, pointer };
}

function typeName(schema: Schema): string {
  if (schema.$ref?.endsWith('/expression')) return 'an expression ${{ … }}';
  if (schema.const !== undefined) return quote(String(schema.const));
  const type = Array.isArray(schema.type) ? schema.type[0] : schema.type;
  const names: { readonly [type: string]: string } = {
    object: 'a mapping',
    array: 'a list',
    string: 'text',
    integer: 'a whole number',
    number: 'a number',
    boolean: 'true or false',
  };
  return names[String(type)] ?? 'another value';
}

/** JSON pointer of Ajv to keys and indices; an index is a number where the data has a list. */
function toPointer(instancePath: string, root: unknown): Pointer {
  let value = root;
  return instancePath
    .split('/')
    .slice(1)
    .map((part) => {
      const key = part.replaceAll('~1', '/').replaceAll('~0', '~');
      const step = Array.isArray(value) ? Number(key) : key;
      value = (value as { readonly [key: string]: unknown } | undefined)?.[key];
      return step;
    });
}

const name = (part: string | number | undefined): string =>
  part === undefined ? 'the file' : typeof part === 'number' ? `entry ${part + 1}` : part;

const entries = (count: number): string => (count === 1 ? '1 entry' : `${count} entries`);

const quote = (text: string): string => JSON.stringify(text);

/** A value as short as a message wants it. */
function show(data: unknown): string {
  if (data === null || data === undefined) return 'nothing';
  if (Array.isArray(data)) return 'a list';
  if (typeof data === 'object') return 'a mapping';
  const text = JSON.stringify(data);
  return text.length > 60 ? `${text.slice(0, 57)}…"` : text;
}

const kebab = (text: string): string =>
  text
    .replace(/([a-z0-9])([A-Z])/g, '$1-$2')
    .replace(/[^A-Za-z0-9]+/g, '-')
    .replace(/^[-0-9]+|-+$/g, '')
    .toLowerCase();

const camel = (text: string): string =>
  text
    .replace(/[^A-Za-z0-9]+(.)?/g, (_, next: string | undefined) => next?.toUpperCase() ?? '')
    .replace(/^[0-9]+/, '')
    .replace(/^./, (first) => first.toLowerCase());
