/** `mvctl node`: a node for a person at a browser and a console, and its end. */
import { Command } from 'commander';
import { EXIT } from '../engine/exit-codes.ts';
import type { RemoteNode } from '../node/index.ts';
import { CommandError } from './command-error.ts';
import type { CliIo } from './io.ts';
import { openNode } from './open-node.ts';

const DEFAULT_STATE_DIR = '.mvctl/live';
/** Ctrl-], as telnet and others have it. */
const DETACH = 0x1d;

const UP_HELP = `
Examples:
  $ mvctl node up                      boot a node, print its URL, attach its console (Ctrl-] detaches)
  $ mvctl node up --no-console         the same without a console
  $ mvctl apply playbooks/online-os-upgrade.yaml --state-dir .mvctl/live
                                       upgrade it while you watch (its console and its page go on)
  $ mvctl node down                    power it off
`;

export function nodeCommand(io: CliIo): Command {
  const node = new Command('node');
  node
    .command('up')
    .description('boot a node in real time, print the URL of its service and attach its console')
    .option('--state-dir <folder>', 'where the node is kept', DEFAULT_STATE_DIR)
    .option('--no-console', 'leave the console alone')
    .addHelpText('after', UP_HELP)
    .action((options: { stateDir: string; console: boolean }) => up(io, options));
  node
    .command('down')
    .description('power a node off and end its process')
    .option('--state-dir <folder>', 'where the node is kept', DEFAULT_STATE_DIR)
    .addHelpText('after', UP_HELP)
    .action(({ stateDir }: { stateDir: string }) => down(stateDir));
  return node;
}

async function up(io: CliIo, options: { readonly stateDir: string; readonly console: boolean }): Promise<void> {
  const made = { image: 'web-server', bankBytes: null, harts: null, disks: [] };
  const node = await openNode({ stateDir: options.stateDir, clock: 'realtime', seed: 1, node: made }, io);
  const attached = options.console && process.stdin.isTTY;
  if (options.console) node.onConsole((_side, bytes) => process.stdout.write(bytes));
  const status = await node.status();
  if (status.clock !== 'realtime') {
    throw new CommandError(
      EXIT.usage.code,
      `${options.stateDir} holds a node of the ${status.clock} clock, expected realtime`,
    );
  }
  const key = `node-up/${status.bootId}`;
  const booted = await node.act({ primitive: 'node.boot', args: {}, key, epoch: 0 });
  if (!booted.ok) throw new CommandError(EXIT.internal.code, `the node did not boot: ${booted.error.message}`);
  process.stderr.write(`\nThe node serves at http://127.0.0.1:${status.facts['forwardedPort']}/\n`);
  if (attached) await attach(node);
  await node.close();
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

async function down(stateDir: string): Promise<void> {
  const { connectNode } = await import('../node/index.ts');
  const node = await connectNode({ stateDir });
  await node.shutDown();
  await node.close();
}
