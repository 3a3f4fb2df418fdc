/** mvctl in a process of its own, on a model node or on the emulated one, perhaps with a crash in it. */
import { spawn } from 'node:child_process';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import type { Crash } from './kill-at-record.ts';

const here = import.meta.dirname;
const KILLER = pathToFileURL(join(here, 'kill-at-record.ts')).href;
const MAIN = { model: join(here, 'mvctl-on-model.ts'), emulated: join(here, '../../src/cli/main.ts') } as const;

/** Most of what a short process does is to compile the same modules. */
const COMPILED = join(tmpdir(), 'mvctl-crash-compiled');

export type NodeKind = keyof typeof MAIN;

export interface CrashPoint {
  readonly crash: Crash;
  /** Number of the record in the journal, from 1. */
  readonly record: number;
}

export interface Ran {
  readonly exitCode: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly printed: string;
}

export interface RunMvctlOptions {
  readonly crash?: CrashPoint;
  readonly env?: { readonly [name: string]: string };
}

export function runMvctl(node: NodeKind, args: readonly string[], options: RunMvctlOptions = {}): Promise<Ran> {
  const { crash, env } = options;
  const child = spawn(process.execPath, [...(crash ? ['--import', KILLER] : []), MAIN[node], ...args], {
    env: {
      NODE_COMPILE_CACHE: COMPILED,
      ...process.env,
      ...env,
      ...(crash ? { MVCTL_CRASH: `${crash.crash}:${crash.record}` } : {}),
    },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let printed = '';
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk) => (printed += chunk));
  return new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (exitCode, signal) => resolve({ exitCode, signal, printed }));
  });
}
