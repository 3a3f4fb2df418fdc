/**
 * `mvctl approve PHASE`: an answer at the gate of a phase. No process waits meanwhile: the answer is kept with the run,
 * and `mvctl resume` goes on. Who answers is what the caller says; whoever may write the state directory may answer.
 */
import { userInfo } from 'node:os';
import { Command } from 'commander';
import { EXIT } from '../engine/exit-codes.ts';
import type { LeftRun } from '../engine/run/left-run.ts';
import { CommandError } from './command-error.ts';
import type { CliIo } from './io.ts';
import { shellWord } from './shell-word.ts';
import { type StateDirFlag, stateDirOption } from './state-dir-option.ts';

interface ApproveFlags extends StateDirFlag {
  readonly as?: string;
  readonly reject?: boolean;
  readonly comment: string;
}

const EXAMPLES = `
Examples:
  mvctl approve cut-over --as alice --comment "traffic is low"
  mvctl approve cut-over --as bob --reject --comment "incident 4711 is open"`;

export function approveCommand(io: CliIo): Command {
  return new Command('approve')
    .argument('<phase>', 'the phase whose gate the run waits at')
    .option('--as <name>', 'who answers; your user name when absent')
    .option('--reject', 'answer no')
    .option('--comment <text>', 'why', '')
    .addOption(stateDirOption())
    .addHelpText('after', EXAMPLES)
    .action((phase: string, flags: ApproveFlags) => approve(phase, flags, io));
}

async function approve(phase: string, flags: ApproveFlags, io: CliIo): Promise<void> {
  const { stateDir, as: by = userName(), reject = false, comment } = flags;
  const { RunStore } = await import('../engine/journal/run-store.ts');
  const open = new RunStore(stateDir).unfinished();
  if (!open) throw new CommandError(EXIT.nothingToResume.code, `no unfinished run in ${stateDir}`);
  const { leftRun } = await import('../engine/run/left-run.ts');
  const { approvers, required, sinceMs } = gateOf(phase, leftRun(open.journal.records));
  if (!approvers.includes(by))
    throw notAsked(`the gate of ${phase} asks ${approvers.join(', ')}, not ${by}`, 'say who you are with --as');
  const { addAnswer, readAnswers } = await import('../engine/journal/gate-answers.ts');
  const decision = reject ? 'reject' : 'approve';
  // A clock that was set back makes no answer one from before it was asked for.
  const wallMs = Math.max(io.wallNow(), sinceMs);
  addAnswer(open.run.journalPath, { gate: phase, by, decision, comment, wallMs });
  const said = readAnswers(open.run.journalPath).filter((one) => one.gate === phase && one.wallMs >= sinceMs);
  const agreed = new Set(said.filter((answer) => answer.decision === 'approve').map((answer) => answer.by));
  io.stdout.write(
    reject || agreed.size >= required
      ? `${phase} ${reject ? 'refused' : 'approved'} by ${by}; go on with: mvctl resume --state-dir ${shellWord(stateDir)}\n`
      : `${phase} approved by ${[...agreed].join(', ')}: ${agreed.size} of ${required}\n`,
  );
}

/** Throws CommandError: in a container the user may have none. */
function userName(): string {
  try {
    return userInfo().username;
  } catch {
    const found = `this user (uid ${process.getuid?.()}) has none`;
    throw new CommandError(EXIT.usage.code, `expected a user name, but ${found}`, 'say who you are with --as');
  }
}

interface AskedGate {
  readonly approvers: readonly string[];
  readonly required: number;
  /** Since when the run waits, by the wall clock. */
  readonly sinceMs: number;
}

function gateOf(phase: string, { plan, context }: LeftRun): AskedGate {
  const { waiting } = context;
  const gate = plan.phases.find(({ id }) => id === phase)?.gate;
  if (gate && waiting?.kind === 'gate' && waiting.phase === phase) return { ...gate, sinceMs: waiting.sinceMs ?? 0 };
  const instead = waiting ? `it waits for the ${waiting.kind} of ${waiting.phase}` : 'it does not wait';
  throw notAsked(`the run does not wait at a gate of ${phase}: ${instead}`);
}

const notAsked = (message: string, hint?: string): CommandError => new CommandError(EXIT.notAsked.code, message, hint);
