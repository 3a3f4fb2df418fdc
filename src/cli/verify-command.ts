/** `mvctl verify`: every way a run of a playbook can go, with everything that can fail; reads files and nothing else. */
import { Command, Option } from 'commander';
import { EXIT } from '../engine/exit-codes.ts';
import type { Plan } from '../engine/plan/plan.ts';
import type { Violation } from '../engine/verify/judge.ts';
import type { Verification } from '../engine/verify/verify-plan.ts';
import { collectFiles } from './collect-files.ts';
import { CommandError } from './command-error.ts';
import { writeOutput } from './files.ts';
import type { CliIo } from './io.ts';
import { loadPlan } from './load-playbook.ts';
import { nameValue, type Values } from './name-value.ts';
import { wholeNumber } from './whole-number.ts';

interface VerifyFlags {
  readonly var?: Values;
  readonly output: 'pretty' | 'json' | 'junit';
  readonly tests?: string;
  readonly states: number;
}

const EXAMPLES = `
Examples:
  mvctl verify playbooks/online-os-upgrade.yaml
  mvctl verify playbooks/offline-os-upgrade.yaml --output json
  mvctl verify playbooks/online-os-upgrade.yaml --tests reports/counter-examples.test.yaml`;

export function verifyCommand(io: CliIo): Command {
  return new Command('verify')
    .argument('<playbook...>', 'files, folders and globs')
    .option('--var <name=value>', 'value of a variable; repeatable', nameValue)
    .addOption(
      new Option('-o, --output <format>', 'form of what is found')
        .choices(['pretty', 'json', 'junit'])
        .default('pretty'),
    )
    .option('--states <number>', 'give up after so many states', wholeNumber('--states'), 20_000)
    .option('--tests <file>', 'write what is found as a playbook test; of several playbooks the last one with errors')
    .addHelpText('after', EXAMPLES)
    .action((files: readonly string[], flags: VerifyFlags) => verify(files, flags, io));
}

interface Verified {
  readonly file: string;
  readonly verification: Verification;
  readonly wallMs: number;
}

async function verify(files: readonly string[], flags: VerifyFlags, io: CliIo): Promise<void> {
  const { verifyPlan } = await import('../engine/verify/verify-plan.ts');
  const verified: Verified[] = [];
  let isWhole = true;
  for (const file of await playbooksOf(files)) {
    const plan = await planOrNothing(file, flags, io);
    if (!plan) {
      isWhole = false;
      continue;
    }
    const fromMs = io.wallNow();
    const verification = await verifyPlan(plan, flags.states);
    verified.push({ file, verification, wallMs: io.wallNow() - fromMs });
  }
  io.stdout.write(await render(verified, flags, io));
  const failed = verified.filter(({ verification }) => !isSound(verification));
  if (failed.length > 0 || !isWhole) io.setExitCode(EXIT.invalid.code);
  const last = failed.at(-1);
  if (flags.tests !== undefined && last) await writeTests(flags.tests, last.verification);
}

/** A glob over a folder of playbooks meets their tests. Throws CommandError where it meets nothing else. */
async function playbooksOf(patterns: readonly string[]): Promise<readonly string[]> {
  const files = await collectFiles(patterns, 'Playbook');
  const playbooks = files.filter((name) => !name.endsWith('.test.yaml'));
  if (playbooks.length > 0) return playbooks;
  throw new CommandError(EXIT.usage.code, `expected a playbook, found tests of playbooks: ${files.join(', ')}`);
}

/** One that has mistakes is told, and no reason to leave out the others. */
async function planOrNothing(file: string, { var: vars = {} }: VerifyFlags, io: CliIo): Promise<Plan | undefined> {
  try {
    return await loadPlan(file, vars, io);
  } catch (error) {
    if (!(error instanceof CommandError) || error.exitCode !== EXIT.invalid.code) throw error;
    io.stderr.write(`mvctl: ${error.message}\n`);
    return undefined;
  }
}

const isSound = ({ violations, isComplete }: Verification): boolean =>
  isComplete && violations.every(({ severity }) => severity !== 'error');

async function render(verified: readonly Verified[], { output }: VerifyFlags, io: CliIo): Promise<string> {
  switch (output) {
    case 'json':
      return `${JSON.stringify(verified.map(jsonOf), null, 2)}\n`;
    case 'junit':
      return junit(verified, io);
    case 'pretty': {
      const { renderVerification } = await import('../engine/verify/render-verification.ts');
      const texts = verified.map(({ file, verification, wallMs }) => {
        const text = renderVerification(verification, { color: io.isColor, file });
        return `${text.trimEnd()}\n  checked in ${Math.round(wallMs)} ms\n`;
      });
      return texts.join('\n');
    }
  }
}

function jsonOf({ file, verification }: Verified): object {
  const { violations, worst, states, transitions, crashes, isComplete } = verification;
  return {
    file,
    isComplete,
    states,
    transitions,
    crashes,
    worstCase: {
      durationMs: worst.duration.ms,
      downtimeMs: worst.downtime.ms,
      phases: Object.fromEntries([...worst.phases].map(([phase, { ms }]) => [phase, ms])),
    },
    violations: violations.map(({ property, severity, message, line, step }) => ({
      property,
      severity,
      message,
      line,
      step: step?.id ?? null,
    })),
  };
}

async function junit(verified: readonly Verified[], io: CliIo): Promise<string> {
  const { junitXml } = await import('../engine/report/junit-xml.ts');
  const { PROPERTIES } = await import('../engine/verify/properties.ts');
  const { renderVerification } = await import('../engine/verify/render-verification.ts');
  const startedAt = new Date(io.wallNow()).toISOString();
  return junitXml(
    verified.map(({ file, verification, wallMs }) => ({
      name: file,
      startedAt,
      cases: Object.entries(PROPERTIES).map(([property, { means }]) => {
        const broken = verification.violations.filter(
          (violation: Violation) => violation.property === property && violation.severity === 'error',
        );
        const details = renderVerification({ ...verification, violations: broken }, { color: false, file });
        return {
          name: means,
          className: property,
          timeMs: wallMs / Object.keys(PROPERTIES).length,
          verdict:
            broken.length === 0
              ? { kind: 'passed' as const }
              : { kind: 'failure' as const, type: property, message: broken[0]!.message, details },
        };
      }),
    })),
  );
}

async function writeTests(path: string, { plan, violations }: Verification): Promise<void> {
  const { counterTests } = await import('../engine/verify/counter-test.ts');
  const { stepsOf } = await import('../engine/plan/plan.ts');
  writeOutput(path, counterTests(plan, stepsOf(plan), violations));
}
