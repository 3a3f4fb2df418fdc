/** `mvctl runs ls|show`: the runs of a node, from their journals. */
import { Command, Option } from 'commander';
import { EXIT } from '../engine/exit-codes.ts';
import type { HistoryEntry, RunHistory } from '../engine/journal/run-history.ts';
import type { StoredRun } from '../engine/journal/run-store.ts';
import { printable } from '../engine/report/printable.ts';
import { formatMs } from '../engine/values/duration.ts';
import { columns } from './columns.ts';
import { CommandError } from './command-error.ts';
import { findRun } from './find-run.ts';
import type { CliIo } from './io.ts';
import { type StateDirFlag, stateDirOption } from './state-dir-option.ts';

interface RunsFlags extends StateDirFlag {
  readonly output: string;
}

const LS_HELP = `
Examples:
  mvctl runs ls
  mvctl runs ls --output json`;

const SHOW_HELP = `
Examples:
  mvctl runs show
  mvctl runs show 3 --output json`;

export function runsCommand(io: CliIo): Command {
  const runs = new Command('runs');
  runs
    .command('ls')
    .description('list the runs of the node, oldest first')
    .addOption(stateDirOption())
    .addOption(
      new Option('-o, --output <format>', 'form of what is told').choices(['pretty', 'json']).default('pretty'),
    )
    .addHelpText('after', LS_HELP)
    .action((flags: RunsFlags) => list(flags, io));
  runs
    .command('show')
    .description('tell what a run did, from its journal')
    .argument('[run]', 'number or id of the run; the last one when absent')
    .addOption(stateDirOption())
    .addOption(
      new Option('-o, --output <format>', 'form of what is told').choices(['pretty', 'json']).default('pretty'),
    )
    .addHelpText('after', SHOW_HELP)
    .action((run: string | undefined, flags: RunsFlags) => show(run, flags, io));
  return runs;
}

async function list({ stateDir, output }: RunsFlags, io: CliIo): Promise<void> {
  const { RunStore } = await import('../engine/journal/run-store.ts');
  const histories: RunHistory[] = [];
  for (const run of new RunStore(stateDir).runs()) {
    try {
      const history = await historyOf(run);
      if (history) histories.push(history);
    } catch (error) {
      // One that cannot be read is no reason to hide the others.
      if ((error as Error).name !== 'JournalError') throw error;
      io.stderr.write(`mvctl: run ${run.number}: ${(error as Error).message}\n`);
      io.setExitCode(EXIT.journal.code);
    }
  }
  if (output === 'json') {
    const told = histories.map(({ entries: _, ...history }) => history);
    io.stdout.write(`${JSON.stringify(told, null, 2)}\n`);
    return;
  }
  if (histories.length === 0) io.stdout.write(`${stateDir}: no run yet\n`);
  const rows = [
    ['run', 'id', 'playbook', 'state', 'started', 'node time', 'taken over'],
    ...histories.map(({ number, runId, playbook, state, startedAt, nodeMs, takenOver }) => [
      String(number),
      runId,
      playbook,
      state,
      startedAt,
      formatMs(nodeMs),
      String(takenOver),
    ]),
  ];
  if (histories.length > 0) io.stdout.write(table(rows));
}

async function show(which: string | undefined, { stateDir, output }: RunsFlags, io: CliIo): Promise<void> {
  const run = await findRun(stateDir, which);
  const history = await historyOf(run);
  if (!history) throw new CommandError(EXIT.noSuchRun.code, `run ${run.number} ended before it began`);
  if (output === 'json') {
    io.stdout.write(`${JSON.stringify(history, null, 2)}\n`);
    return;
  }
  const { number, runId, playbook, state, clock, startedAt } = history;
  io.stdout.write(`run ${number} (${runId}): ${playbook}, ${state}, ${clock} clock, since ${startedAt}\n\n`);
  io.stdout.write(table(history.entries.map(entryRow)));
}

/** Undefined: it ended before its first record was safe, so it did nothing. */
async function historyOf(run: StoredRun): Promise<RunHistory | undefined> {
  const { existsSync } = await import('node:fs');
  if (!existsSync(run.journalPath)) return undefined;
  const { readJournal } = await import('../engine/journal/read-journal.ts');
  const { runHistory } = await import('../engine/journal/run-history.ts');
  const { records } = readJournal(run.journalPath);
  return records.length === 0 ? undefined : runHistory(run, records);
}

const MARKS: Readonly<Record<NonNullable<HistoryEntry['outcome']>, string>> = {
  done: '✔',
  failed: '✘',
  'under-way': '…',
};

const WORDS: Readonly<Partial<Record<HistoryEntry['kind'], (what: string) => string>>> = {
  phase: (what) => what,
  step: (what) => what,
  engine: (what) => what,
  ask: (what) => `is ${what} done already?`,
  undo: (what) => `taking back ${what}`,
};

function entryRow({ atMs, kind, what, outcome, failure }: HistoryEntry): readonly string[] {
  const words = WORDS[kind]?.(what) ?? `${kind} ${what}`;
  return [
    formatMs(atMs),
    kind === 'phase' ? words : `  ${outcome ? MARKS[outcome] : ' '} ${words}`,
    printable(failure ?? ''),
  ];
}

const table = (rows: readonly (readonly string[])[]): string => `${columns(rows).join('\n')}\n`;
