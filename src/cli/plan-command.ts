/** `mvctl plan`: what a run of a playbook on a node will do, as far as it is settled; to a file that `apply` holds to. */
import { existsSync } from 'node:fs';
import { resolve } from 'node:path';
import { Command, Option } from 'commander';
import { EXIT } from '../engine/exit-codes.ts';
import type { Json } from '../engine/index.ts';
import { CommandError } from './command-error.ts';
import { writeOutput } from './files.ts';
import type { CliIo } from './io.ts';
import { loadPlan } from './load-playbook.ts';
import { nameValue, type Values } from './name-value.ts';
import { type OpenNode, openNode } from './open-node.ts';
import { packageVersion } from './package-version.ts';
import { shellWord } from './shell-word.ts';
import { stateDirOption } from './state-dir-option.ts';

interface PlanFlags {
  readonly var?: Values;
  readonly stateDir: string;
  readonly out?: string;
  readonly holds: string;
  readonly format: 'pretty' | 'json';
}

const EXAMPLES = `
Examples:
  mvctl plan playbooks/online-os-upgrade.yaml
  mvctl plan playbooks/online-os-upgrade.yaml --var soakFor=1m -o reports/plan.json --holds 2h`;

export function planCommand(io: CliIo, open: OpenNode = openNode): Command {
  return new Command('plan')
    .argument('<playbook>', 'playbook file')
    .option('--var <name=value>', 'value of a variable; repeatable', nameValue)
    .addOption(stateDirOption())
    .option('-o, --out <file>', 'write the plan to a file that mvctl apply executes exactly, or refuses')
    .option('--holds <duration>', 'how long the file holds', '24h')
    .addOption(new Option('--format <format>', 'form of what is shown').choices(['pretty', 'json']).default('pretty'))
    .addHelpText('after', EXAMPLES)
    .action((playbook: string, flags: PlanFlags) => plan(playbook, flags, io, open));
}

async function plan(path: string, flags: PlanFlags, io: CliIo, open: OpenNode): Promise<void> {
  const { DURATION_HINTS, parseDuration } = await import('../engine/values/duration.ts');
  const holdsMs = parseDuration(flags.holds);
  if (typeof holdsMs !== 'number') {
    const found = `--holds: expected a duration, found ${flags.holds}`;
    throw new CommandError(EXIT.usage.code, found, DURATION_HINTS[holdsMs]);
  }
  const made = await loadPlan(path, flags.var ?? {}, io);
  const facts = await factsOf(flags.stateDir, io, open);
  const { foresee } = await import('../engine/plan/foresee.ts');
  const { simulate } = await import('../engine/simulate/simulate.ts');
  const { pastRuns } = await import('../engine/simulate/history.ts');
  const steps = foresee(made, facts);
  const history = pastRuns([flags.stateDir]);
  const simulation = await simulate(made, { history, runs: 400, seed: 1, startMs: io.wallNow() });
  if (flags.format === 'json') {
    const { plan: _, ...expected } = simulation;
    const told = steps.map(({ step, prospect, unknown }) => ({ id: step.id, phase: step.phase, ...prospect, unknown }));
    io.stdout.write(
      `${JSON.stringify({ playbook: made.name, planSha256: made.sha256, steps: told, expected }, null, 2)}\n`,
    );
  } else {
    const { renderPlan } = await import('../engine/plan/render-plan.ts');
    io.stdout.write(renderPlan(made, { color: io.isColor, simulation, steps }));
  }
  if (flags.out === undefined) return;
  const { makePlanFile } = await import('../engine/plan/plan-file.ts');
  const { RunStore } = await import('../engine/journal/run-store.ts');
  const stateDir = resolve(flags.stateDir);
  const runs = new RunStore(stateDir).runs().length;
  const file = makePlanFile(made, {
    path,
    stateDir,
    runs,
    mvctl: packageVersion(),
    facts,
    nowMs: io.wallNow(),
    holdsMs,
  });
  writeOutput(flags.out, `${JSON.stringify(file, null, 2)}\n`);
  io.stderr.write(`${flags.out} holds until ${file.expiresAt}: mvctl apply ${shellWord(flags.out)}\n`);
}

/** What a node says of itself; null where there is none yet, because a plan makes none. */
async function factsOf(stateDir: string, io: CliIo, open: OpenNode): Promise<{ readonly [name: string]: Json } | null> {
  if (!existsSync(`${stateDir}/node.json`)) return null;
  const port = await open({ stateDir, clock: 'virtual', seed: 1 }, io);
  try {
    return (await port.status()).facts;
  } finally {
    await port.close();
  }
}
