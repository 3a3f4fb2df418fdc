/** `mvctl resume`: goes on with the run that was left on a node, by a crash, a signal or a pause. */
import { Command } from 'commander';
import { EXIT } from '../engine/exit-codes.ts';
import { CommandError } from './command-error.ts';
import type { CliIo } from './io.ts';
import { type OpenNode, openNode } from './open-node.ts';
import { type OutputTarget, outputOption } from './output-option.ts';
import { runSession } from './run-session.ts';
import { type StateDirFlag, stateDirOption } from './state-dir-option.ts';

interface ResumeFlags extends StateDirFlag {
  readonly output?: readonly OutputTarget[];
  readonly compare?: string;
}

const EXAMPLES = `
Examples:
  mvctl resume
  mvctl resume --state-dir /var/lib/mvctl/web1 --output html=report.html`;

export function resumeCommand(io: CliIo, open: OpenNode = openNode): Command {
  return new Command('resume')
    .addOption(outputOption())
    .addOption(stateDirOption())
    .option('--compare <report>', 'JSON report of an offline run, to put beside this one')
    .addHelpText('after', EXAMPLES)
    .action((flags: ResumeFlags) => resume(flags, io, open));
}

/** A node that has nothing to go on with is not started for it. Rejects with CommandError. */
export async function expectUnfinished(stateDir: string): Promise<void> {
  const { RunStore } = await import('../engine/journal/run-store.ts');
  if (new RunStore(stateDir).unfinished()) return;
  throw new CommandError(EXIT.nothingToResume.code, `no unfinished run in ${stateDir}`);
}

/** The journal holds the plan, and the node exists: nothing else is needed. */
export async function resume(flags: ResumeFlags, io: CliIo, open: OpenNode): Promise<void> {
  const { stateDir, output, compare } = flags;
  await expectUnfinished(stateDir);
  const { resumeRun } = await import('../engine/run/run-plan.ts');
  await runSession({ stateDir, output, compare, openNode: () => open({ stateDir }, io), run: resumeRun }, io);
}
