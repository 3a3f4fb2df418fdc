/** What the node has a guest do with what it was given: one command of the image each. */
import type { GuestName } from '../../engine/port.ts';
import type { EmulatedNode } from '../emulated-node.ts';
import type { ExecResult } from '../guest-agent.ts';
import { NodeError } from '../node-error.ts';

const MV_ADDRESS = '/usr/local/sbin/mv-address';
const MV_CPU = '/usr/local/sbin/mv-cpu';
const MV_DEVICE = '/usr/local/sbin/mv-device';
const MV_MEMORY = '/usr/local/sbin/mv-memory';

/** Runs a command that a playbook names, if it names one. @throws NodeError `exit-code` */
export async function command(
  node: EmulatedNode,
  guest: GuestName,
  argv: readonly string[],
  deadlineNs: number,
): Promise<void> {
  if (argv.length === 0) return;
  const run = await node.run(guest, argv, { deadlineNs });
  if (run.exitCode === 0) return;
  const said = run.stderr.trim() || run.stdout.trim();
  throw new NodeError('exit-code', `${argv.join(' ')} in ${guest} ended with ${run.exitCode}: ${said}`);
}

/** Binds or unbinds the driver of the slot at `base` in a guest. */
export async function mvDevice(
  node: EmulatedNode,
  guest: GuestName,
  verb: 'bind' | 'unbind',
  base: number,
  deadlineNs: number,
): Promise<void> {
  const run = await node.run(guest, [MV_DEVICE, verb, base.toString(16)], { deadlineNs });
  if (run.exitCode !== 0) {
    throw new NodeError('exit-code', `mv-device ${verb} in ${guest} ended with ${run.exitCode}: ${run.stderr.trim()}`);
  }
}

/** Whether a driver of the guest has the slot at `base`. */
export async function isBound(
  node: EmulatedNode,
  guest: GuestName,
  base: number,
  deadlineNs: number,
): Promise<boolean> {
  const run = await node.run(guest, [MV_DEVICE, 'status', base.toString(16)], { deadlineNs });
  if (run.exitCode > 1) throw new NodeError('exit-code', `mv-device status in ${guest}: ${run.stderr.trim()}`);
  return run.exitCode === 0;
}

/** The guest gives up the bank of the other side, or takes it up. */
export async function mvMemory(
  node: EmulatedNode,
  guest: GuestName,
  verb: 'give-up' | 'take-up',
  deadlineNs: number,
): Promise<void> {
  const run = await node.run(guest, [MV_MEMORY, verb], { deadlineNs });
  if (run.exitCode !== 0) {
    throw new NodeError('no-memory', `mv-memory ${verb} in ${guest} ended with ${run.exitCode}: ${run.stderr.trim()}`, {
      stdout: run.stdout,
      stderr: run.stderr,
    });
  }
}

/** Ids of the harts that are offline in the guest afterwards. */
export async function mvCpu(
  node: EmulatedNode,
  guest: GuestName,
  args: readonly string[],
  deadlineNs: number,
): Promise<number[]> {
  const run = await node.run(guest, [MV_CPU, ...args], { deadlineNs });
  if (run.exitCode === 0)
    return run.stdout
      .split('\n')
      .filter((line) => line !== '')
      .map(Number);
  throw new NodeError('exit-code', `mv-cpu ${args.join(' ')} in ${guest}: ${run.stderr.trim()}`);
}

/** The command that does something about the service address in a guest. */
export const addressCommand = (args: readonly string[]): readonly string[] => [MV_ADDRESS, ...args];

/** What mv-address prints. */
export async function mvAddress(
  node: EmulatedNode,
  guest: GuestName,
  args: readonly string[],
  deadlineNs: number,
): Promise<string> {
  const argv = addressCommand(args);
  return expectSuccess(guest, argv, await node.run(guest, argv, { deadlineNs }));
}

/** What the command printed. @throws NodeError `exit-code` */
export function expectSuccess(
  guest: GuestName,
  argv: readonly string[],
  { exitCode, stdout, stderr }: ExecResult,
): string {
  if (exitCode === 0) return stdout;
  throw new NodeError('exit-code', `${argv.join(' ')} in ${guest} ended with ${exitCode}: ${stderr.trim()}`);
}
