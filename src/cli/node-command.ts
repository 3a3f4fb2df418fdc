/** `mvctl node`: a node for a person at a browser and a console, and its end. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
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
    .addOption(new Option('--harts <count>', 'harts of a new node').choices(['1', '2', '3', '4']).default('1'))
    .option('--no-console', 'leave the console alone')
    .addHelpText('after', UP_HELP)
    .action((options: UpOptions) => up(io, options));
  node
    .command('top')
    .description('watch what each guest uses: the hart, the monitor, exits by cause')
    .option('--state-dir <folder>', 'where the node is kept', expectFolder, DEFAULT_STATE_DIR)
    .option('--once', 'look once, at all since the node was switched on')
    .option('--every <milliseconds>', 'time between two looks', wholeNumber('--every'), TOP_EVERY_MS)
    .addHelpText('after', UP_HELP)
    .action((options: TopOptions) => top(io, options));
  node
    .command('down')
    .description('power a node off and end its process')
    .option('--state-dir <folder>', 'where the node is kept', expectFolder, DEFAULT_STATE_DIR)
    .addHelpText('after', UP_HELP)
    .action(({ stateDir }: { stateDir: string }) => down(stateDir));
  return node;
}

interface UpOptions {
  readonly stateDir: string;
  readonly harts: string;
  readonly console: boolean;
}

async function up(io: CliIo, options: UpOptions): Promise<void> {
  // A node that exists keeps what it was made of.
  const exists = existsSync(join(options.stateDir, 'node.json'));
  const harts = exists ? null : Number(options.harts);
  const made = { image: 'web-server', bankBytes: null, harts, disks: [] };
  const node = await openNode({ stateDir: options.stateDir, clock: 'realtime', seed: 1, node: made }, io);
  try {
    await serve(node, options);
  } finally {
    await node.close();
  }
}

async function serve(node: RemoteNode, options: UpOptions): Promise<void> {
  const attached = options.console && process.stdin.isTTY;
  if (options.console) node.onConsole((_side, bytes) => process.stdout.write(bytes));
  const status = await node.status();
  if (status.clock !== 'realtime') {
    throw new CommandError(
      EXIT.usage.code,
      `${options.stateDir} holds a node of the ${status.clock} clock, expected realtime`,
    );
  }
  // Beside whoever runs a playbook on it: booting a node that is on does nothing.
  const { RunStore } = await import('../engine/journal/run-store.ts');
  const { epoch } = new RunStore(options.stateDir);
  const key = `node-up/${status.bootId}`;
  const booted = await node.act({ primitive: 'node.boot', args: {}, key, epoch });
  if (!booted.ok) throw new CommandError(EXIT.internal.code, `the node did not boot: ${booted.error.message}`);
  process.stderr.write(`\nThe node serves at http://127.0.0.1:${status.facts['forwardedPort']}/\n`);
  if (attached) await attach(node);
}

/** Keys go to the console of side A's UART until Ctrl-]. */
function attach(node: RemoteNode): Promise<void> {
  process.stderr.write('Console attached; Ctrl-] detaches, the node goes on.\n');
  const { stdin } = process;
  stdin.setRawMode(true);
  return new Promise((resolve) => {
    stdin.on('data', (keys: Buffer) => {
      if (!keys.includes(DETACH)) {
        void node.consoleInput('A', keys.toString('utf8'));
        return;
      }
      stdin.setRawMode(false);
      stdin.pause();
      resolve();
    });
  });
}

interface TopOptions {
  readonly stateDir: string;
  readonly once?: boolean;
  readonly every: number;
}

/** Until Ctrl-C. On a terminal each look replaces the one before. */
async function top(io: CliIo, { stateDir, once, every }: TopOptions): Promise<void> {
  const { connectNode } = await import('../node/index.ts');
  const { topLines } = await import('./node-top.ts');
  const node = await connectNode({ stateDir });
  let isOver = once === true;
  process.once('SIGINT', () => {
    isOver = true;
  });
  let before: NodeTop | undefined;
  try {
    do {
      const now = await node.top();
      if (before !== undefined && process.stdout.isTTY) io.stdout.write(CLEAR_SCREEN);
      io.stdout.write(`${topLines(now, before).join('\n')}\n`);
      before = now;
      if (!isOver) await new Promise((resolve) => setTimeout(resolve, every));
    } while (!isOver);
  } finally {
    await node.close();
  }
}

async function down(stateDir: string): Promise<void> {
  const { connectNode } = await import('../node/index.ts');
  const node = await connectNode({ stateDir });
  await node.shutDown();
  await node.close();
}
