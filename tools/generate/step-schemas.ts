/** JSON Schema of each step kind's arguments, from the rows of the step table. */
import type { ArgSpec, StepKind } from '../../src/engine/steps/step-kind.ts';

type Schema = { readonly [keyword: string]: unknown };

const ref = (name: string): Schema => ({ $ref: `#/definitions/${name}` });

/** `if uses = NAME then with has these properties`: one rule per kind, so that a mistake is told once. */
export function stepRule(kind: StepKind, inFragment: boolean): Schema {
  const required = Object.entries(kind.args)
    .filter(([, spec]) => spec.required)
    .map(([name]) => name);
  const properties = Object.fromEntries(
    Object.entries(kind.args).map(([name, spec]) => [name, argSchema(spec, inFragment)]),
  );
  return {
    if: { type: 'object', required: ['uses'], properties: { uses: { const: kind.name } } },
    // biome-ignore lint/suspicious/noThenProperty: a keyword of JSON Schema
    then: {
      type: 'object',
      ...(required.length > 0 ? { required: ['with'] } : {}),
      properties: {
        with: {
          type: 'object',
          description: kind.summary,
          additionalProperties: false,
          ...(required.length > 0 ? { required } : {}),
          properties,
        },
      },
    },
  };
}

function argSchema(spec: ArgSpec, inFragment: boolean): Schema {
  const shown = { description: spec.summary, ...(spec.default === undefined ? {} : { default: spec.default }) };
  switch (spec.type) {
    case 'guest':
      return orParameter({ ...shown, enum: ['old', 'new'] }, inFragment);
    case 'name': {
      const pattern = spec.pattern?.source ?? '^[a-z][a-z0-9-]*$';
      return orParameter({ ...shown, type: 'string', pattern }, inFragment);
    }
    case 'string':
      return { ...shown, type: 'string', ...(spec.pattern ? { pattern: spec.pattern.source } : {}) };
    case 'file':
      return { ...shown, type: 'string' };
    case 'expression':
      return { ...ref('condition') };
    case 'duration':
      return { ...ref('duration') };
    case 'bool':
      return { ...shown, anyOf: [{ type: 'boolean' }, ref('expression')] };
    case 'int':
      return { ...shown, anyOf: [{ type: 'integer', ...bounds(spec) }, ref('expression')] };
    case 'list<string>':
      return { ...shown, anyOf: [{ type: 'array', items: { type: 'string' } }, ref('expression')] };
    case 'list<int>':
      return { ...shown, type: 'array', minItems: 1, items: { type: 'integer' } };
    case 'map<string, string>':
      return { ...shown, type: 'object', additionalProperties: { type: 'string' } };
  }
}

/** What has to be written out may be a parameter of a fragment, which is. */
const orParameter = (schema: Schema, inFragment: boolean): Schema =>
  inFragment ? { anyOf: [schema, { type: 'string', pattern: PARAMETER }] } : schema;

const PARAMETER = '^\\$\\{\\{\\s*params\\.[a-z][A-Za-z0-9_]*\\s*\\}\\}$';

const bounds = ({ min, max }: ArgSpec): Schema => ({
  ...(min === undefined ? {} : { minimum: min }),
  ...(max === undefined ? {} : { maximum: max }),
});
