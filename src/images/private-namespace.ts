/**
 * Runs a program as root of a private user, mount and process namespace: what it mounts and registers, this computer never
 * sees, and all of it is gone when the program ends, however it ends.
 *
 * The user namespace is what makes a binfmt_misc of one's own possible (Linux 6.7 and later); its user ids are those
 * outside, because a Debian root file system has files of many. Mapping them takes root, or newuidmap and a range in
 * /etc/subuid.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { readFileSync, readlinkSync, writeFileSync } from 'node:fs';
import { userInfo } from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';
import { ImageError } from './image-error.ts';
import { runCommand } from './run-command.ts';
import { findProgram, toolPath } from './tools.ts';

/** Ids of a Debian system: 0..65535. */
const MAPPED_IDS = 65536;
const NAMESPACE_WAIT_MS = 5000;
const POLL_MS = 5;

/** Waits for the maps, then runs the program; from then on user 0 has all capabilities in the namespace. */
const WAIT_FOR_MAPS = 'read -r go && exec "$@"';

/** Starts the program; its standard input stays open as long as this process lives. Throws `privilege-missing`. */
export async function spawnInPrivateNamespace(program: string, args: readonly string[]): Promise<ChildProcess> {
  const maps = idMapper();
  const child = spawn(
    'unshare',
    ['--user', '--mount', '--pid', '--fork', '--kill-child', 'sh', '-c', WAIT_FOR_MAPS, 'sh', program, ...args],
    { stdio: ['pipe', 'pipe', 'pipe'], env: { ...process.env, PATH: toolPath() } },
  );
  const words: string[] = [];
  child.stderr.setEncoding('utf8').on('data', (text: string) => words.push(text));
  child.stdin.on('error', () => {
    // The program ended early; its exit status tells.
  });
  try {
    await entersUserNamespace(child, words);
    await maps(child.pid ?? 0);
  } catch (error) {
    child.kill('SIGKILL');
    throw error;
  }
  child.stdin.write('go\n');
  return child;
}

async function entersUserNamespace(child: ChildProcess, words: readonly string[]): Promise<void> {
  const own = readlinkSync('/proc/self/ns/user');
  let failure: Error | undefined;
  child.on('error', (error) => {
    failure = error;
  });
  for (let waitedMs = 0; waitedMs < NAMESPACE_WAIT_MS; waitedMs += POLL_MS) {
    if (failure !== undefined || child.exitCode !== null) break;
    try {
      if (readlinkSync(`/proc/${child.pid}/ns/user`) !== own) return;
    } catch {
      // Not started yet, or gone already.
    }
    await sleep(POLL_MS);
  }
  const said = failure?.message ?? words.join('').trim();
  throw new ImageError('privilege-missing', `cannot make a private namespace: ${said || 'no answer from unshare'}`, {
    hint: 'run as root, or allow user namespaces (sysctl user.max_user_namespaces, kernel.unprivileged_userns_clone)',
  });
}

type IdMapper = (pid: number) => Promise<void>;

function idMapper(): IdMapper {
  if (process.getuid?.() === 0) {
    return async (pid) => {
      writeFileSync(`/proc/${pid}/uid_map`, `0 0 ${MAPPED_IDS}\n`);
      writeFileSync(`/proc/${pid}/gid_map`, `0 0 ${MAPPED_IDS}\n`);
    };
  }
  const { username, uid, gid } = userInfo();
  const subuid = subordinateIds('/etc/subuid', username, uid);
  const subgid = subordinateIds('/etc/subgid', username, uid);
  if (subuid === undefined || subgid === undefined || findProgram('newuidmap') === undefined) {
    throw new ImageError('privilege-missing', 'building a root file system takes the user ids 0 to 65535', {
      hint: `run as root, or install the Debian package uidmap and give ${username} a range of ids in /etc/subuid and /etc/subgid`,
    });
  }
  return async (pid) => {
    const map = (own: number, start: number): string[] =>
      [pid, 0, own, 1, 1, start, MAPPED_IDS - 1].map((value) => String(value));
    await runCommand('newuidmap', map(uid, subuid));
    await runCommand('newgidmap', map(gid, subgid));
  };
}

/** First id of a range of the user's with enough ids, or undefined. Lines are `name:start:count`. */
export function subordinateIds(path: string, username: string, uid: number): number | undefined {
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch {
    return undefined;
  }
  for (const line of text.split('\n')) {
    const [name, start, count] = line.split(':');
    if ((name === username || name === String(uid)) && Number(count) >= MAPPED_IDS - 1) return Number(start);
  }
  return undefined;
}
