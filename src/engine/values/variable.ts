/** Values of variables: what fits a type, and how the text of `--var NAME=VALUE` becomes one. */
import type { ValueType } from '../expression/cel-value.ts';
import type { Variable } from '../generated/playbook.ts';
import type { Json } from '../node-port.ts';
import { DURATION_HINTS, parseDuration } from './duration.ts';

export type VariableType = Variable['type'];

/** What is wrong with a value, or undefined. */
export function checkVariableValue(type: VariableType, value: unknown): string | undefined {
  switch (type) {
    case 'string':
      return typeof value === 'string' ? undefined : `expected text, found ${JSON.stringify(value)}`;
    case 'bool':
      return typeof value === 'boolean' ? undefined : `expected true or false, found ${JSON.stringify(value)}`;
    case 'int':
      return Number.isSafeInteger(value) ? undefined : `expected a whole number, found ${JSON.stringify(value)}`;
    case 'double':
      return typeof value === 'number' ? undefined : `expected a number, found ${JSON.stringify(value)}`;
    case 'duration': {
      const problem = parseDuration(value);
      return typeof problem === 'number'
        ? undefined
        : `expected a duration, found ${JSON.stringify(value)}: ${DURATION_HINTS[problem]}`;
    }
    case 'list<string>':
      return Array.isArray(value) && value.every((item) => typeof item === 'string')
        ? undefined
        : `expected a list of texts, found ${JSON.stringify(value)}`;
  }
}

/** Text of a command line as a value of the type; the check above says whether it became one. */
export function readVariableText(type: VariableType, text: string): Json {
  switch (type) {
    case 'int':
    case 'double':
      return text.trim() !== '' && Number.isFinite(Number(text)) ? Number(text) : text;
    case 'bool':
      return text === 'true' ? true : text === 'false' ? false : text;
    case 'list<string>':
      return text === '' ? [] : text.split(',');
    default:
      return text;
  }
}

/** A duration is text to an expression. */
export const valueTypeOf = (type: VariableType): ValueType => (type === 'duration' ? 'string' : type);
