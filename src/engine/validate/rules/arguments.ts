// MV0213, MV0406: arguments that the schema cannot judge one by one.
import type { Finding } from '../../diagnostics/diagnostic.ts';
import { hasExpression } from '../../expression/template.ts';
import type { Outline, OutlinedStep } from '../outline.ts';

/** Exactly one of each pair is given. */
const EITHER_OR: { readonly [kind: string]: readonly [string, string] } = {
  'guest.run': ['argv', 'script'],
  'guest.copy': ['content', 'from'],
};

export function checkArguments({ steps }: Outline): readonly Finding[] {
  return steps.flatMap((step) => [...checkEitherOr(step), ...checkShell(step), ...checkEmptyCommand(step)]);
}

function checkEitherOr({ step, pointer }: OutlinedStep): readonly Finding[] {
  const pair = EITHER_OR[step.uses];
  if (!pair) return [];
  const given = pair.filter((name) => step.with?.[name] !== undefined);
  if (given.length === 1) return [];
  const found = given.length === 0 ? 'neither' : 'both';
  const message = `expected one of ${pair[0]} and ${pair[1]}, found ${found}`;
  return [{ code: 'MV0213', message, pointer: [...pointer, 'with'], at: 'key' }];
}

function checkEmptyCommand({ step, kind, pointer }: OutlinedStep): readonly Finding[] {
  const argv = step.with?.['argv'];
  if (kind.args['argv'] === undefined || !Array.isArray(argv) || argv.length > 0 || 'default' in kind.args['argv']) {
    return [];
  }
  const message = 'argv: expected a command, found an empty list';
  return [{ code: 'MV0107', message, pointer: [...pointer, 'with', 'argv'], at: 'key' }];
}

function checkShell({ step, kind, pointer }: OutlinedStep): readonly Finding[] {
  return Object.entries(kind.args).flatMap(([name, spec]): readonly Finding[] => {
    const text = step.with?.[name];
    if (!spec.isShell || typeof text !== 'string' || !hasExpression(text)) return [];
    const start = text.indexOf('${{');
    const end = text.indexOf('}}', start) + 2 || start + 3;
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
