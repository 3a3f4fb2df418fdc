/** The command line of mvctl. An error has a message and an exit code, never a stack trace. */
import { Command, CommanderError } from 'commander';
import { EXIT } from '../engine/exit-codes.ts';
import { CommandError } from './command-error.ts';
import type { CliIo } from './io.ts';
import { packageVersion } from './package-version.ts';
import { shellWord } from './shell-word.ts';
import { expectFolder, type StateDirFlag } from './state-dir-option.ts';
import type { Verb, Wiring } from './verb.ts';

/** Runs one command line. Of the verbs only the one that is asked for is loaded. */
export async function runProgram(
  argv: readonly string[],
  io: CliIo,
  verbs: readonly Verb[],
  wiring: Wiring = {},
): Promise<void> {
  const program = new Command('mvctl')
    .description('Maintenance of a live server without downtime')
    .option('-V, --version', 'print the version')
    .addHelpText('after', '\nExample:\n  mvctl apply playbooks/online-os-upgrade.yaml --dry-run');
  if (argv[0] === '--version' || argv[0] === '-V') {
    io.stdout.write(`${packageVersion()}\n`);
    return;
  }
  const asked = argv[0] === 'help' ? argv[1] : argv[0];
  // Of Commander's own `help` only one word counts.
  const words = argv[0] === 'help' && argv.length > 2 ? [...argv.slice(1), '--help'] : [...argv];
  for (const { name, summary, load } of verbs) {
    const command = name === asked ? await load(io, wiring) : new Command(name);
    program.addCommand(command.description(summary));
  }
  for (const command of [program, ...program.commands, ...program.commands.flatMap(({ commands }) => commands)]) {
    command.exitOverride().configureOutput({
      writeOut: (text) => io.stdout.write(text),
      writeErr: (text) => io.stderr.write(text),
      outputError: (text, write) => write(`${text.replace(/^error:/, 'mvctl:')}  hint: ${pathOf(command)} --help\n`),
    });
  }
  let at = '';
  program.hook('preAction', (_, command) => {
    const { stateDir } = command.opts<Partial<StateDirFlag>>();
    if (stateDir === undefined) return;
    // The default, too.
    expectFolder(stateDir);
    if (command.getOptionValueSource('stateDir') === 'cli') at = ` --state-dir ${shellWord(stateDir)}`;
  });
  try {
    await program.parseAsync(words, { from: 'user' });
  } catch (error) {
    io.setExitCode(report(error, io, at));
  }
}

/** As it is called, e.g. `mvctl node up`. */
const pathOf = (command: Command): string =>
  command.parent ? `${pathOf(command.parent)} ${command.name()}` : command.name();

const BY_NAME: { readonly [name: string]: number } = {
  LockHeld: EXIT.lockHeld.code,
  LockLost: EXIT.lockLost.code,
  NodeUnreachable: EXIT.nodeUnreachable.code,
  JournalError: EXIT.journal.code,
  UnfinishedRun: EXIT.unfinishedRun.code,
  NothingToResume: EXIT.nothingToResume.code,
  PlanStale: EXIT.planStale.code,
  ImageError: EXIT.images.code,
  RecipeError: EXIT.images.code,
};

/** `at`: the option that names the node, where it was given. */
const HINTS: { readonly [name: string]: (at: string) => string } = {
  LockHeld: (at) => `mvctl lock ls${at} says who; if that process hangs, mvctl lock break${at}`,
  UnfinishedRun: (at) => `mvctl resume${at} or mvctl rollback${at}`,
};

/** Says what went wrong and gives the exit code. Errors of other layers are told by name: their modules stay unloaded. */
function report(error: unknown, { stderr }: CliIo, at: string): number {
  if (error instanceof CommanderError) return error.exitCode === 0 ? EXIT.ok.code : EXIT.usage.code;
  if (!(error instanceof Error)) {
    stderr.write(`mvctl: ${String(error)}\n`);
    return EXIT.internal.code;
  }
  const known = error instanceof CommandError ? error.exitCode : BY_NAME[error.name];
  const own = (error as { readonly hint?: string }).hint;
  const hint = own ?? HINTS[error.name]?.(at);
  stderr.write(`mvctl: ${known === undefined ? 'internal error: ' : ''}${error.message}\n`);
  if (hint !== undefined) stderr.write(`  hint: ${hint}\n`);
  if (known === undefined)
    stderr.write(process.env['MVCTL_DEBUG'] ? `${error.stack}\n` : '  hint: MVCTL_DEBUG=1 shows where\n');
  return known ?? EXIT.internal.code;
}
