/**
 * One engine at a time works on a node. On Linux the lock is an abstract socket, which the kernel frees with the process
 * that holds it, however it ends; elsewhere a file with its process id. `holder.json` says who has it, for
 * people: it is not the lock.
 *
 * A lock can be broken while its holder lives (it hangs, or its terminal is gone): the next lock then has another name.
 * What keeps the old holder from doing harm is not the lock but the fence: the node refuses acts of an epoch lower than
 * the one it was told last, and the journal that a later engine goes on with is another file than the old one has open.
 */
import { createHash } from 'node:crypto';
import { closeSync, mkdirSync, openSync, readFileSync, realpathSync, rmSync, writeFileSync, writeSync } from 'node:fs';
import { connect, createServer, type Server } from 'node:net';
import { join } from 'node:path';
import { JournalError } from './journal-error.ts';
import { writeSafely } from './write-safely.ts';

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

/** Somebody broke the lock of this engine, and another one has the node now: nothing more may be done or written. */
export class LockLost extends Error {
  override readonly name = 'LockLost';

  constructor(reason: string) {
    super(`another mvctl has taken the node over: ${reason}`);
  }
}

export interface NodeLock {
  release(): Promise<void>;
}

export type LockState =
  | { readonly state: 'free' }
  /** Nobody holds it; the last holder did not live to say so. */
  | { readonly state: 'left'; readonly holder: LockHolder }
  | { readonly state: 'held'; readonly holder: LockHolder | undefined };

const HOLDER = 'holder.json';
/** How often the lock was broken: part of its name. */
const BREAKS = 'lock-breaks';

/** Throws LockHeld, or JournalError where the folder cannot be written. */
export async function lockNode(stateDir: string, holder: LockHolder): Promise<NodeLock> {
  const path = folderOf(stateDir);
  for (;;) {
    const breaks = breaksOf(path);
    const unlock = await take(path, breaks);
    // Whoever broke the lock in between means the next one.
    if (breaksOf(path) !== breaks) {
      await unlock();
      continue;
    }
    const text = `${JSON.stringify(holder)}\n`;
    const holderFile = join(path, HOLDER);
    try {
      writeFileSync(holderFile, text);
    } catch (error) {
      await unlock();
      throw new JournalError(`cannot write ${holderFile}: ${(error as Error).message}`, { cause: error });
    }
    return {
      async release() {
        if (readText(holderFile) === text) rmSync(holderFile, { force: true });
        await unlock();
      },
    };
  }
}

/** Who has the node in `stateDir`. */
export async function lockState(stateDir: string): Promise<LockState> {
  const breaks = breaksOf(stateDir);
  const holder = readHolder(join(stateDir, HOLDER));
  const path = realpathOr(stateDir);
  const isHeld =
    process.platform === 'linux' ? await answers(socketName(path, breaks)) : livesIn(lockFile(path, breaks));
  if (isHeld) return { state: 'held', holder };
  return holder ? { state: 'left', holder } : { state: 'free' };
}

/** From now on the lock that is held is not the node's any more. The caller fences the node. Throws JournalError. */
export function breakLock(stateDir: string): void {
  writeSafely(join(stateDir, BREAKS), `${breaksOf(stateDir) + 1}\n`);
  rmSync(join(stateDir, HOLDER), { force: true });
}

const take = (path: string, breaks: number): Promise<() => Promise<void>> =>
  process.platform === 'linux' ? takeSocket(path, breaks) : takeFile(path, breaks);

/** The first name is what it was before locks could be broken. */
function socketName(path: string, breaks: number): string {
  const id = breaks === 0 ? path : `${path}\n${breaks}`;
  return `\0mvctl-${createHash('sha256').update(id).digest('hex').slice(0, 32)}`;
}

async function takeSocket(path: string, breaks: number): Promise<() => Promise<void>> {
  const server: Server = createServer((socket) => socket.destroy());
  await new Promise<void>((resolve, reject) => {
    server.once('error', (error: NodeJS.ErrnoException) =>
      reject(error.code === 'EADDRINUSE' ? new LockHeld(path, readHolder(join(path, HOLDER))) : error),
    );
    server.listen(socketName(path, breaks), resolve);
  });
  server.unref();
  return () => new Promise((resolve) => server.close(() => resolve()));
}

function answers(name: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(name);
    socket.once('connect', () => {
      socket.destroy();
      resolve(true);
    });
    socket.once('error', () => resolve(false));
  });
}

const lockFile = (path: string, breaks: number): string => join(path, `lock-${breaks}`);

async function takeFile(path: string, breaks: number): Promise<() => Promise<void>> {
  const file = lockFile(path, breaks);
  for (let attempt = 0; ; attempt++) {
    try {
      const fd = openSync(file, 'wx');
      writeSync(fd, String(process.pid));
      closeSync(fd);
      return async () => rmSync(file, { force: true });
    } catch (error) {
      const isStale = attempt === 0 && !livesIn(file);
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST' || !isStale)
        throw new LockHeld(path, readHolder(join(path, HOLDER)));
      rmSync(file, { force: true });
    }
  }
}

/** Whether the process whose id the file holds lives. */
function livesIn(file: string): boolean {
  const pid = Number(readText(file) ?? '');
  if (!Number.isSafeInteger(pid) || pid <= 0) return false;
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}

function folderOf(stateDir: string): string {
  try {
    mkdirSync(stateDir, { recursive: true });
    return realpathSync(stateDir);
  } catch (error) {
    throw new JournalError(`cannot create ${stateDir}: ${(error as Error).message}`, { cause: error });
  }
}

function realpathOr(path: string): string {
  try {
    return realpathSync(path);
  } catch {
    // A folder that does not exist is nobody's.
    return path;
  }
}

const breaksOf = (stateDir: string): number => Number.parseInt(readText(join(stateDir, BREAKS)) ?? '0', 10) || 0;

function readText(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return undefined;
  }
}

function readHolder(path: string): LockHolder | undefined {
  try {
    return JSON.parse(readText(path) ?? '') as LockHolder;
  } catch {
    // Who holds it may just not have written its name yet.
    return undefined;
  }
}
