// MV0213, MV0406: arguments that the schema cannot judge one by one.
import type { Finding } from '../../diagnostics/diagnostic.ts';
import { hasExpression } from '../../expression/template.ts';
import type { StepCall } from '../calls.ts';
import type { Outline } from '../outline.ts';

/** Exactly one of each pair is given. */
const EITHER_OR: { readonly [kind: string]: readonly [string, string] } = {
  'guest.run': ['argv', 'script'],
  'guest.copy': ['content', 'from'],
};

export function checkArguments({ calls }: Outline): readonly Finding[] {
  return calls.flatMap((call) => [...checkEitherOr(call), ...checkShell(call), ...checkEmptyCommand(call)]);
}

function checkEitherOr({ kind, with: args, pointer }: StepCall): readonly Finding[] {
  const pair = EITHER_OR[kind.name];
  if (!pair) return [];
  const given = pair.filter((name) => args[name] !== undefined);
  if (given.length === 1) return [];
  const found = given.length === 0 ? 'neither' : 'both';
  const message = `expected one of ${pair[0]} and ${pair[1]}, found ${found}`;
  return [{ code: 'MV0213', message, pointer: [...pointer, 'with'], at: 'key' }];
}

function checkEmptyCommand({ kind, with: args, pointer }: StepCall): readonly Finding[] {
  const argv = args['argv'];
  if (kind.args['argv'] === undefined || !Array.isArray(argv) || argv.length > 0 || 'default' in kind.args['argv']) {
    return [];
  }
  const message = 'argv: expected a command, found an empty list';
  return [{ code: 'MV0107', message, pointer: [...pointer, 'with', 'argv'], at: 'key' }];
}

function checkShell({ kind, with: args, pointer }: StepCall): readonly Finding[] {
  return Object.entries(kind.args).flatMap(([name, spec]): readonly Finding[] => {
    const text = args[name];
    if (!spec.isShell || typeof text !== 'string' || !hasExpression(text)) return [];
    const start = text.indexOf('${{');
    const close = text.indexOf('}}', start);
    const end = close < 0 ? start + '${{'.length : close + '}}'.length;
    return [
      {
        code: 'MV0406',
        message: `${name}: expected a fixed script, found an expression in it`,
        hint: 'a value could end the word it stands in: pass it with env and write "$NAME"',
        pointer: [...pointer, 'with', name],
        within: { text: text.slice(start, end), start: 0, end: end - start },
      },
    ];
  });
}
