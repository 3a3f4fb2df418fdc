import { execFileSync } from 'node:child_process';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { connectNode, findNode, type RemoteNode } from '../../src/node/index.ts';
import { readNodeConfig } from '../../src/node/node-config.ts';

const MIB = 1024 * 1024;
let folder: string;
let stateDir: string;
const open: RemoteNode[] = [];
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'mvctl-start-'));
  stateDir = join(folder, 'a node');
  writeFileSync(join(folder, 'disk'), new Uint8Array(MIB));
});
afterEach(async () => {
  vi.unstubAllEnvs();
  const node = await findNode(stateDir).catch(() => undefined);
  await node?.shutDown();
  for (const each of [...open.splice(0), ...(node ? [node] : [])]) await each.close();
  rmSync(folder, { recursive: true });
});

const SPEC = { bankMib: 128, harts: 1, clock: 'virtual', seed: 1, images: {} } as const;

async function connect(path = stateDir): Promise<RemoteNode> {
  const node = await connectNode({ stateDir: path, spec: { ...SPEC, systemImage: join(folder, 'disk') } });
  open.push(node);
  return node;
}

const bootIdOf = async (node: RemoteNode): Promise<string> => (await node.status()).bootId;
const pidOf = (): number =>
  (JSON.parse(readFileSync(join(stateDir, 'node.json.lock'), 'utf8')) as { readonly pid: number }).pid;

describe('a node has one process', () => {
  it('whoever asks for it, with whatever folder for sockets and by whatever name', async () => {
    const bootId = await bootIdOf(await connect());
    vi.stubEnv('XDG_RUNTIME_DIR', join(folder, 'runtime'));
    mkdirSync(join(folder, 'runtime'));
    expect(await bootIdOf(await connect())).toBe(bootId);
    symlinkSync(stateDir, join(folder, 'link'));
    expect(await bootIdOf(await connect(join(folder, 'link')))).toBe(bootId);
    vi.stubEnv('XDG_RUNTIME_DIR', '');
    expect(await bootIdOf(await connect())).toBe(bootId);
    expect(bootId).toBe('boot-1');
  });

  it('in an environment whose folder for sockets is not there, or has too long a name', async () => {
    vi.stubEnv('XDG_RUNTIME_DIR', join(folder, 'not-there'));
    const node = await connect();
    expect(await bootIdOf(node)).toBe('boot-1');
    await node.shutDown();
    const long = join(folder, 'x'.repeat(100));
    mkdirSync(long);
    vi.stubEnv('XDG_RUNTIME_DIR', long);
    expect(await bootIdOf(await connect())).toBe('boot-2');
  });

  it('when several start it at once', async () => {
    const nodes = await Promise.all([connect(), connect(), connect()]);
    expect(await Promise.all(nodes.map(bootIdOf))).toEqual(['boot-1', 'boot-1', 'boot-1']);
  });

  it('and another one when that was killed', async () => {
    await connect();
    process.kill(pidOf(), 'SIGKILL');
    expect(await bootIdOf(await connect())).toBe('boot-2');
  });
});

describe('who only looks at a node', () => {
  it('starts none', async () => {
    await expect(findNode(stateDir)).rejects.toThrow('there is no node in');
    await (await connect()).shutDown();
    expect(await findNode(stateDir)).toBeUndefined();
    expect(existsSync(join(stateDir, 'node.json.lock'))).toBe(false);
  });
});

describe('a node that hangs', () => {
  it('is not off', async () => {
    await connect();
    const address = join(stateDir, 'address');
    const socket = readFileSync(address, 'utf8');
    renameSync(socket, `${socket}.aside`);
    await expect(findNode(stateDir)).rejects.toThrow(
      `the node in ${stateDir} does not answer: process ${pidOf()} hangs`,
    );
    renameSync(`${socket}.aside`, socket);
  });
});

describe('a folder that was moved', () => {
  it('is the same node, with the same disks', async () => {
    await (await connect()).shutDown();
    const moved = join(folder, 'moved');
    renameSync(stateDir, moved);
    const { disks } = readNodeConfig(join(moved, 'node.json'))!;
    expect(disks['system']!.overlay).toBe(join(moved, 'disks/system.overlay'));
    stateDir = moved;
    expect(await bootIdOf(await connect())).toBe('boot-2');
  });
});

describe('a process that cannot start', () => {
  it('says why', async () => {
    await (await connect()).shutDown();
    writeFileSync(join(stateDir, 'node.json'), readFileSync(join(stateDir, 'node.json'), 'utf8').replace('1,', '7,'));
    await expect(connect()).rejects.toThrow("expected version 1 of a node's configuration, found 7");
    vi.stubEnv('MVCTL_TRANSLATE', 'some');
    const config = join(stateDir, 'node.json');
    writeFileSync(config, readFileSync(config, 'utf8').replace('7,', '1,'));
    await expect(connect()).rejects.toThrow(
      /ended at once with 1 \(Error: MVCTL_TRANSLATE: expected hot, all, off, found some\); see .*node\.log/,
    );
    expect(execFileSync('ls', [stateDir], { encoding: 'utf8' })).toContain('node.log');
  });
});
