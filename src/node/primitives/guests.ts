/** What is done inside a guest, through the agent that runs there. */
import { Buffer } from 'node:buffer';
import { type GuestFacts, type GuestName, otherGuest } from '../../engine/port.ts';
import type { EmulatedNode } from '../emulated-node.ts';
import { NodeError } from '../node-error.ts';
import type { Primitive } from './table.ts';

export const runInGuest: Primitive<'guest.run'> = async (node, args, { deadlineNs }) => {
  const run = await node.run(args.guest, args.argv, { deadlineNs, env: args.env });
  if (!args.expectExit.includes(run.exitCode)) {
    const said = run.stderr.trim() === '' ? run.stdout.trim() : run.stderr.trim();
    throw new NodeError(
      'exit-code',
      `${args.argv.join(' ')} in ${args.guest}: expected exit code ${args.expectExit.join(' or ')}, found ${run.exitCode}: ${tail(said)}`,
      { exitCode: run.exitCode, stdout: tail(run.stdout), stderr: tail(run.stderr) },
    );
  }
  return { exitCode: run.exitCode, stdout: run.stdout, stderr: run.stderr };
};

const TAIL_CHARS = 2000;
const tail = (text: string): string => (text.length <= TAIL_CHARS ? text : `…${text.slice(-TAIL_CHARS)}`);

export const copyToGuest: Primitive<'guest.copy'> = async (node, args, { deadlineNs }) => {
  const bytes = Buffer.from(args.contentBase64, 'base64');
  await node.withAgent(args.guest, (agent) => agent.writeFile(args.to, bytes, { deadlineNs }));
  const run = await node.run(args.guest, ['/bin/chmod', args.mode.toString(8), args.to], { deadlineNs });
  if (run.exitCode !== 0) throw new NodeError('exit-code', `chmod ${args.to} in ${args.guest}: ${run.stderr.trim()}`);
  return { bytes: bytes.length };
};

export const waitForGuest: Primitive<'guest.wait-for'> = async (node, args, { deadlineNs }) => {
  if (args.argv.length === 0) {
    await node.agentAnswers(args.guest, deadlineNs);
    return { attempts: 1 };
  }
  for (let attempts = 1; ; attempts++) {
    const run = await node.run(args.guest, args.argv, { deadlineNs });
    if (run.exitCode === 0) return { attempts };
    const nextNs = node.machine.now() + args.intervalMs * 1e6;
    if (nextNs >= deadlineNs) {
      throw new NodeError(
        'timeout',
        `${args.argv.join(' ')} in ${args.guest} still ends with ${run.exitCode} after ${attempts} attempts: ${tail(run.stderr.trim())}`,
      );
    }
    await node.executive.drive(node.executive.until(nextNs));
  }
};

export const guestFacts: Primitive<'guest.facts'> = (node, args, { deadlineNs }) =>
  readGuestFacts(node, args.guest, args.packages, deadlineNs);

const FACTS_SCRIPT = `uname -r; echo; cat /etc/os-release; echo; [ $# = 0 ] || dpkg-query -W -f '\${Package} \${Version}\\n' "$@" || true`;

/** What the guest says of itself, in one process. */
export async function readGuestFacts(
  node: EmulatedNode,
  guest: GuestName,
  packages: readonly string[],
  deadlineNs: number,
): Promise<GuestFacts> {
  const run = await node.run(guest, ['/bin/sh', '-c', FACTS_SCRIPT, 'facts', ...packages], { deadlineNs });
  const [kernel, release, versions] = run.stdout.split('\n\n');
  if (run.exitCode !== 0 || kernel === undefined || release === undefined) {
    throw new NodeError('exit-code', `${guest} did not tell its versions: ${tail(run.stderr.trim() || run.stdout)}`);
  }
  return {
    kernel: kernel.trim(),
    osRelease: Object.fromEntries(lines(release).map((line) => pair(line, '=', unquote))),
    packages: Object.fromEntries(lines(versions ?? '').map((line) => pair(line, ' ', (text) => text))),
  };
}

const lines = (text: string): string[] => text.split('\n').filter((line) => line !== '');
const unquote = (text: string): string => text.replace(/^"(.*)"$/, '$1');

function pair(line: string, separator: string, value: (text: string) => string): [string, string] {
  const at = line.indexOf(separator);
  return at < 0 ? [line, ''] : [line.slice(0, at), value(line.slice(at + 1))];
}

/** Runs "$@" so many times and says how long each took by the guest's own clock, which counts the node's time. */
const TIMED_SCRIPT =
  'left=$1; shift; while [ $left -gt 0 ]; do start=$(date +%s%N); "$@" >/dev/null || exit; echo $(($(date +%s%N) - start)); left=$((left - 1)); done';

export const sampleWork: Primitive<'guest.sample-work'> = async (node, args, { deadlineNs }) => {
  const before = structuredClone(node.machine.counters);
  const run = await node.run(args.guest, ['/bin/sh', '-c', TIMED_SCRIPT, 'work', String(args.times), ...args.argv], {
    deadlineNs,
  });
  const piecesNs = lines(run.stdout).map(Number);
  if (run.exitCode !== 0 || piecesNs.length !== args.times || !piecesNs.every((ns) => ns > 0)) {
    throw new NodeError(
      'exit-code',
      `${args.argv.join(' ')} in ${args.guest} ended with ${run.exitCode}: ${tail(run.stderr)}`,
    );
  }
  const after = node.machine.counters;
  const traps = Object.fromEntries(
    Object.entries(after.machineModeEntries)
      .map(([cause, count]): [string, number] => [cause, count - (before.machineModeEntries[cause] ?? 0)])
      .filter(([, count]) => count > 0),
  );
  return {
    virtualized: node.virtualized,
    nodeNs: median(piecesNs),
    instructions: after.retiredInstructions - before.retiredInstructions,
    traps,
  };
};

/** Of an even number the mean of the two in the middle. */
function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const half = sorted.length / 2;
  return (sorted[Math.ceil(half) - 1]! + sorted[Math.floor(half)]!) / 2;
}

export const shutDownGuest: Primitive<'guest.shutdown'> = async (node, args, { deadlineNs }) => {
  const { side } = node.guests.get(args.guest);
  if (!node.virtualized)
    throw new NodeError('not-virtualized', 'a bare node has one OS; shutting it down ends the node');
  const before = await node.guestBoots(side);
  if (await node.responds(args.guest)) {
    const other = otherGuest(args.guest);
    const wasUp = node.isUp(other);
    const fellOver = (): boolean => wasUp && !node.isUp(other);
    await node.askToShutDown(args.guest, 'powerdown', deadlineNs);
    await node.waitUntilGuest(
      side,
      'is off',
      deadlineNs,
      (guest) => guest.state === 'off' || guest.boots > before || fellOver(),
    );
    // Whatever the other one served waits for it: it gets the hart now.
    if (fellOver()) await node.monitor.request({ op: 'stopVm', side });
  }
  // One that crashed has nothing left to end in good order.
  await node.keepDown(args.guest);
  return {};
};
