/** A guest that is kept asleep, to be woken in place of a boot. */
import type { GuestName, PrimitiveArgs, PrimitiveResult } from '../../engine/port.ts';
import { MIB, type Side } from '../../machine/index.ts';
import type { MicrovisorStatus, ResumePoint } from '../../microvisor/index.ts';
import type { EmulatedNode } from '../emulated-node.ts';
import type { Guest } from '../guest.ts';
import type { StandbyConfig } from '../node-config.ts';
import { NodeError } from '../node-error.ts';
import { comingUp, givenSlots, transfer } from './awake.ts';
import type { Primitive } from './table.ts';

export const keepVm: Primitive<'vm.keep'> = async (node, args, { deadlineNs }) => {
  const guest = node.guests.get(args.guest);
  const { side } = guest;
  if (!node.virtualized) throw new NodeError('not-virtualized', 'on a bare node nobody could wake the OS again');
  const { status } = await node.monitor.request({ op: 'status' });
  // It would be denied sleep, but only after its devices had stood still.
  if (status.production === side)
    throw new NodeError('refused', `guest '${args.guest}' has the service: it does not sleep`);
  if (!node.isUp(args.guest)) throw new NodeError('guest-not-running', `guest '${args.guest}' is not up`);
  expectOnlyItsOwn(node, guest, status);
  return comingUp(node, args.guest, () => keep(node, args, guest, status, deadlineNs));
};

async function keep(
  node: EmulatedNode,
  args: PrimitiveArgs<'vm.keep'>,
  { side, systemDisk }: Guest,
  status: MicrovisorStatus,
  deadlineNs: number,
): Promise<PrimitiveResult<'vm.keep'>> {
  const startNs = node.machine.now();
  const boots = status.guests[side]?.boots ?? 0;
  const resume = await putToSleep(node, args.guest, boots, deadlineNs);
  let kept: StandbyConfig;
  try {
    const slices = node.standbys.keep(
      args.as,
      systemDisk,
      { memory: node.machine.memory, regions: node.memoryOf(side) },
      { side, bankMib: node.machine.options.bankBytes / MIB, harts: hartsOfItsOwn(status, side), resume },
    );
    kept = await transfer(node, slices);
  } finally {
    await wakeAgain(node, args, boots, resume, deadlineNs);
  }
  return { bytes: kept.bytes, asleepMs: (node.machine.now() - startNs) / 1e6 };
}

/** What does not wake here would not wake later: nothing of it is kept. */
async function wakeAgain(
  node: EmulatedNode,
  { guest, as }: PrimitiveArgs<'vm.keep'>,
  boots: number,
  resume: ResumePoint,
  deadlineNs: number,
): Promise<void> {
  try {
    await node.monitor.request({ op: 'wakeVm', side: node.guests.get(guest).side, resume });
    await node.cameUp(guest, boots, deadlineNs);
  } catch (error) {
    node.standbys.remove(as);
    throw error;
  }
}

/** None where it shares one. */
function hartsOfItsOwn({ harts }: MicrovisorStatus, side: Side): readonly number[] {
  return harts.flatMap((owners, id) => (owners.length === 1 && owners[0] === side ? [id] : []));
}

/** What is kept has to be there again when it is woken: what the guest was made with, and nothing that comes and goes. */
function expectOnlyItsOwn(node: EmulatedNode, guest: Guest, status: MicrovisorStatus): void {
  const disks = [...guest.extraDisks.keys()];
  if (disks.length > 0) {
    throw new NodeError('refused', `a guest is kept with its system disk only; it also has ${disks.join(', ')}`);
  }
  const slots = givenSlots(node, guest, status).map((base) => `0x${base.toString(16)}`);
  if (slots.length > 0) {
    throw new NodeError('refused', `a guest is kept with its own devices only; it also has ${slots.join(', ')}`);
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
    if (node.isUp(name)) {
      const isAwake = await node.responds(name);
      if (isAwake) throw new NodeError('refused', `guest '${name}' was not let sleep, and goes on`);
      throw new NodeError('guest-not-running', `guest '${name}' hung over going to sleep`);
    }
    if (node.machine.now() >= deadlineNs) throw new NodeError('timeout', `guest '${name}' did not go to sleep in time`);
    await node.executive.drive(node.executive.sleep(POLL_NS));
  }
}

const POLL_NS = 1_000_000;

/**
 * The standby, where a guest of this side that gets these free harts can be made from it.
 * @throws NodeError `no-such-standby`, or `refused`
 */
export function expectFits(node: EmulatedNode, name: string, side: Side, harts: readonly number[]): StandbyConfig {
  const standby = node.standbys.get(name);
  const refuse = (what: string, expected: unknown, found: unknown): never => {
    throw new NodeError(
      'refused',
      `standby ${name} was kept with ${what} ${expected}; it would be woken with ${found}`,
    );
  };
  const bankMib = node.machine.options.bankBytes / MIB;
  if (!node.standbys.isGood(name, node.committed?.key ?? null)) {
    throw new NodeError(
      'refused',
      `standby ${name} was kept before the last commit: what has changed since is not in it`,
    );
  }
  if (standby.side !== side) refuse('side', standby.side, side);
  if (standby.bankMib !== bankMib) refuse('a bank of MiB', standby.bankMib, bankMib);
  const named = (ids: readonly number[]): string => (ids.length === 0 ? 'none of its own' : ids.join(', '));
  if (standby.harts.join() !== harts.join()) refuse('harts', named(standby.harts), named(harts));
  return standby;
}
