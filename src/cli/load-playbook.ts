/** A file of a command line to a plan; what is wrong with it goes to standard error. */
import { EXIT } from '../engine/exit-codes.ts';
import type { Diagnostic, Plan } from '../engine/index.ts';
import { besides, checkFile } from './check-file.ts';
import { CommandError } from './command-error.ts';
import type { CliIo } from './io.ts';

/** Throws CommandError where the playbook has mistakes, after they have been printed. */
export async function loadPlan(path: string, vars: { readonly [name: string]: string }, io: CliIo): Promise<Plan> {
  const validation = checkFile(path);
  const { formatDiagnostic, summarize } = await import('../engine/diagnostics/frame.ts');
  const print = (found: Diagnostic): void => {
    io.stderr.write(`${formatDiagnostic(found, validation.texts.get(found.file))}\n\n`);
  };
  validation.diagnostics.forEach(print);
  if (!validation.playbook) {
    const problem = validation.isValid ? 'expected a playbook' : summarize(validation.diagnostics);
    throw new CommandError(EXIT.invalid.code, `${path}: ${problem}`);
  }
  const { makePlan } = await import('../engine/plan/make-plan.ts');
  const planned = makePlan(validation.playbook, { vars, readFile: besides(path) });
  if (planned.plan) return planned.plan;
  planned.problems.forEach(print);
  throw new CommandError(EXIT.invalid.code, `${path}: ${summarize(planned.problems)}`);
}
