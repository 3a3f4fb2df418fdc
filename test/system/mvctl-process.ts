/** mvctl as a user runs it, against the emulated node in a process of its own. */
import { type ChildProcess, spawn } from 'node:child_process';
import { join } from 'node:path';

export const ROOT = join(import.meta.dirname, '../..');
const MAIN = join(ROOT, 'src/cli/main.ts');

export interface Finished {
  readonly exitCode: number | null;
  readonly printed: string;
}

export interface Started {
  readonly child: ChildProcess;
  readonly finished: Promise<Finished>;
  /** Resolves when it has told so on standard error, or has ended. */
  tells(text: string): Promise<void>;
}

export function start(args: readonly string[]): Started {
  const child = spawn(process.execPath, [MAIN, ...args], { cwd: ROOT });
  let printed = '';
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk) => (printed += chunk));
  const finished = new Promise<Finished>((resolve) => {
    child.once('close', (exitCode) => resolve({ exitCode, printed }));
  });
  const tells = (text: string): Promise<void> =>
    new Promise((resolve) => {
      child.stderr.on('data', () => {
        if (printed.includes(text)) resolve();
      });
      void finished.then(() => resolve());
    });
  return { child, finished, tells };
}
