/** A whole number of a command line. */
import { EXIT } from '../engine/exit-codes.ts';
import { CommandError } from './command-error.ts';

export const wholeNumber =
  (option: string) =>
  (text: string): number => {
    const value = Number(text);
    if (text.trim() !== '' && Number.isSafeInteger(value) && value >= 0) return value;
    throw new CommandError(EXIT.usage.code, `${option}: expected a whole number, found ${text}`);
  };
