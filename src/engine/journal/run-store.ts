/**
 * The runs of a node on disk:
 *
 *   STATE_DIR/epoch                            how often an engine took the node over: the fencing epoch
 *   STATE_DIR/runs/0001-<run id>/journal.jsonl
 *   STATE_DIR/holder.json                      who works on it now
 */
import { existsSync, mkdirSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { JournalError } from './journal-error.ts';
import { type ReadJournal, readJournal } from './read-journal.ts';
import { writeSafely } from './write-safely.ts';

export interface StoredRun {
  readonly number: number;
  readonly runId: string;
  readonly journalPath: string;
}

const RUN_DIRECTORY = /^(\d{4,})-([0-9a-f]{12})$/;

export class RunStore {
  readonly #stateDir: string;

  constructor(stateDir: string) {
    this.#stateDir = stateDir;
  }

  /** Oldest first. */
  runs(): readonly StoredRun[] {
    const directory = join(this.#stateDir, 'runs');
    if (!existsSync(directory)) return [];
    return readdirSync(directory)
      .flatMap((name) => {
        const match = RUN_DIRECTORY.exec(name);
        return match
          ? [{ number: Number(match[1]), runId: match[2]!, journalPath: join(directory, name, 'journal.jsonl') }]
          : [];
      })
      .sort((a, b) => a.number - b.number);
  }

  /** The last run, if its journal does not say that it ended. A run without a begin record never did anything. */
  unfinished(): { readonly run: StoredRun; readonly journal: ReadJournal } | undefined {
    const run = this.runs().at(-1);
    if (!run || !existsSync(run.journalPath)) return undefined;
    const journal = readJournal(run.journalPath);
    const last = journal.records.at(-1);
    if (last === undefined || (last.type === 'end' && last.outcome !== 'paused')) return undefined;
    return { run, journal };
  }

  create(runId: string): StoredRun {
    const number = (this.runs().at(-1)?.number ?? 0) + 1;
    const directory = join(this.#stateDir, 'runs', `${String(number).padStart(4, '0')}-${runId}`);
    try {
      mkdirSync(directory, { recursive: true });
    } catch (error) {
      throw new JournalError(`cannot create ${directory}: ${(error as Error).message}`, { cause: error });
    }
    return { number, runId, journalPath: join(directory, 'journal.jsonl') };
  }

  /** The epoch of the engine that took the node over last; 0: none did. Throws JournalError. */
  get epoch(): number {
    const path = this.#epochPath;
    if (!existsSync(path)) return 0;
    const text = readFileSync(path, 'utf8').trim();
    // A lower one than the node knows would shut every engine out.
    if (!/^\d{1,15}$/.test(text))
      throw new JournalError(
        `${path}: expected a whole number, found ${JSON.stringify(text)}; write one above the epochs of the runs`,
      );
    return Number(text);
  }

  get #epochPath(): string {
    return join(this.#stateDir, 'epoch');
  }

  /** Counts up before the node hears of it, so that no two engines ever have the same epoch. */
  nextEpoch(): number {
    const epoch = this.epoch + 1;
    writeSafely(this.#epochPath, `${epoch}\n`);
    return epoch;
  }
}
