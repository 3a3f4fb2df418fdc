/** `NAME=VALUE` of a command line, repeatable. */
import { EXIT } from '../engine/exit-codes.ts';
import { CommandError } from './command-error.ts';

export type Values = { readonly [name: string]: string };

export function nameValue(text: string, previous: Values = {}): Values {
  const equals = text.indexOf('=');
  if (equals < 1) throw new CommandError(EXIT.usage.code, `expected NAME=VALUE, found ${text}`);
  return { ...previous, [text.slice(0, equals)]: text.slice(equals + 1) };
}
