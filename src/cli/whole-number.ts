/** A whole number of a command line. */
import { EXIT } from '../engine/exit-codes.ts';
import { CommandError } from './command-error.ts';

interface Range {
  readonly min?: number;
  readonly max?: number;
}

export const wholeNumber =
  (option: string, { min = 0, max = Number.MAX_SAFE_INTEGER }: Range = {}) =>
  (text: string): number => {
    const value = Number(text);
    if (text.trim() !== '' && Number.isSafeInteger(value) && value >= min && value <= max) return value;
    const range = max === Number.MAX_SAFE_INTEGER ? (min === 0 ? '' : ` from ${min}`) : ` from ${min} to ${max}`;
    throw new CommandError(EXIT.usage.code, `${option}: expected a whole number${range}, found ${text}`);
  };
