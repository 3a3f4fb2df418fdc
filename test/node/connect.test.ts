import { chownSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it, vi } from 'vitest';
import { connectToNode } from '../../src/node/client.ts';
import { connectNode } from '../../src/node/index.ts';
import { type ServedNode, serveNode } from '../../src/node/server.ts';
import { stateDirectory } from '../../src/node/state-directory.ts';

const NOBODY = 65_534;
const ENDS_MS = 20;

describe('the socket of a node', () => {
  it.skipIf(process.getuid?.() !== 0)('of another user is not spoken to', async () => {
    const stateDir = mkdtempSync(join(tmpdir(), 'mvctl-connect-'));
    const { config, socket } = stateDirectory(stateDir);
    try {
      writeFileSync(config, '{"version":1}');
      writeFileSync(socket, '');
      chownSync(socket, NOBODY, NOBODY);
      await expect(connectNode({ stateDir })).rejects.toMatchObject({
        name: 'NodeUnreachable',
        message: `${socket} belongs to another user (uid ${NOBODY})`,
      });
    } finally {
      rmSync(socket, { force: true });
      rmSync(stateDir, { recursive: true });
    }
  });

  it('is not asked for where the folder holds no node, or one that cannot be read', async () => {
    const stateDir = mkdtempSync(join(tmpdir(), 'mvctl-connect-'));
    try {
      await expect(connectNode({ stateDir })).rejects.toThrow('there is no node in');
      writeFileSync(join(stateDir, 'node.json'), '{"version":');
      await expect(connectNode({ stateDir })).rejects.toMatchObject({
        name: 'NodeUnreachable',
        message: expect.stringContaining('node.json is damaged'),
      });
    } finally {
      rmSync(stateDir, { recursive: true });
    }
  });
});

describe('a node that is shut down', () => {
  it('is gone when whoever asked for it goes on', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'mvctl-connect-'));
    const socketPath = join(folder, 'node.sock');
    const happened: string[] = [];
    const served = { onProgress: () => () => {}, onConsole: () => () => {}, shutDown: async () => {} };
    const ends: (() => void)[] = [];
    const server = await serveNode(served as Partial<ServedNode> as ServedNode, socketPath, () => {
      server.close();
      // What a process does at its end, and that it takes a while.
      setTimeout(() => {
        happened.push('the process ended');
        for (const end of ends) end();
      }, ENDS_MS);
    });
    server.on('connection', (socket) => ends.push(() => socket.destroy()));
    try {
      const node = await connectToNode(socketPath);
      await node.shutDown();
      happened.push('shut down');
      await node.close();
      expect(happened).toEqual(['the process ended', 'shut down']);
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
});

describe('a node that is spoken to by a stranger', () => {
  it.each(['null', '5', '"status"', '{}', '{"id":1,"method":"act"}', '{'])('that says %s lives on', async (said) => {
    const folder = mkdtempSync(join(tmpdir(), 'mvctl-connect-'));
    const socketPath = join(folder, 'node.sock');
    const served = {
      onProgress: () => () => {},
      onConsole: () => () => {},
      probe: async () => ({ state: 'unknown' }),
    };
    const server = await serveNode(served as unknown as ServedNode, socketPath, () => {});
    const stranger = connect(socketPath);
    try {
      const defects = vi.spyOn(console, 'error').mockImplementation(() => {});
      stranger.on('error', () => {}).resume();
      stranger.write(`${said}\n`);
      const node = await connectToNode(socketPath);
      expect(await node.probe('key')).toEqual({ state: 'unknown' });
      await node.close();
      defects.mockRestore();
    } finally {
      stranger.destroy();
      server.close();
      rmSync(folder, { recursive: true });
    }
  });
});
