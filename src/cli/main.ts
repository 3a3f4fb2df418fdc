/** Entry of the command `mvctl`. */
import type { Command } from 'commander';
import { processIo } from './io.ts';
import { runProgram } from './program.ts';

const argv = process.argv.slice(2);
await runProgram(argv, processIo(), { extend: await furtherCommands(argv) });

/** Commands whose modules are heavy are loaded when they are asked for, or listed in the help. */
async function furtherCommands([verb]: readonly string[]): Promise<readonly Command[]> {
  if (verb === 'validate' || verb === 'apply' || verb === 'report') return [];
  const { imageCommand } = await import('./image-command.ts');
  const { stdout, stderr } = process;
  const setExitCode = (code: number): void => {
    process.exitCode = code;
  };
  const { nodeCommand } = await import('./node-command.ts');
  return [nodeCommand(processIo()), imageCommand({ stdout, stderr, now: () => new Date(), setExitCode })];
}
