/** A file of a command line to a checked playbook; what is wrong with it goes to standard error. */
import { readFileSync } from 'node:fs';
import type { Profile } from '../engine/diagnostics/codes.ts';
import { EXIT } from '../engine/exit-codes.ts';
import type { Plan, Validation } from '../engine/index.ts';
import { CommandError } from './command-error.ts';
import type { CliIo } from './io.ts';

function readPlaybookFile(path: string): Uint8Array {
  try {
    return readFileSync(path);
  } catch (error) {
    throw new CommandError(EXIT.usage.code, `cannot read ${path}: ${(error as Error).message}`);
  }
}

export const checkFile = (path: string, profile?: Profile): Promise<Validation> =>
  checkText(path, readPlaybookFile(path), profile);

export async function checkText(path: string, content: Uint8Array | string, profile?: Profile): Promise<Validation> {
  const { parseYaml } = await import('../engine/parse/parse-yaml.ts');
  const { validatePlaybook } = await import('../engine/validate/validate-playbook.ts');
  return validatePlaybook(parseYaml(path, content), profile ? { profile } : {});
}

/** Throws CommandError where the playbook has mistakes, after they have been printed. */
export async function loadPlan(path: string, vars: { readonly [name: string]: string }, io: CliIo): Promise<Plan> {
  const validation = await checkFile(path);
  const { formatDiagnostic, summarize } = await import('../engine/diagnostics/frame.ts');
  for (const found of validation.diagnostics) io.stderr.write(`${formatDiagnostic(found, validation.source.text)}\n\n`);
  if (!validation.playbook) throw new CommandError(EXIT.invalid.code, `${path}: ${summarize(validation.diagnostics)}`);
  const { makePlan } = await import('../engine/plan/make-plan.ts');
  const folder = path.replace(/[^/]*$/, '');
  const planned = makePlan(validation.playbook, validation.source, {
    vars,
    readFile: (file) => readFileSync(folder + file),
  });
  if (planned.plan) return planned.plan;
  for (const found of planned.problems) {
    const text = found.file === path ? validation.source.text : undefined;
    io.stderr.write(`${formatDiagnostic(found, text)}\n\n`);
  }
  throw new CommandError(EXIT.invalid.code, `${path}: ${summarize(planned.problems)}`);
}
