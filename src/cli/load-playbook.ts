/** A file of a command line to a checked playbook; what is wrong with it goes to standard error. */
import { readFileSync } from 'node:fs';
import { EXIT } from '../engine/exit-codes.ts';
import type { Plan } from '../engine/index.ts';
import { checkPlaybook } from './check-file.ts';
import { CommandError } from './command-error.ts';
import type { CliIo } from './io.ts';

/** Throws CommandError where the playbook has mistakes, after they have been printed. */
export async function loadPlan(path: string, vars: { readonly [name: string]: string }, io: CliIo): Promise<Plan> {
  const validation = checkPlaybook(path);
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
