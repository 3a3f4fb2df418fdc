import { EXIT } from '../engine/exit-codes.ts';
import type { StoredRun } from '../engine/journal/run-store.ts';
import { CommandError } from './command-error.ts';

/** The run of that number or id, or the last one. Throws CommandError. */
export async function findRun(stateDir: string, which: string | undefined): Promise<StoredRun> {
  const { RunStore } = await import('../engine/journal/run-store.ts');
  const runs = new RunStore(stateDir).runs();
  const found =
    which === undefined
      ? runs.at(-1)
      : runs.findLast(({ number, runId }) => String(number) === which || runId === which);
  if (found) return found;
  const there = runs.length === 0 ? 'no run yet' : `no run ${which}; there are 1 to ${runs.at(-1)!.number}`;
  throw new CommandError(EXIT.noSuchRun.code, `${stateDir}: ${there}`);
}
