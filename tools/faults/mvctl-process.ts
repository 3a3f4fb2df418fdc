/** mvctl as a user runs it, in a process of its own. */
import { type ChildProcess, spawn } from 'node:child_process';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import type { RecordCrash } from './fault.ts';

export const ROOT = join(import.meta.dirname, '../..');
const KILLER = pathToFileURL(join(ROOT, 'tools/crash/kill-at-record.ts')).href;

export interface Ended {
  /** Null: it was killed. */
  readonly exitCode: number | null;
  readonly printed: string;
}

export interface Mvctl {
  readonly child: ChildProcess;
  readonly ended: Promise<Ended>;
}

export function startMvctl(args: readonly string[], crash?: RecordCrash): Mvctl {
  const main = join(ROOT, 'src/cli/main.ts');
  const child = spawn(process.execPath, [...(crash ? ['--import', KILLER] : []), main, ...args], {
    cwd: ROOT,
    env: { ...process.env, ...(crash ? { MVCTL_CRASH: `${crash.crash}:${crash.record}` } : {}) },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let printed = '';
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk) => (printed += chunk));
  return {
    child,
    ended: new Promise((resolve) => child.once('close', (exitCode) => resolve({ exitCode, printed }))),
  };
}
