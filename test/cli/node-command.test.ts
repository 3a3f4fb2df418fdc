import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import type { Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { lockNode } from '../../src/engine/journal/node-lock.ts';
import { stateDirectory } from '../../src/node/index.ts';
import { type ServedNode, serveNode } from '../../src/node/server.ts';
import { runMvctl } from './run-mvctl.ts';

let folder: string;
let looks: number;
let isShutDown: boolean;
let server: Server | undefined;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'mvctl-node-'));
  looks = 0;
  isShutDown = false;
});
afterEach(() => {
  server?.close();
  server = undefined;
  rmSync(folder, { recursive: true, force: true });
});

const TOP = { nowNs: 1e9, harts: 1, virtualized: false, retiredInstructions: 1, traps: {}, sides: [], standbys: [] };

/** What the process of a node is to whoever looks at it, with `onLook` called at each look. */
async function serve(onLook = (): void => {}): Promise<void> {
  const served = {
    onProgress: () => () => {},
    onConsole: () => () => {},
    status: async () => ({ bootId: 'boot-1', nowNs: 0, clock: 'realtime', facts: {} }),
    top: async () => {
      looks += 1;
      onLook();
      return TOP;
    },
    shutDown: async () => {
      isShutDown = true;
    },
  };
  const made = await serveNode(served as Partial<ServedNode> as ServedNode, stateDirectory(folder).socket, () => {
    for (const end of ends) end();
  });
  const ends: (() => void)[] = [];
  made.on('connection', (socket) => ends.push(() => socket.destroy()));
  server = made;
}

const node = (verb: string, ...argv: readonly string[]) => runMvctl(['node', verb, ...argv, '--state-dir', folder]);

describe('mvctl node top', () => {
  it('ends when nobody reads it any more, however long it is to the next look', async () => {
    writeFileSync(join(folder, 'node.json'), '{"version":1}');
    const unread = new AbortController();
    await serve(() => looks === 3 && unread.abort());
    const argv = ['node', 'top', '--every', '1', '--state-dir', folder];
    const { out, exitCode } = await runMvctl(argv, undefined, unread.signal);
    expect(exitCode).toBe(0);
    expect(out.match(/node time/g)).toHaveLength(3);
    const hour = runMvctl(['node', 'top', '--every', '3600000', '--state-dir', folder], undefined, unread.signal);
    expect((await hour).exitCode).toBe(0);
  });

  it.each(['0', '3600001', 'x'])('takes no %s for a time between looks', async (every) => {
    const { err, exitCode } = await node('top', '--every', every);
    expect(exitCode).toBe(2);
    expect(err).toContain(`--every: expected a whole number from 1 to 3600000, found ${every}`);
  });
});

describe('a node that is off', () => {
  it('is not started to be looked at, nor to be switched off', async () => {
    expect(await node('top')).toMatchObject({ exitCode: 26, err: expect.stringContaining('there is no node in') });
    writeFileSync(join(folder, 'node.json'), '{"version":1}');
    expect(await node('top', '--once')).toMatchObject({ exitCode: 26, err: expect.stringContaining('is off') });
    expect(await node('down')).toMatchObject({ exitCode: 0, out: `${folder}: off already\n` });
    expect(existsSync(join(folder, 'node.log'))).toBe(false);
  });
});

describe('mvctl node down', () => {
  it('switches nothing off that a run works on', async () => {
    writeFileSync(join(folder, 'node.json'), '{"version":1}');
    await serve();
    const lock = await lockNode(folder, { pid: 1, since: 'now', playbook: 'an-upgrade' });
    expect(await node('down')).toMatchObject({ exitCode: 24, err: expect.stringContaining('runs an-upgrade') });
    expect(isShutDown).toBe(false);
    await lock.release();
    expect(await node('down')).toMatchObject({ exitCode: 0, out: `${folder}: off\n` });
    expect(isShutDown).toBe(true);
  });
});
