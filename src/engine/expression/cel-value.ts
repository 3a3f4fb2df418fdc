/**
 * JSON to CEL and back. CEL integers are 64 bits wide and arrive as BigInt, which JSON cannot hold; a JavaScript number is
 * a CEL double, which does not add to an int. So values are converted by their declared type on both borders.
 */
import type { Json } from '../node-port.ts';

/** Types of variables and outputs. `json` is a value of any shape whose fields are only known at run time. */
export type ValueType = 'string' | 'int' | 'double' | 'bool' | 'list<string>' | 'map<string, string>' | 'json';

export const celTypeOf = (type: ValueType): string => (type === 'json' ? 'dyn' : type);

export function toCel(value: Json | undefined, type: ValueType): unknown {
  if (type === 'double') return value;
  if (type === 'int' && typeof value === 'number') return BigInt(Math.trunc(value));
  return wholeNumbersToInt(value ?? null);
}

function wholeNumbersToInt(value: Json): unknown {
  if (typeof value === 'number') return Number.isSafeInteger(value) ? BigInt(value) : value;
  if (Array.isArray(value)) return value.map(wholeNumbersToInt);
  if (value !== null && typeof value === 'object') {
    return Object.fromEntries(Object.entries(value).map(([key, member]) => [key, wholeNumbersToInt(member)]));
  }
  return value;
}

/** undefined where the value has no JSON form: bytes, types, an integer beyond 2^53 - 1. */
export function fromCel(value: unknown): Json | undefined {
  switch (typeof value) {
    case 'bigint':
      return Number.isSafeInteger(Number(value)) ? Number(value) : undefined;
    case 'string':
    case 'boolean':
      return value;
    case 'number':
      return Number.isFinite(value) ? value : undefined;
    default:
      return value === null ? null : fromCelObject(value);
  }
}

function fromCelObject(value: unknown): Json | undefined {
  if (Array.isArray(value)) {
    const items = value.map(fromCel);
    return items.every((item): item is Json => item !== undefined) ? items : undefined;
  }
  const entries =
    value instanceof Map ? [...value.entries()] : isPlain(value) ? Object.entries(value as object) : undefined;
  if (entries === undefined) return undefined;
  const object: Record<string, Json> = {};
  for (const [key, member] of entries) {
    const json = fromCel(member);
    if (typeof key !== 'string' || json === undefined) return undefined;
    object[key] = json;
  }
  return object;
}

const isPlain = (value: unknown): boolean => {
  if (typeof value !== 'object' || value === null) return false;
  const prototype: unknown = Object.getPrototypeOf(value);
  return prototype === Object.prototype || prototype === null;
};

/** The type of a value as an expression sees it: of a list of texts `list<string>`, of whatever is mixed `json`. */
export function typeOfJson(value: Json): ValueType {
  switch (typeof value) {
    case 'string':
      return 'string';
    case 'boolean':
      return 'bool';
    case 'number':
      return Number.isSafeInteger(value) ? 'int' : 'double';
    default:
      return Array.isArray(value) && value.every((item) => typeof item === 'string') ? 'list<string>' : 'json';
  }
}

/** The type of all values together: numbers of which some are no whole ones are doubles. */
export function typeOfAll(values: readonly Json[]): ValueType {
  const [first, ...others] = values.map(typeOfJson);
  if (first !== undefined && others.every((type) => type === first)) return first;
  return values.length > 0 && values.every((value) => typeof value === 'number') ? 'double' : 'json';
}
