/** Runs a program to its end. A failure carries the last lines it said. */
import { spawn } from 'node:child_process';
import { ImageError } from './image-error.ts';

/** Enough of a failed program's last words to understand it. */
const TAIL_CHARS = 2000;

export interface CommandOptions {
  readonly cwd?: string;
  readonly env?: Readonly<Record<string, string | undefined>>;
  readonly input?: string;
  /** Called for each line of standard output and standard error. */
  readonly onLine?: (line: string) => void;
  /** File descriptor that standard output goes to, instead of the result. */
  readonly stdoutFd?: number;
  readonly signal?: AbortSignal;
  /** Exit statuses besides 0 that are no failure. */
  readonly allowStatus?: readonly number[];
}

export interface CommandResult {
  readonly status: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** Throws ImageError `command-failed` for another exit status than 0 (or one allowed), `tool-missing` if it is not there. */
export function runCommand(
  program: string,
  args: readonly string[],
  options: CommandOptions = {},
): Promise<CommandResult> {
  return new Promise((done, fail) => {
    const child = spawn(program, args, {
      stdio: ['pipe', options.stdoutFd ?? 'pipe', 'pipe'],
      ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
      ...(options.env === undefined ? {} : { env: options.env }),
      ...(options.signal === undefined ? {} : { signal: options.signal }),
    });
    const output = { stdout: '', stderr: '' };
    const follow = (name: 'stdout' | 'stderr'): void => {
      let rest = '';
      child[name]?.setEncoding('utf8').on('data', (text: string) => {
        output[name] += text;
        if (options.onLine === undefined) return;
        const lines = (rest + text).split('\n');
        rest = lines.pop() ?? '';
        for (const line of lines) options.onLine(line);
      });
    };
    follow('stdout');
    follow('stderr');
    child.stdin?.on('error', () => {
      // The program ended without reading all of its input; its exit status tells.
    });
    child.stdin?.end(options.input ?? '');
    child.on('error', (cause: NodeJS.ErrnoException) => {
      if (cause.name === 'AbortError') fail(new ImageError('cancelled', `${program} was cancelled`, { cause }));
      else if (cause.code === 'ENOENT') fail(new ImageError('tool-missing', `${program} is not installed`, { cause }));
      else fail(new ImageError('command-failed', `${program}: ${cause.message}`, { cause }));
    });
    child.on('close', (status, signal) => {
      const { stdout, stderr } = output;
      if (status === 0 || (status !== null && options.allowStatus?.includes(status))) {
        done({ status, stdout, stderr });
        return;
      }
      const end = signal === null ? `exit status ${status}` : `signal ${signal}`;
      const tail = `${stdout}${stderr}`.slice(-TAIL_CHARS).trim();
      fail(new ImageError('command-failed', `${[program, ...args].join(' ').slice(0, 200)}: ${end}\n${tail}`));
    });
  });
}
