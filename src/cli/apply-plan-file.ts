/** A saved plan for `mvctl apply`: checked against everything it was made from before anything is done. */
import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { resolve } from 'node:path';
import { EXIT } from '../engine/exit-codes.ts';
import type { Plan, RunEnd, RunOptions } from '../engine/index.ts';
import { CommandError } from './command-error.ts';
import { readInputText } from './files.ts';
import type { CliIo } from './io.ts';
import { packageVersion } from './package-version.ts';

export interface SavedPlan {
  readonly plan: Plan;
  /** Runs it if the node is what was planned on. */
  readonly run: (options: RunOptions) => Promise<RunEnd>;
}

export const isPlanFile = (path: string): boolean => path.endsWith('.json');

/** Throws CommandError where the plan does not hold any more; nothing has been done then. */
export async function loadSavedPlan(path: string, stateDir: string, io: CliIo): Promise<SavedPlan> {
  const { factProblems, planProblems, readPlanFile } = await import('../engine/plan/plan-file.ts');
  const { RunStore } = await import('../engine/journal/run-store.ts');
  const file = readPlanFile(readInputText(path));
  if ('problem' in file) throw new CommandError(EXIT.planStale.code, `${path}: ${file.problem}`, AGAIN);
  const folder = file.path.replace(/[^/]*$/, '');
  const { plan } = file;
  refuse(
    path,
    planProblems(file, {
      mvctl: packageVersion(),
      playbookSha256: sha256Of(file.path),
      fileSha256: (name) => sha256Of(folder + name),
      stateDir: resolve(stateDir),
      runs: new RunStore(stateDir).runs().length,
      nowMs: io.wallNow(),
    }),
  );
  return {
    plan,
    run: async (options) => {
      refuse(path, factProblems(file, (await options.port.status()).facts));
      const { runPlan } = await import('../engine/run/run-plan.ts');
      return runPlan(plan, { ...options, plannedRuns: file.runs });
    },
  };
}

const AGAIN = 'make a new plan with mvctl plan; nothing was done';

function refuse(path: string, problems: readonly string[]): void {
  if (problems.length === 0) return;
  throw new CommandError(EXIT.planStale.code, `${path} does not hold any more:\n  ${problems.join('\n  ')}`, AGAIN);
}

/** As the plan has it: of the text without a byte order mark. */
function sha256Of(path: string): string | undefined {
  if (!existsSync(path)) return undefined;
  return createHash('sha256')
    .update(readInputText(path).replace(/^\ufeff/, ''))
    .digest('hex');
}
