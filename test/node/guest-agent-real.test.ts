/** Against the real qemu-ga, run beside the test on a socket. It acts on this computer, so only harmless commands. */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { arch, release, tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { BytePort } from '../../src/machine/index.ts';
import { GuestAgent } from '../../src/node/guest-agent.ts';
import { RealtimeClock } from '../network/realtime-clock.ts';

const found = spawnSync('qemu-ga', ['--version']).status === 0;
if (!found) console.warn('the tests against the real QEMU guest agent are left out: no qemu-ga in PATH');

const MS = 1_000_000;

/** The daemon listens some time after it was started, on a busy computer seconds after. */
async function connected(path: string): Promise<Socket> {
  for (let triesLeft = 500; ; triesLeft--) {
    const socket = connect(path);
    try {
      await once(socket, 'connect');
      return socket;
    } catch (error) {
      if (triesLeft === 0) throw error;
      await sleep(50);
    }
  }
}

describe.skipIf(!found)('the real QEMU guest agent', () => {
  const clock = new RealtimeClock();
  const folder = mkdtempSync(join(tmpdir(), 'guest-agent-'));
  let daemon: ChildProcess;
  let socket: Socket;
  let agent: GuestAgent;

  beforeAll(async () => {
    const path = join(folder, 'agent.sock');
    daemon = spawn('qemu-ga', ['-m', 'unix-listen', '-p', path, '-t', folder, '-f', join(folder, 'pid')]);
    socket = await connected(path);
    const port: BytePort = { onOutput: () => {}, input: (bytes) => void socket.write(bytes) };
    socket.on('data', (bytes) => port.onOutput(Buffer.from(bytes)));
    agent = new GuestAgent(port, clock);
  });

  afterAll(() => {
    socket.destroy();
    daemon.kill();
    clock.close();
    rmSync(folder, { recursive: true });
  });

  const soon = (ms = 20_000): { deadlineNs: number } => ({ deadlineNs: clock.now() + ms * MS });

  test('answers', async () => {
    expect(await agent.answers(soon())).toBe(true);
    expect(await agent.version(soon())).toMatch(/^\d+\.\d+/);
  });

  test('tells the kernel', async () => {
    const info = await agent.osInfo(soon());
    expect(info.kernelRelease).toBe(release());
    expect(info.machine).toBe(arch() === 'x64' ? 'x86_64' : info.machine);
  });

  test('runs a command with input and environment and tells its exit code', async () => {
    const script = 'cat; echo "$GREETING" >&2; exit 5';
    const run = { ...soon(), env: { GREETING: 'good day' }, input: Buffer.from('in') };
    expect(await agent.exec(['/bin/sh', '-c', script], run)).toEqual({
      exitCode: 5,
      signal: null,
      stdout: 'in',
      stderr: 'good day\n',
      truncated: false,
    });
  });

  test('gives a megabyte of output whole', async () => {
    const { stdout } = await agent.exec(['head', '-c', '1000000', '/dev/zero'], soon());
    expect(stdout.length).toBe(1_000_000);
  });

  test('tells a signal', async () => {
    expect(await agent.exec(['/bin/sh', '-c', 'kill -TERM $$'], soon())).toMatchObject({ exitCode: 143, signal: 15 });
  });

  test('refuses a command that does not exist', async () => {
    await expect(agent.exec(['/no/such/thing'], soon())).rejects.toMatchObject({ code: 'refused' });
  });

  test('a command that takes too long is killed', async () => {
    const pidFile = join(folder, 'sleeper');
    const script = `echo $$ > ${pidFile}; exec sleep 60`;
    await expect(agent.exec(['/bin/sh', '-c', script], soon(1000))).rejects.toMatchObject({ code: 'timeout' });
    await sleep(300);
    const alive = await agent.exec(['/bin/sh', '-c', `kill -0 $(cat ${pidFile})`], soon());
    expect(alive.exitCode).not.toBe(0);
  });

  test('writes and reads a file of 300 KB', async () => {
    const path = join(folder, 'content');
    const content = Buffer.from(Array.from({ length: 300_000 }, (_, index) => (index * 7) & 0xff));
    await agent.writeFile(path, content, soon());
    expect(Buffer.compare(await agent.readFile(path, soon()), content)).toBe(0);
  });

  test('an empty file is read as empty', async () => {
    const path = join(folder, 'empty');
    await agent.writeFile(path, new Uint8Array(0), soon());
    expect((await agent.readFile(path, soon())).length).toBe(0);
  });

  test('refuses a file that is not there', async () => {
    await expect(agent.readFile(join(folder, 'nothing'), soon())).rejects.toMatchObject({ code: 'refused' });
  });

  test('tells the network interfaces', async () => {
    const loopback = (await agent.networkInterfaces(soon())).find(({ name }) => name === 'lo');
    expect(loopback?.addresses).toContain('127.0.0.1/8');
  });

  test('tells that no file system is frozen', async () => {
    expect(await agent.fileSystemsFrozen(soon())).toBe(false);
  });

  test('takes a change of no memory block', async () => {
    expect(await agent.setMemoryBlocks([], soon())).toEqual([]);
  });

  test('after a timeout the next command gets its own answer', async () => {
    await expect(agent.readFile('/dev/zero', soon(50))).rejects.toMatchObject({ code: 'timeout' });
    expect((await agent.exec(['echo', 'mine'], soon())).stdout).toBe('mine\n');
  });
});
