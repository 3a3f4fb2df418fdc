/** `mvctl completion SHELL`: a script for the shell, made from the verbs and their options as they are. */
import { Argument, Command } from 'commander';
import { COMPLETION_SCRIPTS, type CompletedVerb, SHELLS, type Shell } from './completion-scripts.ts';
import type { CliIo } from './io.ts';
import type { Verb, Wiring } from './verb.ts';

const EXAMPLES = `
Examples:
  mvctl completion bash
  mvctl completion zsh
  mvctl completion fish

To use it: source <(mvctl completion bash), or write it to where your shell looks for completions.`;

export function completionCommand(io: CliIo, verbs: readonly Verb[], wiring: Wiring): Command {
  return new Command('completion')
    .addArgument(new Argument('<shell>', 'which shell').choices(SHELLS))
    .addHelpText('after', EXAMPLES)
    .action(async (shell: Shell) => {
      const completed = await Promise.all(verbs.map((verb) => describe(verb, io, wiring)));
      io.stdout.write(COMPLETION_SCRIPTS[shell](completed));
    });
}

async function describe({ name, summary, load }: Verb, io: CliIo, wiring: Wiring): Promise<CompletedVerb> {
  const command = await load(io, wiring);
  const all = [command, ...command.commands];
  const options = all.flatMap((each) =>
    each.options.map(({ long, description }) => ({ long: long ?? '', description })),
  );
  return {
    name,
    summary,
    words: command.commands.map((sub) => sub.name()),
    options: options.filter(({ long }, index) => options.findIndex((other) => other.long === long) === index),
  };
}
