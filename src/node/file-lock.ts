/**
 * Keeps two processes from one file: a lock file beside it that names its owner. A process that was killed leaves its
 * lock behind; the next one finds that the owner is no more and takes it over.
 */
import { linkSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';

interface Owner {
  readonly pid: number;
  /** Start time of the process, so that a later process with the same id is not taken for it; '' where unknown. */
  readonly started: string;
}

export class FileLockedError extends Error {
  override readonly name = 'FileLockedError';
  readonly pid: number;
  constructor(path: string, pid: number) {
    super(`${path} is in use by process ${pid}`);
    this.pid = pid;
  }
}

/** Fields 3 and 22 of /proc/<pid>/stat, counted after the name, which may hold spaces. */
const STATE = 0;
const START_TIME = 19;
/** Zombie: it runs no more, its parent has not asked for it yet. */
const DEAD_STATES: ReadonlySet<string> = new Set(['Z', 'X']);
const TAKE_OVERS_MAX = 16;

export class FileLock {
  readonly #lockPath: string;
  readonly #text: string;
  #held = true;

  private constructor(lockPath: string, text: string) {
    this.#lockPath = lockPath;
    this.#text = text;
  }

  /** @throws FileLockedError when a living process, this one included, has it. */
  static take(path: string): FileLock {
    const lockPath = `${path}.lock`;
    const own: Owner = { pid: process.pid, started: statOf(process.pid)?.started ?? '' };
    const text = JSON.stringify(own);
    const candidate = `${lockPath}.${process.pid}`;
    writeFileSync(candidate, text);
    try {
      for (let tries = 0; tries < TAKE_OVERS_MAX; tries++) {
        if (linked(candidate, lockPath)) return new FileLock(lockPath, text);
        const found = readIfThere(lockPath);
        if (found === undefined) continue;
        const owner = parseOwner(found);
        if (owner !== undefined && lives(owner)) throw new FileLockedError(path, owner.pid);
        removeStale(lockPath, found);
      }
      throw new Error(`${lockPath} changed hands ${TAKE_OVERS_MAX} times while it was waited for`);
    } finally {
      rmSync(candidate, { force: true });
    }
  }

  /** The process that has it, if that lives. */
  static holder(path: string): number | undefined {
    const found = readIfThere(`${path}.lock`);
    const owner = found === undefined ? undefined : parseOwner(found);
    return owner !== undefined && lives(owner) ? owner.pid : undefined;
  }

  release(): void {
    if (!this.#held) return;
    this.#held = false;
    if (readIfThere(this.#lockPath) === this.#text) rmSync(this.#lockPath, { force: true });
  }
}

const hasCode = (error: unknown, code: string): boolean =>
  error instanceof Error && 'code' in error && error.code === code;

/** The lock comes into being with its content, or not at all. */
function linked(candidate: string, lockPath: string): boolean {
  try {
    linkSync(candidate, lockPath);
    return true;
  } catch (error) {
    if (hasCode(error, 'EEXIST')) return false;
    throw error;
  }
}

function readIfThere(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    if (hasCode(error, 'ENOENT')) return undefined;
    throw error;
  }
}

/** Moves the lock aside before it is removed: if it is another's by now, it is put back. */
function removeStale(lockPath: string, stale: string): void {
  const aside = `${lockPath}.stale.${process.pid}`;
  try {
    renameSync(lockPath, aside);
  } catch (error) {
    if (hasCode(error, 'ENOENT')) return;
    throw error;
  }
  if (readIfThere(aside) !== stale) linked(aside, lockPath);
  rmSync(aside, { force: true });
}

function parseOwner(text: string): Owner | undefined {
  try {
    const { pid, started } = JSON.parse(text) as Partial<Owner>;
    return typeof pid === 'number' && typeof started === 'string' ? { pid, started } : undefined;
  } catch {
    return undefined;
  }
}

function lives(owner: Owner): boolean {
  try {
    process.kill(owner.pid, 0);
  } catch (error) {
    if (hasCode(error, 'ESRCH')) return false;
  }
  const stat = statOf(owner.pid);
  if (stat === undefined) return true; // it exists, and there is no /proc to tell more
  return !DEAD_STATES.has(stat.state) && (owner.started === '' || stat.started === owner.started);
}

interface ProcessStat {
  readonly state: string;
  /** Clock ticks after boot. */
  readonly started: string;
}

/** Undefined where there is no /proc. */
function statOf(pid: number): ProcessStat | undefined {
  const stat = readIfThere(`/proc/${pid}/stat`);
  const fields = stat?.slice(stat.lastIndexOf(')') + 2).split(' ');
  const [state, started] = [fields?.[STATE], fields?.[START_TIME]];
  return state === undefined || started === undefined ? undefined : { state, started };
}
