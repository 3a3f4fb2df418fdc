/** Finds the process of a node, or starts it, and gives the engine its port. */
import { spawn } from 'node:child_process';
import { closeSync, existsSync, fstatSync, lstatSync, openSync, readFileSync, rmSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { NodeUnreachable } from '../engine/port.ts';
import { connectToNode, type RemoteNode } from './client.ts';
import { SYSTEM_DISK } from './disks.ts';
import { FileLock } from './file-lock.ts';
import { type NodeConfig, readNodeConfig, writeNodeConfig } from './node-config.ts';
import { createStateDirectory, IN_USE_EXIT_CODE, type StateDirectory, stateDirectory } from './state-directory.ts';

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
/** A node looks up from its machine every few milliseconds. */
const ANSWER_MS_MAX = 20_000;
/** How long another process, that starts or ends, is left alone. */
const LOOK_MS = 50;

/** @throws NodeUnreachable when there is no node and none can be started */
export async function connectNode({ stateDir, spec }: ConnectOptions): Promise<RemoteNode> {
  const state = spec === undefined ? stateDirectory(stateDir) : createStateDirectory(stateDir);
  if (readNodeConfig(state.config) === undefined) {
    if (spec === undefined) throw noNode(state);
    await endOrphan(state);
    writeNodeConfig(state.config, newNode(spec, state));
  }
  for (const untilMs = performance.now() + START_MS_MAX; performance.now() < untilMs; ) {
    const running = await reach(state);
    if (running !== undefined) return running;
    // Somebody else's does not listen yet, has not gone yet, or hangs.
    if (!(await startProcess(state))) await sleep(LOOK_MS);
  }
  throw silent(state, FileLock.holder(state.config));
}

/** The node, if its process runs: none is started. @throws NodeUnreachable when there is no node, or its process hangs */
export async function findNode(stateDir: string): Promise<RemoteNode | undefined> {
  const state = stateDirectory(stateDir);
  if (readNodeConfig(state.config) === undefined) throw noNode(state);
  const found = await reach(state);
  const pid = FileLock.holder(state.config);
  if (found === undefined && pid !== undefined) throw silent(state, pid);
  return found;
}

const silent = (state: StateDirectory, pid: number | undefined): NodeUnreachable =>
  new NodeUnreachable(
    `the node in ${state.path} does not answer${pid === undefined ? '' : `: process ${pid} hangs`}; see ${state.log}`,
  );

const noNode = (state: StateDirectory): NodeUnreachable => new NodeUnreachable(`there is no node in ${state.path}`);

/** Undefined where nobody answers. */
async function reach(state: StateDirectory): Promise<RemoteNode | undefined> {
  const told = existsSync(state.address) ? readFileSync(state.address, 'utf8') : state.socket;
  for (const socket of new Set([told, state.socket])) {
    if (!isOwn(socket)) continue;
    try {
      return await answering(await connectToNode(socket));
    } catch (error) {
      expectUnreachable(error);
    }
  }
  return undefined;
}

/** A process that was killed, or hangs, can still be connected to. */
async function answering(node: RemoteNode): Promise<RemoteNode> {
  const over = new AbortController();
  const late = sleep(ANSWER_MS_MAX, undefined, { signal: over.signal }).then(() => {
    throw new NodeUnreachable(`the node's process does not answer within ${ANSWER_MS_MAX} ms`);
  });
  try {
    await Promise.race([node.status(), late]);
    return node;
  } catch (error) {
    await node.close();
    throw error;
  } finally {
    over.abort();
    late.catch(() => {});
  }
}

/** Whether it is there. Its name can be guessed and its folder may be everybody's: what is said there, secrets too, is for a node of ours. */
function isOwn(socket: string): boolean {
  const found = lstatSync(socket, { throwIfNoEntry: false });
  if (found === undefined) return false;
  if (found.uid === process.getuid?.() || found.uid === 0) return true;
  throw new NodeUnreachable(`${socket} belongs to another user (uid ${found.uid})`);
}

/** The folder of a node that still runs was removed under it: it has no disks any more, and ends. */
async function endOrphan(state: StateDirectory): Promise<void> {
  const orphan = await reach(state);
  if (orphan !== undefined) {
    await orphan.shutDown().catch(expectUnreachable);
    await orphan.close();
  }
  rmSync(state.socket, { force: true });
}

function expectUnreachable(error: unknown): void {
  if (!(error instanceof NodeUnreachable)) throw error;
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

/** Detached: the node outlives whoever started it. False where another process has the folder. */
function startProcess(state: StateDirectory): Promise<boolean> {
  const entry = fileURLToPath(
    new URL(import.meta.url.endsWith('.ts') ? './process.ts' : './process.js', import.meta.url),
  );
  const log = openSync(state.log, 'a');
  const { size: logged } = fstatSync(log);
  const child = spawn(process.execPath, [entry, state.path], { detached: true, stdio: ['ignore', 'pipe', log] });
  closeSync(log);
  const { stdout } = child;
  return new Promise((resolve, reject) => {
    const settle = (isMade: boolean): void => {
      clearTimeout(timer);
      child.removeAllListeners('exit');
      stdout?.destroy();
      child.unref();
      resolve(isMade);
    };
    const fail = (why: string): void => {
      clearTimeout(timer);
      child.kill();
      reject(new NodeUnreachable(`the node's process ${why}; see ${state.log}`));
    };
    const timer = setTimeout(() => fail(`did not start within ${START_MS_MAX} ms`), START_MS_MAX);
    child.once('error', (error) => fail(`could not be started: ${error.message}`));
    child.once('exit', (code, signal) => {
      if (code === IN_USE_EXIT_CODE) settle(false);
      else fail(`ended at once with ${signal ?? code}${lastWords(state.log, logged)}`);
    });
    stdout?.once('data', () => settle(true));
  });
}

/** As Node.js tells an error that nobody caught. */
const ERROR_LINE = /^\w+(?: \[\w+\])?: .+$/m;

/** What the process said of its end, behind the first `from` bytes of its log. */
function lastWords(log: string, from: number): string {
  const said = readFileSync(log).subarray(from).toString('utf8');
  const line = ERROR_LINE.exec(said)?.[0];
  return line === undefined ? '' : ` (${line})`;
}
