/** An OS that is not up is brought up: loaded from its disk, or woken where it sleeps or from the standby it was made from. */
import type { GuestName } from '../../engine/port.ts';
import { SIDES, SLOTS_PER_SIDE, slotBase, TIMING } from '../../machine/index.ts';
import type { GuestStatus, MicrovisorStatus } from '../../microvisor/index.ts';
import type { EmulatedNode } from '../emulated-node.ts';
import { type Guest, SLOT } from '../guest.ts';
import type { StandbyConfig } from '../node-config.ts';
import { NodeError } from '../node-error.ts';
import { command, mvAddress, mvCpu, mvDevice, mvMemory } from './commands.ts';

/** States of a guest that nobody but the node brings up again. */
const DOWN: readonly GuestStatus['state'][] = ['off', 'asleep'];

/** Brings a guest up that went off, sleeps or hangs, and waits until its agent answers: what follows needs it. */
export async function awake(node: EmulatedNode, name: GuestName, deadlineNs: number): Promise<void> {
  while (!(await node.responds(name)) || node.guests.get(name).isBehind) {
    const underWay = node.comingUp.get(name);
    if (underWay === undefined) return comingUp(node, name, () => bringUp(node, name, deadlineNs));
    await node.executive.drive(underWay.catch(() => {}));
  }
}

/**
 * Does the work at whose end the guest is up. Whoever else needs it meanwhile waits: to wake it anew they would take its power,
 * and what is copied while it sleeps must not change.
 */
export function comingUp<T>(node: EmulatedNode, name: GuestName, work: () => Promise<T>): Promise<T> {
  const done = work().finally(() => node.comingUp.delete(name));
  node.comingUp.set(name, done);
  return done;
}

async function bringUp(node: EmulatedNode, name: GuestName, deadlineNs: number): Promise<void> {
  if (!node.isUp(name)) {
    const { side, standby } = node.guests.get(name);
    if (node.virtualized && (standby !== undefined || DOWN.includes(await node.guestState(side)))) {
      const boots = await start(node, name);
      await node.cameUp(name, boots, deadlineNs);
    } else await node.agentAnswers(name, deadlineNs);
  }
  await catchUp(node, name, deadlineNs);
}

/**
 * Starts a guest that is not up; gives how often its OS has been loaded when it comes up. What it was given, a guest that is
 * woken from a standby takes into use again when it has caught up.
 */
export async function start(node: EmulatedNode, name: GuestName): Promise<number> {
  const { side, standby } = node.guests.get(name);
  const kept = standby === undefined ? undefined : node.standbys.find(standby);
  if (standby !== undefined && kept !== undefined) return wakeFrom(node, name, standby, kept);
  const { boots, resume } = await node.guestStatus(side);
  if (resume !== undefined) {
    await node.monitor.request({ op: 'wakeVm', side, resume });
    return boots;
  }
  await node.monitor.request({ op: 'bootVm', side });
  return boots + 1;
}

async function wakeFrom(
  node: EmulatedNode,
  name: GuestName,
  standby: string,
  { disk, resume }: StandbyConfig,
): Promise<number> {
  const { side } = node.guests.get(name);
  if (!node.virtualized) throw new NodeError('not-virtualized', `on a bare node '${name}' is not woken`);
  // An OS that crashed may be on its way up from its disk.
  await node.keepDown(name);
  // Its disk and its memory are not changed beneath it.
  if (node.isUp(name)) throw new NodeError('refused', `guest '${name}' is up: only one that is down is woken`);
  await transfer(node, node.standbys.load(standby, node.machine.memory, node.memoryOf(side)));
  node.renewSystemDisk(side, disk);
  node.guests.set({ ...node.guests.of(side), isBehind: true });
  const { status } = await node.monitor.request({ op: 'wakeVm', side, resume });
  return status.guests[side]?.boots ?? 0;
}

const BYTES_PER_KIB = 1024;

/** The service processor moves slices of memory, each of so many bytes; the node runs on meanwhile. */
export async function transfer<T>(node: EmulatedNode, slices: Generator<number, T>): Promise<T> {
  try {
    for (;;) {
      const { done, value } = slices.next();
      if (done === true) return value;
      await node.executive.drive(node.executive.sleep((value / BYTES_PER_KIB) * TIMING.serviceProcessorNsPerKib));
    }
  } finally {
    slices.return(undefined as T);
  }
}

/**
 * What the guest was given since its standby was kept, it takes into use again; what clients wait for goes first. Each part
 * may be done twice: where one fails, whoever needs the guest next begins again.
 */
export async function catchUp(node: EmulatedNode, name: GuestName, deadlineNs: number): Promise<void> {
  const guest = node.guests.get(name);
  if (!guest.isBehind) return;
  const { side } = guest;
  const { status } = await node.monitor.request({ op: 'status' });
  const disks = [...guest.extraDisks.values()].map((slot) => slotBase(side, slot));
  for (const base of disks) await mvDevice(node, name, 'bind', base, deadlineNs);
  for (const argv of guest.accepted.values()) await command(node, name, argv, deadlineNs);
  if (status.production === side) await mvAddress(node, name, ['take'], deadlineNs);
  const others = givenSlots(node, guest, status).filter((base) => !disks.includes(base));
  for (const base of others) await mvDevice(node, name, 'bind', base, deadlineNs);
  if (node.ownsOtherBank(side, status)) await mvMemory(node, name, 'take-up', deadlineNs);
  if ((status.guests[side]?.harts.length ?? 1) > 1) await mvCpu(node, name, ['take-up'], deadlineNs);
  node.guests.set({ ...node.guests.of(side), isBehind: false });
}

/** Addresses of the guest's slots with a device in them, beyond those it was made with. */
export function givenSlots(node: EmulatedNode, { side: owner }: Guest, { slots }: MicrovisorStatus): readonly number[] {
  return SIDES.flatMap((side) =>
    Array.from({ length: SLOTS_PER_SIDE }, (_, index) => index)
      .filter((index) => slots[side][index] === owner && node.machine.slot(side, index).device !== undefined)
      .filter((index) => side !== owner || index >= SLOT.firstSpare)
      .map((index) => slotBase(side, index)),
  );
}
