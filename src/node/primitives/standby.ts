/** A guest that is kept asleep, to be woken in place of a boot. */
import type { GuestName } from '../../engine/port.ts';
import { MIB, SLOTS_PER_SIDE } from '../../machine/index.ts';
import type { ResumePoint } from '../../microvisor/index.ts';
import type { EmulatedNode } from '../emulated-node.ts';
import { type Guest, SLOT } from '../guest.ts';
import type { StandbyConfig } from '../node-config.ts';
import { NodeError } from '../node-error.ts';
import { transferNs } from './awake.ts';
import type { Primitive } from './table.ts';

export const keepVm: Primitive<'vm.keep'> = async (node, args, { deadlineNs }) => {
  const guest = node.guests.get(args.guest);
  const { side } = guest;
  if (!node.virtualized) throw new NodeError('not-virtualized', 'on a bare node nobody could wake the OS again');
  expectOnlyItsOwn(node, guest);
  const startNs = node.machine.now();
  const boots = await node.guestBoots(side);
  const resume = await putToSleep(node, args.guest, boots, deadlineNs);
  try {
    const harts = await hartsOfItsOwn(node, side);
    const { bytes } = node.standbys.keep(
      args.as,
      guest.systemDisk,
      { memory: node.machine.memory, regions: node.memoryOf(side) },
      { side, bankMib: node.machine.options.bankBytes / MIB, harts, of: node.committed?.key ?? null, resume },
    );
    await node.executive.drive(node.executive.sleep(transferNs(bytes)));
    return { bytes, asleepMs: (node.machine.now() - startNs) / 1e6 };
  } finally {
    await node.monitor.request({ op: 'wakeVm', side, resume });
    await node.cameUp(args.guest, boots, deadlineNs);
  }
};

/** None where it shares one. */
async function hartsOfItsOwn(node: EmulatedNode, side: Guest['side']): Promise<readonly number[]> {
  const { status } = await node.monitor.request({ op: 'status' });
  return status.harts.flatMap((owners, id) => (owners.length === 1 && owners[0] === side ? [id] : []));
}

/** What is kept has to be there again when it is woken: the devices of the side, and nothing that comes and goes. */
function expectOnlyItsOwn(node: EmulatedNode, { side, extraDisks }: Guest): void {
  const disks = [...extraDisks.keys()];
  if (disks.length > 0) {
    throw new NodeError('refused', `a guest is kept with its system disk only; it also has ${disks.join(', ')}`);
  }
  for (let slot = SLOT.firstSpare; slot < SLOTS_PER_SIDE; slot++) {
    if (node.machine.slot(side, slot).device !== undefined) {
      throw new NodeError('refused', `a guest is kept with its own devices only; there is one in slot ${slot}`);
    }
  }
}

/** Linux "Documentation/admin-guide/pm/sleep-states.rst": returns when the OS has been woken, or could not sleep. */
const SLEEP = ['/bin/sh', '-c', 'echo mem >/sys/power/state'];

/** The OS freezes what runs in it and calls SBI's system suspend; gives where it is to be entered again. */
async function putToSleep(
  node: EmulatedNode,
  name: GuestName,
  boots: number,
  deadlineNs: number,
): Promise<ResumePoint> {
  const { side } = node.guests.get(name);
  try {
    const { exitCode, stderr } = await node.run(name, SLEEP, { deadlineNs });
    throw new NodeError('exit-code', `'${name}' did not go to sleep (exit code ${exitCode}): ${stderr.trim()}`);
  } catch (error) {
    // The agent's device is reset while its driver sleeps.
    if (!(error instanceof NodeError) || error.code !== 'guest-not-running') throw error;
  }
  for (;;) {
    const { state, resume, boots: found } = await node.guestStatus(side);
    if (resume !== undefined) return resume;
    if (state !== 'running' || found > boots) {
      throw new NodeError('guest-not-running', `guest '${name}' went down over going to sleep`);
    }
    if (node.isUp(name)) throw new NodeError('refused', `guest '${name}' was not let sleep, and goes on`);
    if (node.machine.now() >= deadlineNs) throw new NodeError('timeout', `guest '${name}' did not go to sleep in time`);
    await node.executive.drive(node.executive.sleep(POLL_NS));
  }
}

const POLL_NS = 1_000_000;

/**
 * The standby, where a guest of this side that gets these free harts can be made from it.
 * @throws NodeError `no-such-standby`, or `refused`
 */
export function expectFits(
  node: EmulatedNode,
  name: string,
  side: Guest['side'],
  harts: readonly number[],
): StandbyConfig {
  const standby = node.standbys.get(name);
  const refuse = (what: string, expected: unknown, found: unknown): never => {
    throw new NodeError(
      'refused',
      `standby ${name} was kept with ${what} ${expected}; it would be woken with ${found}`,
    );
  };
  const bankMib = node.machine.options.bankBytes / MIB;
  const committed = node.committed?.key ?? null;
  if (standby.of !== committed) refuse('commit', standby.of ?? 'none', committed ?? 'none');
  if (standby.side !== side) refuse('side', standby.side, side);
  if (standby.bankMib !== bankMib) refuse('a bank of MiB', standby.bankMib, bankMib);
  if (standby.harts.join() !== harts.join()) refuse('harts', standby.harts.join(', '), harts.join(', '));
  return standby;
}
