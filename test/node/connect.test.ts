import { chownSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { connectNode } from '../../src/node/index.ts';
import { stateDirectory } from '../../src/node/state-directory.ts';

const NOBODY = 65_534;

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
