/** What a command may touch of the process: the only place where the wall clock, the terminal and the exit code are. */
export interface CliIo {
  readonly stdout: { write(text: string): unknown };
  readonly stderr: { write(text: string): unknown; readonly isTTY?: boolean; readonly columns?: number };
  readonly isColor: boolean;
  wallNow(): number;
  setExitCode(code: number): void;
}

/** NO_COLOR (https://no-color.org): any value but the empty one turns colours off. */
export function processIo(): CliIo {
  const { stdout, stderr, env } = process;
  for (const stream of [stdout, stderr]) stream.on('error', ignoreClosedPipe);
  return {
    stdout,
    stderr,
    isColor: stdout.isTTY === true && !env['NO_COLOR'] && env['TERM'] !== 'dumb',
    wallNow: () => Date.now(),
    setExitCode: (code) => {
      process.exitCode = code;
    },
  };
}

/** A reader such as `head` may leave before all is written: that is no failure, and no reason to stop a run. */
function ignoreClosedPipe(error: NodeJS.ErrnoException): void {
  if (error.code !== 'EPIPE') throw error;
}
