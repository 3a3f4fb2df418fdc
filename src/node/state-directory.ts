/** Where a node keeps its things: disks, record of acts, logs. One folder a node. */
import { createHash } from 'node:crypto';
import { accessSync, constants, existsSync, mkdirSync, realpathSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { OVERLAYS } from './node-config.ts';

export interface StateDirectory {
  readonly path: string;
  readonly config: string;
  readonly disks: string;
  /** Memory of what the node keeps asleep. */
  readonly standbys: string;
  readonly acts: string;
  readonly log: string;
  readonly console: (side: string) => string;
  /** Unix socket that a node's process of this environment listens on. */
  readonly socket: string;
  /** Names the socket of the process that runs: whoever started it may have had another XDG_RUNTIME_DIR. */
  readonly address: string;
}

/** A node's process exits with it where another one has the folder. */
export const IN_USE_EXIT_CODE = 75;

export function stateDirectory(path: string): StateDirectory {
  // One folder is one node, by whatever links it is named.
  const root = existsSync(path) ? realpathSync(path) : resolve(path);
  const name = createHash('sha256').update(root).digest('hex').slice(0, 16);
  return {
    path: root,
    config: join(root, 'node.json'),
    disks: join(root, OVERLAYS),
    standbys: join(root, 'standbys'),
    acts: join(root, 'acts.jsonl'),
    log: join(root, 'node.log'),
    console: (side) => join(root, `console-${side}.log`),
    socket: socketPath(`mvctl-${name}.sock`),
    address: join(root, 'address'),
  };
}

/** sockaddr_un: so it is not in the state directory, whose path may be longer. */
const SOCKET_PATH_BYTES_MAX = 107;
const LAST_RESORT = '/tmp';

/** XDG_RUNTIME_DIR may be another user's (su), or not there. */
function socketPath(name: string): string {
  const folders = [process.env['XDG_RUNTIME_DIR'] || tmpdir(), tmpdir()];
  const fits = folders.find(
    (folder) => Buffer.byteLength(join(folder, name)) <= SOCKET_PATH_BYTES_MAX && isWritable(folder),
  );
  return join(fits ?? LAST_RESORT, name);
}

function isWritable(folder: string): boolean {
  try {
    accessSync(folder, constants.W_OK | constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

export function createStateDirectory(path: string): StateDirectory {
  mkdirSync(path, { recursive: true, mode: 0o700 });
  const state = stateDirectory(path);
  mkdirSync(state.disks, { recursive: true, mode: 0o700 });
  return state;
}
