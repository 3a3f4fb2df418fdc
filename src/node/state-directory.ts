/** Where a node keeps its things: disks, record of acts, logs. One folder a node. */
import { createHash } from 'node:crypto';
import { mkdirSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';

export interface StateDirectory {
  readonly path: string;
  readonly config: string;
  readonly disks: string;
  readonly acts: string;
  readonly log: string;
  readonly console: (side: string) => string;
  /** Unix socket of the node's process. Paths of sockets are limited to 107 bytes, so it is not in the folder itself. */
  readonly socket: string;
}

export function stateDirectory(path: string): StateDirectory {
  const root = resolve(path);
  const name = createHash('sha256').update(root).digest('hex').slice(0, 16);
  return {
    path: root,
    config: join(root, 'node.json'),
    disks: join(root, 'disks'),
    acts: join(root, 'acts.jsonl'),
    log: join(root, 'node.log'),
    console: (side) => join(root, `console-${side}.log`),
    socket: join(process.env['XDG_RUNTIME_DIR'] ?? tmpdir(), `mvctl-${name}.sock`),
  };
}

export function createStateDirectory(path: string): StateDirectory {
  const state = stateDirectory(path);
  mkdirSync(state.disks, { recursive: true, mode: 0o700 });
  return state;
}
