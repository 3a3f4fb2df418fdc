/** Finds the process of a node, or starts it, and gives the engine its port. */
import { spawn } from 'node:child_process';
import { existsSync, lstatSync, openSync, rmSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { NodeUnreachable } from '../engine/port.ts';
import { connectToNode, type RemoteNode } from './client.ts';
import { SYSTEM_DISK } from './disks.ts';
import { type NodeConfig, readNodeConfig, writeNodeConfig } from './node-config.ts';
import { createStateDirectory, type StateDirectory, stateDirectory } from './state-directory.ts';

/** What a new node is made of; a node that exists keeps what it was made of. */
export interface NodeSpec {
  readonly bankMib: number;
  readonly harts: NodeConfig['harts'];
  readonly clock: 'virtual' | 'realtime';
  readonly seed: number;
  /** Read-only image of the system disk, and of further disks by name. */
  readonly systemImage: string;
  readonly images: Readonly<Record<string, string>>;
  /** Those of them that the OS has from power-on. */
  readonly attached?: readonly string[];
  readonly forwardPort?: number;
}

export interface ConnectOptions {
  readonly stateDir: string;
  /** Absent: the node must exist. */
  readonly spec?: NodeSpec;
}

const START_MS_MAX = 30_000;

/** @throws NodeUnreachable when there is no node and none can be started */
export async function connectNode({ stateDir, spec }: ConnectOptions): Promise<RemoteNode> {
  const state = spec === undefined ? stateDirectory(stateDir) : createStateDirectory(stateDir);
  if (readNodeConfig(state.config) === undefined) {
    if (spec === undefined) throw new NodeUnreachable(`there is no node in ${state.path}`);
    await endOrphan(state);
    writeNodeConfig(state.config, newNode(spec, state));
  }
  if (existsSync(state.socket)) {
    expectOwn(state.socket);
    try {
      return await connectToNode(state.socket);
    } catch (error) {
      if (!(error instanceof NodeUnreachable)) throw error;
    }
  }
  await startProcess(state);
  return connectToNode(state.socket);
}

/** Its name can be guessed and its folder may be everybody's: what is said there, secrets too, is for a node of ours. */
function expectOwn(socket: string): void {
  const { uid } = lstatSync(socket);
  if (uid === process.getuid?.() || uid === 0) return;
  throw new NodeUnreachable(`${socket} belongs to another user (uid ${uid})`);
}

/** The folder of a node that still runs was removed under it: it has no disks any more, and ends. */
async function endOrphan(state: StateDirectory): Promise<void> {
  if (!existsSync(state.socket)) return;
  expectOwn(state.socket);
  try {
    const orphan = await connectToNode(state.socket);
    await orphan.shutDown();
    await orphan.close();
  } catch (error) {
    if (!(error instanceof NodeUnreachable)) throw error;
  }
  rmSync(state.socket, { force: true });
}

function newNode(spec: NodeSpec, state: StateDirectory): NodeConfig {
  const disk = (name: string, base: string): [string, { base: string; overlay: string }] => [
    name,
    { base, overlay: `${state.disks}/${name}.overlay` },
  ];
  return {
    version: 1,
    bankMib: spec.bankMib,
    harts: spec.harts,
    clock: spec.clock,
    seed: spec.seed,
    disks: Object.fromEntries([
      disk(SYSTEM_DISK, spec.systemImage),
      ...Object.entries(spec.images).map(([name, base]) => disk(name, base)),
    ]),
    ...(spec.attached === undefined ? {} : { attachedDisks: spec.attached }),
    systemDisk: { A: SYSTEM_DISK },
    bootSide: 'A',
    powerOns: 0,
    ...(spec.forwardPort === undefined ? {} : { forwardPort: spec.forwardPort }),
  };
}

/** Detached: the node outlives whoever started it. */
function startProcess(state: StateDirectory): Promise<void> {
  const entry = fileURLToPath(
    new URL(import.meta.url.endsWith('.ts') ? './process.ts' : './process.js', import.meta.url),
  );
  const log = openSync(state.log, 'a');
  const child = spawn(process.execPath, [entry, state.path], { detached: true, stdio: ['ignore', 'pipe', log] });
  const { stdout } = child;
  return new Promise((resolve, reject) => {
    const fail = (why: string): void => {
      clearTimeout(timer);
      child.kill();
      reject(new NodeUnreachable(`the node's process ${why}; see ${state.log}`));
    };
    const timer = setTimeout(() => fail(`did not start within ${START_MS_MAX} ms`), START_MS_MAX);
    child.once('error', (error) => fail(`could not be started: ${error.message}`));
    child.once('exit', (code, signal) => fail(`ended at once with ${signal ?? code}`));
    stdout?.once('data', () => {
      clearTimeout(timer);
      child.removeAllListeners('exit');
      stdout.destroy();
      child.unref();
      resolve();
    });
  });
}
