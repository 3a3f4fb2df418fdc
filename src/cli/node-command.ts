/** `mvctl node`: a node for a person at a browser and a console, and its end. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Command, Option } from 'commander';
import { EXIT } from '../engine/exit-codes.ts';
import type { NodeTop, RemoteNode } from '../node/index.ts';
import { CommandError } from './command-error.ts';
import type { CliIo } from './io.ts';
import { openNode } from './open-node.ts';
import { expectFolder } from './state-dir-option.ts';
import { wholeNumber } from './whole-number.ts';

const DEFAULT_STATE_DIR = '.mvctl/live';
/** Ctrl-], as telnet and others have it. */
const DETACH = 0x1d;
const TOP_EVERY_MS = 1000;
/** An hour. */
const TOP_EVERY_MS_MAX = 3_600_000;
/** ANSI: cursor home, erase below. */
const CLEAR_SCREEN = '\x1b[H\x1b[J';

const UP_HELP = `
Examples:
  $ mvctl node up                      boot a node, print its URL, attach its console (Ctrl-] detaches)
  $ mvctl node up --no-console         the same without a console
  $ mvctl apply playbooks/online-os-upgrade.yaml --state-dir .mvctl/live
                                       upgrade it while you watch (its console and its page go on)
  $ mvctl node top                     watch what each guest uses; --once for a single look
  $ mvctl node down                    power it off
`;

export function nodeCommand(io: CliIo): Command {
  const node = new Command('node');
  node
    .command('up')
    .description('boot a node in real time, print the URL of its service and attach its console')
    .option('--state-dir <folder>', 'where the node is kept', expectFolder, DEFAULT_STATE_DIR)
    .addOption(new Option('--harts <count>', 'harts of a new node, else 1').choices(['1', '2', '3', '4']))
    .option('--no-console', 'leave the console alone')
    .addHelpText('after', UP_HELP)
    .action((options: UpOptions) => up(io, options));
  node
    .command('top')
    .description('watch what each guest uses: the hart, the monitor, exits by cause')
    .option('--state-dir <folder>', 'where the node is kept', expectFolder, DEFAULT_STATE_DIR)
    .option('--once', 'look once, at all since the node was switched on')
    .option(
      '--every <milliseconds>',
      'time between two looks',
      wholeNumber('--every', { min: 1, max: TOP_EVERY_MS_MAX }),
      TOP_EVERY_MS,
    )
    .addHelpText('after', UP_HELP)
    .action((options: TopOptions) => top(io, options));
  node
    .command('down')
    .description('power a node off and end its process')
    .option('--state-dir <folder>', 'where the node is kept', expectFolder, DEFAULT_STATE_DIR)
    .addHelpText('after', UP_HELP)
    .action(({ stateDir }: { stateDir: string }) => down(io, stateDir));
  return node;
}

interface UpOptions {
  readonly stateDir: string;
  readonly harts?: string;
  readonly console: boolean;
}

async function up(io: CliIo, options: UpOptions): Promise<void> {
  // A node that exists keeps what it was made of.
  const exists = existsSync(join(options.stateDir, 'node.json'));
  const harts = exists || options.harts === undefined ? null : Number(options.harts);
  const made = { image: 'web-server', bankBytes: null, harts, disks: [] };
  const node = await openNode({ stateDir: options.stateDir, clock: 'realtime', seed: 1, node: made }, io);
  try {
    await serve(node, options, io);
  } finally {
    await node.close();
  }
}

async function serve(node: RemoteNode, options: UpOptions, io: CliIo): Promise<void> {
  const attached = options.console && process.stdin.isTTY;
  if (options.console) node.onConsole((_side, bytes) => process.stdout.write(bytes));
  const status = await node.status();
  if (status.clock !== 'realtime') {
    throw new CommandError(
      EXIT.usage.code,
      `${options.stateDir} holds a node of the ${status.clock} clock, expected realtime`,
    );
  }
  const { harts } = status.facts;
  if (options.harts !== undefined && String(harts) !== options.harts) {
    const message = `--harts: expected ${options.harts}, found ${harts} in the node of ${options.stateDir}`;
    throw new CommandError(EXIT.usage.code, message);
  }
  // Beside whoever runs a playbook on it: booting a node that is on does nothing.
  const { RunStore } = await import('../engine/journal/run-store.ts');
  const { epoch } = new RunStore(options.stateDir);
  const key = `node-up/${status.bootId}`;
  const booted = await node.act({ primitive: 'node.boot', args: {}, key, epoch });
  if (!booted.ok) throw new CommandError(EXIT.internal.code, `the node did not boot: ${booted.error.message}`);
  io.stderr.write(`\nThe node serves at http://127.0.0.1:${status.facts['forwardedPort']}/\n`);
  if (attached) await attach(node, io);
}

/** Keys go to the console of the OS that the node boots, until Ctrl-], the end of the keys, or of the node. */
function attach(node: RemoteNode, { stderr }: CliIo): Promise<void> {
  stderr.write('Console attached; Ctrl-] detaches, the node goes on.\n');
  const { stdin } = process;
  stdin.setRawMode(true);
  return new Promise((resolve) => {
    let isAttached = true;
    const detach = (): void => {
      isAttached = false;
      stdin.setRawMode(false);
      stdin.pause();
      resolve();
    };
    void node.gone.then(() => {
      if (!isAttached) return;
      stderr.write('\r\nThe node is off.\r\n');
      detach();
    });
    stdin.once('end', detach);
    stdin.on('data', (keys: Buffer) => {
      if (keys.includes(DETACH)) detach();
      // A node that is off does not take them; that it is, is told above.
      else node.consoleInput(keys.toString('utf8')).catch(() => {});
    });
  });
}

interface TopOptions {
  readonly stateDir: string;
  readonly once?: boolean;
  readonly every: number;
}

/** Until Ctrl-C, or whoever reads it has gone. On a terminal each look replaces the one before. */
async function top(io: CliIo, { stateDir, once, every }: TopOptions): Promise<void> {
  const { topLines } = await import('./node-top.ts');
  const node = await runningNode(stateDir);
  if (node === undefined) throw new CommandError(EXIT.nodeUnreachable.code, `the node in ${stateDir} is off`, UP_HINT);
  const interrupted = new AbortController();
  process.once('SIGINT', () => interrupted.abort());
  const over = AbortSignal.any([interrupted.signal, ...(io.unread ? [io.unread] : [])]);
  let before: NodeTop | undefined;
  try {
    do {
      const now = await node.top();
      if (before !== undefined && process.stdout.isTTY) io.stdout.write(CLEAR_SCREEN);
      io.stdout.write(`${topLines(now, before).join('\n')}\n`);
      before = now;
      if (!once) await sleep(every, undefined, { signal: over }).catch(() => {});
    } while (!once && !over.aborted);
  } finally {
    await node.close();
  }
}

const UP_HINT = 'mvctl node up boots it';

/** Undefined where it is off: to look at it, or to switch it off, none is started. Rejects with NodeUnreachable. */
async function runningNode(stateDir: string): Promise<RemoteNode | undefined> {
  const { findNode } = await import('../node/index.ts');
  return findNode(stateDir);
}

/** Rejects with LockHeld while a run works on it, which the end of the node would be a crash to. */
async function down(io: CliIo, stateDir: string): Promise<void> {
  const node = await runningNode(stateDir);
  if (node === undefined) {
    io.stdout.write(`${stateDir}: off already\n`);
    return;
  }
  try {
    const { LockHeld, lockState } = await import('../engine/journal/node-lock.ts');
    const lock = await lockState(stateDir);
    if (lock.state === 'held') throw new LockHeld(stateDir, lock.holder);
    await node.shutDown();
    io.stdout.write(`${stateDir}: off\n`);
  } finally {
    await node.close();
  }
}
