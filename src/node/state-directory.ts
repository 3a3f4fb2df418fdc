/** Where a node keeps its things: disks, record of acts, logs. One folder a node. */
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, realpathSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { OVERLAYS } from './node-config.ts';

export interface StateDirectory {
  readonly path: string;
  readonly config: string;
  readonly disks: string;
  readonly acts: string;
  readonly log: string;
  readonly console: (side: string) => string;
  /**
   * Unix socket that a node's process of this environment listens on. Paths of sockets are limited to 107 bytes, so it is
   * not in the folder itself.
   */
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
    acts: join(root, 'acts.jsonl'),
    log: join(root, 'node.log'),
    console: (side) => join(root, `console-${side}.log`),
    socket: join(process.env['XDG_RUNTIME_DIR'] || tmpdir(), `mvctl-${name}.sock`),
    address: join(root, 'address'),
  };
}

export function createStateDirectory(path: string): StateDirectory {
  mkdirSync(path, { recursive: true, mode: 0o700 });
  const state = stateDirectory(path);
  mkdirSync(state.disks, { recursive: true, mode: 0o700 });
  return state;
}
