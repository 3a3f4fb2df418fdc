/** The examples of `mvctl image` and `mvctl node`, which build disks and boot a node; test/cli/examples.test.ts runs the others. */
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ROOT } from './mvctl-process.ts';

/** Asks the archive for versions of today and writes them down: not a thing to do in passing. */
const NOT_RUN = ['mvctl image lock recipes/web-server.yaml'];

interface Ran {
  readonly exitCode: number | null;
  readonly printed: string;
}

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'mvctl-examples-'));
  symlinkSync(join(ROOT, 'recipes'), join(folder, 'recipes'));
});
afterAll(async () => {
  await run('mvctl node down');
  rmSync(folder, { recursive: true, force: true });
});

/** `until`: what it prints before it is interrupted. */
function run(line: string, until?: RegExp): Promise<Ran> {
  const main = join(ROOT, 'src/cli/main.ts');
  const [, ...args] = line.split(' ');
  const child: ChildProcess = spawn(process.execPath, [main, ...args], {
    cwd: folder,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let printed = '';
  let isInterrupted = false;
  for (const stream of [child.stdout!, child.stderr!]) {
    stream.on('data', (chunk) => {
      printed += chunk;
      if (isInterrupted || !until?.test(printed)) return;
      isInterrupted = child.kill('SIGINT');
    });
  }
  return new Promise((resolve) => child.once('close', (exitCode) => resolve({ exitCode, printed })));
}

async function examplesOf(...path: readonly string[]): Promise<readonly string[]> {
  const { printed } = await run(['mvctl', ...path, '--help'].join(' '));
  return [...printed.matchAll(/^ {2}(?:\$ )?(mvctl (?:image|node) [^\n]*?)(?: {2,}\S.*)?$/gm)].map(
    (match) => match[1]!,
  );
}

describe('every example of mvctl image and mvctl node', () => {
  it('does what the help says', async () => {
    const image = [
      ...(await examplesOf('image', 'build')),
      ...(await examplesOf('image', 'list')),
      ...(await examplesOf('image', 'lock')),
    ];
    const node = await examplesOf('node', 'up');
    expect(image.length).toBeGreaterThan(3);
    expect(node.length).toBeGreaterThan(3);
    for (const line of [...image, ...node].filter((example) => !NOT_RUN.includes(example))) {
      const { exitCode, printed } = await run(line, line === 'mvctl node top' ? /ran|hart/ : undefined);
      expect(exitCode, `${line}\n${printed}`).toBe(0);
      if (line.startsWith('mvctl node up')) expect(printed).toMatch(/serves at http:\/\/127\.0\.0\.1:\d+/);
    }
  });

  it('is refused for a node that is made of something else', async () => {
    const live = '--state-dir .mvctl/live';
    const playbook = join(ROOT, 'playbooks/online-os-restart.yaml');
    for (const [line, says] of [
      [`mvctl node up --no-console --harts 2 ${live}`, '--harts: expected 2, found 1'],
      [`mvctl apply ${playbook} --clock virtual ${live}`, '--clock: expected virtual, found realtime'],
      [`mvctl apply ${playbook} --seed 7 ${live}`, '--seed: expected 7, found 1'],
    ] as const) {
      const { exitCode, printed } = await run(line);
      expect([exitCode, printed], line).toEqual([2, `mvctl: ${says} in the node of .mvctl/live\n`]);
    }
  });
});
