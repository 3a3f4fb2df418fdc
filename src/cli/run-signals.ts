/**
 * What Ctrl-C does to a run. The first signal stops it after the step that is under way: the node is left as that step
 * made it and the run can be resumed. The second takes back what was done. The third leaves at once, as a crash would;
 * the journal knows how far it came.
 */
import { EXIT } from '../engine/exit-codes.ts';
import type { CliIo } from './io.ts';

const EXIT_CODES = { SIGINT: EXIT.interrupted.code, SIGTERM: EXIT.terminated.code } as const;
type Signal = keyof typeof EXIT_CODES;

export interface RunSignals extends Disposable {
  readonly stop: AbortSignal;
  readonly rollBack: AbortSignal;
  /** Of a run that was stopped. */
  readonly exitCode: number;
}

export function runSignals({ stderr }: Pick<CliIo, 'stderr'>, leave: (exitCode: number) => void): RunSignals {
  const stop = new AbortController();
  const rollBack = new AbortController();
  let exitCode: number = EXIT.interrupted.code;
  const onSignal = (signal: Signal): void => {
    if (!stop.signal.aborted) {
      exitCode = EXIT_CODES[signal];
      stderr.write('\nstopping after this step; once more takes back what was done\n');
      stop.abort();
    } else if (!rollBack.signal.aborted) {
      stderr.write('\ntaking back what was done, after this step; once more leaves everything as it is\n');
      rollBack.abort();
    } else {
      stderr.write('\nleft as it is; mvctl resume goes on\n');
      leave(exitCode);
    }
  };
  for (const signal of Object.keys(EXIT_CODES)) process.on(signal, onSignal);
  return {
    stop: stop.signal,
    rollBack: rollBack.signal,
    get exitCode() {
      return exitCode;
    },
    [Symbol.dispose]() {
      for (const signal of Object.keys(EXIT_CODES)) process.removeListener(signal, onSignal);
    },
  };
}
