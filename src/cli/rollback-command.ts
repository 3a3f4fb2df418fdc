/** `mvctl rollback`: takes back the run that was left on a node, as long as it is not past its commit. */
import { Command } from 'commander';
import type { CliIo } from './io.ts';
import { type OpenNode, openNode } from './open-node.ts';
import { type OutputTarget, outputOption } from './output-option.ts';
import { expectUnfinished } from './resume-command.ts';
import { pastCommit, runSession } from './run-session.ts';
import { type StateDirFlag, stateDirOption } from './state-dir-option.ts';

interface RollbackFlags extends StateDirFlag {
  readonly output?: readonly OutputTarget[];
}

const EXAMPLES = `
A step that is under way at the node is waited for; then what was done is taken back, latest first.

Examples:
  mvctl rollback
  mvctl rollback --state-dir /var/lib/mvctl/web1 --output json=report.json`;

export function rollbackCommand(io: CliIo, open: OpenNode = openNode): Command {
  return new Command('rollback')
    .addOption(outputOption())
    .addOption(stateDirOption())
    .addHelpText('after', EXAMPLES)
    .action((flags: RollbackFlags) => rollback(flags, io, open));
}

async function rollback({ stateDir, output }: RollbackFlags, io: CliIo, open: OpenNode): Promise<void> {
  await expectUnfinished(stateDir);
  const { resumeRun } = await import('../engine/run/run-plan.ts');
  const atOnce = AbortSignal.abort();
  await runSession(
    {
      stateDir,
      output,
      openNode: () => open({ stateDir }, io),
      run: async (options) => {
        const end = await resumeRun({ ...options, signal: atOnce, rollBack: atOnce });
        if (end.kind === 'interrupted') throw pastCommit(stateDir);
        return end;
      },
    },
    io,
  );
}
