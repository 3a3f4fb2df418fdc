/** What a command may touch of the process: the only place where the wall clock, the terminal and the exit code are. */
import { EXIT } from '../engine/exit-codes.ts';

export interface CliIo {
  readonly stdout: { write(text: string): unknown };
  /** `isTTY`: a line of it can be written over. */
  readonly stderr: { write(text: string): unknown; readonly isTTY?: boolean; readonly columns?: number };
  readonly isColor: boolean;
  /** Aborted when nobody reads standard output any more: a reason to stop for what would go on for ever. */
  readonly unread?: AbortSignal;
  wallNow(): number;
  setExitCode(code: number): void;
}

/** NO_COLOR (https://no-color.org): any value but the empty one turns colours off. */
export function processIo(): CliIo {
  const { stdout, stderr, env } = process;
  const isDumb = env['TERM'] === 'dumb';
  const unread = new AbortController();
  stdout.on('error', (error) => {
    unread.abort();
    noteUnwritten(error);
  });
  // Whoever does not take messages is told nothing, and stops no run by it.
  stderr.on('error', () => {});
  return {
    stdout,
    stderr: {
      write: (text) => stderr.write(text),
      isTTY: stderr.isTTY === true && !isDumb,
      get columns() {
        return stderr.columns;
      },
    },
    isColor: stdout.isTTY === true && !env['NO_COLOR'] && !isDumb,
    unread: unread.signal,
    wallNow: () => Date.now(),
    setExitCode: (code) => {
      process.exitCode = code;
    },
  };
}

/**
 * A reader such as `head` may leave before all is written: that is no failure. A full disk is one, for the exit code of a
 * command that went well; neither is a reason to stop a run.
 */
function noteUnwritten({ code, message }: NodeJS.ErrnoException): void {
  if (code === 'EPIPE' || code === 'ERR_STREAM_DESTROYED') return;
  process.stderr.write(`mvctl: cannot write to standard output: ${message}\n`);
  process.once('exit', () => {
    process.exitCode ||= EXIT.notWritten.code;
  });
}
