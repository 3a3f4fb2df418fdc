/**
 * The process a node lives in. Started with the node's state directory; it serves the node on the directory's socket
 * until it is told to shut down. Ending it in any other way is a loss of power.
 */
import { writeFileSync, writeSync } from 'node:fs';
import { defaultCacheDir } from '../images/index.ts';
import type { KnownCode, Translate } from '../machine/index.ts';
import { Forwarder } from '../network/index.ts';
import { BoundedLog } from './bounded-log.ts';
import { EmulatedNode } from './emulated-node.ts';
import { FileLock, FileLockedError } from './file-lock.ts';
import { NETWORK } from './guest.ts';
import { KnownCodeFile } from './known-code-file.ts';
import { type NodeConfig, readNodeConfig, writeNodeConfig } from './node-config.ts';
import { LocalNode } from './node-port.ts';
import { serveNode } from './server.ts';
import { createStateDirectory, IN_USE_EXIT_CODE, type StateDirectory } from './state-directory.ts';
import { wallClockNs } from './wall-clock.ts';

/** What the parent waits for on standard output. */
export const READY_LINE = 'ready';

async function main(path: string): Promise<void> {
  const state = createStateDirectory(path);
  const lock = takeNode(state);
  const stored = readNodeConfig(state.config);
  if (stored === undefined) throw new Error(`${state.config}: expected a node's configuration, found no file`);
  const config = { ...stored, powerOns: stored.powerOns + 1 };
  writeNodeConfig(state.config, config);

  const translate = translateSetting(process.env['MVCTL_TRANSLATE']);
  const consoles = { A: new BoundedLog(state.console('A')), B: new BoundedLog(state.console('B')) };
  const node = new EmulatedNode({
    config,
    state,
    translate,
    knownCode: translate === 'off' ? undefined : keepKnownCode(config.clock),
    clock: config.clock === 'virtual' ? { kind: 'virtual' } : { kind: 'realtime', nowNs: wallClockNs() },
    onConsole: (side, bytes) => {
      consoles[side].append(bytes);
      port?.console(side, bytes);
    },
  });
  // The OS that has the node switched it off. What is in the write caches goes with the power.
  node.executive.onOff = () => end();
  const port: LocalNode = new LocalNode({ node, bootId: `boot-${config.powerOns}`, actsPath: state.acts });
  /** Nobody is to be served who comes while what is known is written. */
  const end = (): void => {
    server.close();
    lock.release();
    process.exit(0);
  };
  const server = await serveNode(port, state.socket, end);
  writeFileSync(state.address, state.socket);
  if (config.clock === 'realtime') {
    const { executive } = node;
    const forwarder = await Forwarder.start({
      stack: node.probe.stack,
      target: { address: NETWORK.service, port: node.service.port },
      listen: { port: config.forwardPort ?? 0 },
      onActivity: () => executive.kick(),
    });
    node.forwardedPort = forwarder.port;
  }
  writeSync(1, `${READY_LINE}\n`);
  logDeath(state);
}

/** Two processes would be two nodes with the same disks. */
function takeNode(state: StateDirectory): FileLock {
  try {
    return FileLock.take(state.config);
  } catch (error) {
    if (!(error instanceof FileLockedError)) throw error;
    console.error(error.message);
    process.exit(IN_USE_EXIT_CODE);
  }
}

const KNOWN_CODE_SAVED_EVERY_MS = 60_000;

/**
 * What is known of code, kept in the cache unless MVCTL_KNOWN_CODE says `off`. With the real clock it is written at the end
 * only: tens of megabytes take a tenth of a second, in which clients would wait.
 */
function keepKnownCode(clock: NodeConfig['clock']): KnownCode | undefined {
  if (process.env['MVCTL_KNOWN_CODE'] === 'off') return undefined;
  const file = new KnownCodeFile(defaultCacheDir());
  if (clock === 'virtual') setInterval(() => file.save(), KNOWN_CODE_SAVED_EVERY_MS).unref();
  process.on('exit', () => file.save());
  return file.known;
}

const TRANSLATE: readonly Translate[] = ['hot', 'all', 'off'];

/** MVCTL_TRANSLATE: what the node's harts translate. It changes how fast a node is, nothing else. */
function translateSetting(text: string | undefined): Translate | undefined {
  if (text === undefined || text === '') return undefined;
  const setting = TRANSLATE.find((each) => each === text);
  if (setting === undefined) throw new Error(`MVCTL_TRANSLATE: expected ${TRANSLATE.join(', ')}, found ${text}`);
  return setting;
}

function logDeath(state: StateDirectory): void {
  process.on('uncaughtException', (error) => {
    new BoundedLog(state.log).append(`${error.stack ?? String(error)}\n`);
    process.exit(1);
  });
  process.stderr.on('error', () => {});
  // Whoever started the node may go away; the node does not.
  process.on('SIGHUP', () => {});
  process.on('SIGINT', () => {});
}

const [, , path] = process.argv;
if (path === undefined) throw new Error('expected the state directory of a node as the only argument');
await main(path);
