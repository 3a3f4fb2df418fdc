/** Values of a run for the variables of a playbook. */
import { type Diagnostic, severityOf } from '../diagnostics/diagnostic.ts';
import { didYouMean } from '../diagnostics/suggest.ts';
import type { Playbook } from '../generated/playbook.ts';
import type { Json } from '../node-port.ts';
import { checkVariableValue, readVariableText } from '../values/variable.ts';
import type { PlanContent } from './plan.ts';

/** `given` are the texts of `--var NAME=VALUE`. */
export function planVariables(
  { vars: declared = {} }: Pick<Playbook, 'vars'>,
  given: { readonly [name: string]: string },
): { readonly vars: PlanContent['vars']; readonly problems: readonly Diagnostic[] } {
  const problems: Diagnostic[] = [];
  const complain = (message: string, hint?: string): void => {
    const place = { line: 1, col: 1, endLine: 1, endCol: 1 };
    const code = 'MV0215';
    problems.push({ code, severity: severityOf(code), file: '--var', place, message, ...(hint ? { hint } : {}) });
  };
  const rows = Object.entries(declared).flatMap(([name, row]) => (row ? [[name, row] as const] : []));
  const names = rows.map(([name]) => name);
  for (const name of Object.keys(given)) {
    if (!names.includes(name))
      complain(`the playbook has no variable ${JSON.stringify(name)}`, didYouMean(name, names));
  }
  const vars: { [name: string]: PlanContent['vars'][string] } = {};
  for (const [name, { type, default: fallback }] of rows) {
    const text = Object.hasOwn(given, name) ? given[name] : undefined;
    const value = text === undefined ? fallback : readVariableText(type, text);
    if (value === undefined) {
      complain(`${name} has no value and no default`, `give it with --var ${name}=…`);
      continue;
    }
    const problem = checkVariableValue(type, value);
    if (problem === undefined) vars[name] = { type, value: value as Json };
    else complain(`${name}: ${problem}`);
  }
  return { vars, problems };
}
