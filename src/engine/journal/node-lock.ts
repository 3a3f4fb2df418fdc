/**
 * One engine at a time works on a node. On Linux the lock is an abstract socket, which the kernel frees with the process
 * that holds it, however it ends; elsewhere a file with its process id. `holder.json` says who has it, for
 * people: it is not the lock.
 */
import { createHash } from 'node:crypto';
import { closeSync, mkdirSync, openSync, readFileSync, realpathSync, rmSync, writeFileSync, writeSync } from 'node:fs';
import { createServer, type Server } from 'node:net';
import { join } from 'node:path';

export interface LockHolder {
  readonly pid: number;
  readonly since: string;
  readonly playbook: string;
}

export class LockHeld extends Error {
  override readonly name = 'LockHeld';
  readonly holder: LockHolder | undefined;

  constructor(stateDir: string, holder: LockHolder | undefined) {
    const who = holder
      ? `process ${holder.pid}, which runs ${holder.playbook} since ${holder.since}`
      : 'another process';
    super(`the node in ${stateDir} is held by ${who}`);
    this.holder = holder;
  }
}

export interface NodeLock {
  release(): Promise<void>;
}

/** Throws LockHeld. */
export async function lockNode(stateDir: string, holder: LockHolder): Promise<NodeLock> {
  mkdirSync(stateDir, { recursive: true });
  const path = realpathSync(stateDir);
  const holderFile = join(path, 'holder.json');
  const unlock = process.platform === 'linux' ? await lockSocket(path, holderFile) : lockFile(path, holderFile);
  writeFileSync(holderFile, `${JSON.stringify(holder)}\n`);
  return {
    async release() {
      rmSync(holderFile, { force: true });
      await unlock();
    },
  };
}

async function lockSocket(path: string, holderFile: string): Promise<() => Promise<void>> {
  const name = `\0mvctl-${createHash('sha256').update(path).digest('hex').slice(0, 32)}`;
  const server: Server = createServer((socket) => socket.destroy());
  await new Promise<void>((resolve, reject) => {
    server.once('error', (error: NodeJS.ErrnoException) =>
      reject(error.code === 'EADDRINUSE' ? new LockHeld(path, readHolder(holderFile)) : error),
    );
    server.listen(name, resolve);
  });
  server.unref();
  return () => new Promise((resolve) => server.close(() => resolve()));
}

function lockFile(path: string, holderFile: string): () => Promise<void> {
  const file = join(path, 'lock');
  for (let attempt = 0; ; attempt++) {
    try {
      const fd = openSync(file, 'wx');
      writeSync(fd, String(process.pid));
      closeSync(fd);
      return async () => rmSync(file, { force: true });
    } catch (error) {
      const isStale = attempt === 0 && !isAlive(Number(readFileSync(file, 'utf8')));
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST' || !isStale)
        throw new LockHeld(path, readHolder(holderFile));
      rmSync(file, { force: true });
    }
  }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}

function readHolder(path: string): LockHolder | undefined {
  try {
    return JSON.parse(readFileSync(path, 'utf8')) as LockHolder;
  } catch {
    // Who holds it may just not have written its name yet.
    return undefined;
  }
}
