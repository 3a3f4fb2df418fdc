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
