/** `mvctl lock ls|break`: who works on a node, and what to do when whoever does hangs. */
import { Command, Option } from 'commander';
import type { CliIo } from './io.ts';
import { type OpenNode, openNode } from './open-node.ts';
import { type StateDirFlag, stateDirOption } from './state-dir-option.ts';

const LS_HELP = `
Examples:
  mvctl lock ls
  mvctl lock ls --state-dir /var/lib/mvctl/web1 --output json`;

const BREAK_HELP = `
The lock of a process that ended is free already: only one that lives and hangs needs this. From here on the node refuses
what that process still asks for, and what it writes no longer counts; then mvctl resume or mvctl rollback takes over.

Example:
  mvctl lock break --state-dir /var/lib/mvctl/web1`;

export function lockCommand(io: CliIo, open: OpenNode = openNode): Command {
  const lock = new Command('lock');
  lock
    .command('ls')
    .description('say who works on the node')
    .addOption(stateDirOption())
    .addOption(
      new Option('-o, --output <format>', 'form of what is told').choices(['pretty', 'json']).default('pretty'),
    )
    .addHelpText('after', LS_HELP)
    .action((flags: StateDirFlag & { readonly output: string }) => list(flags, io));
  lock
    .command('break')
    .description('take the lock from a process that lives, and fence that process off')
    .addOption(stateDirOption())
    .addHelpText('after', BREAK_HELP)
    .action((flags: StateDirFlag) => breakIt(flags, io, open));
  return lock;
}

async function list({ stateDir, output }: StateDirFlag & { readonly output: string }, io: CliIo): Promise<void> {
  const { lockState } = await import('../engine/journal/node-lock.ts');
  const lock = await lockState(stateDir);
  if (output === 'json') io.stdout.write(`${JSON.stringify(lock, null, 2)}\n`);
  else io.stdout.write(`${stateDir}: ${describe(lock)}\n`);
}

type Lock = Awaited<ReturnType<typeof import('../engine/journal/node-lock.ts').lockState>>;

function describe(lock: Lock): string {
  switch (lock.state) {
    case 'free':
      return 'free';
    case 'left':
      return `free; process ${lock.holder.pid} ended without saying so while it ran ${lock.holder.playbook}`;
    case 'held':
      return lock.holder
        ? `held by process ${lock.holder.pid}, which runs ${lock.holder.playbook} since ${lock.holder.since}`
        : 'held by a process that has not said who it is';
  }
}

async function breakIt({ stateDir }: StateDirFlag, io: CliIo, open: OpenNode): Promise<void> {
  const { breakLock, lockState } = await import('../engine/journal/node-lock.ts');
  const lock = await lockState(stateDir);
  if (lock.state !== 'held') {
    io.stdout.write(`${stateDir}: ${describe(lock)}; nothing to break\n`);
    return;
  }
  breakLock(stateDir);
  const { RunStore } = await import('../engine/journal/run-store.ts');
  const epoch = new RunStore(stateDir).nextEpoch();
  const port = await open({ stateDir }, io);
  try {
    await port.fence(epoch);
  } finally {
    await port.close();
  }
  io.stdout.write(`${stateDir}: broken; it was ${describe(lock)}\n`);
}
