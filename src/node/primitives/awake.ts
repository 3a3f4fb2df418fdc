/** An OS that is not up is brought up: loaded from its disk, or woken from the standby it was made from. */
import type { GuestName } from '../../engine/port.ts';
import { SIDES, SLOTS_PER_SIDE, slotBase, TIMING } from '../../machine/index.ts';
import type { MicrovisorStatus } from '../../microvisor/index.ts';
import type { EmulatedNode } from '../emulated-node.ts';
import { type Guest, SLOT } from '../guest.ts';
import { command, mvAddress, mvCpu, mvDevice, mvMemory } from './commands.ts';

/** Brings a guest up that went off or hangs, and waits until its agent answers: what follows needs it. */
export async function awake(node: EmulatedNode, name: GuestName, deadlineNs: number): Promise<void> {
  if (await node.responds(name)) return;
  const { side, standby } = node.guests.get(name);
  if (node.virtualized && (standby !== undefined || (await node.guestState(side)) === 'off')) {
    const boots = await start(node, name);
    await node.cameUp(name, boots, deadlineNs);
    if (standby !== undefined) await giveAgain(node, name, deadlineNs);
  } else await node.agentAnswers(name, deadlineNs);
}

/** Starts a guest that is not up; gives how often its OS has been loaded when it comes up. */
export async function start(node: EmulatedNode, name: GuestName): Promise<number> {
  const { side, standby } = node.guests.get(name);
  if (standby === undefined) {
    const before = await node.guestBoots(side);
    await node.monitor.request({ op: 'bootVm', side });
    return before + 1;
  }
  // An OS that crashed may be on its way up from its disk.
  await node.keepDown(name);
  const { disk, bytes, resume } = node.standbys.get(standby);
  node.renewSystemDisk(side, disk);
  node.standbys.load(standby, node.machine.memory, node.memoryOf(side));
  await node.executive.drive(node.executive.sleep(transferNs(bytes)));
  const { status } = await node.monitor.request({ op: 'wakeVm', side, resume });
  return status.guests[side]?.boots ?? 0;
}

const BYTES_PER_KIB = 1024;

/** What the service processor takes to move so much of memory. */
export const transferNs = (bytes: number): number => (bytes / BYTES_PER_KIB) * TIMING.serviceProcessorNsPerKib;

/** What the guest was given since its standby was kept, it takes into use again; what clients wait for goes first. */
async function giveAgain(node: EmulatedNode, name: GuestName, deadlineNs: number): Promise<void> {
  const guest = node.guests.get(name);
  const { side } = guest;
  const { status } = await node.monitor.request({ op: 'status' });
  for (const slot of guest.extraDisks.values()) await mvDevice(node, name, 'bind', slotBase(side, slot), deadlineNs);
  for (const argv of guest.accepted.values()) await command(node, name, argv, deadlineNs);
  if (status.production === side) await mvAddress(node, name, ['take'], deadlineNs);
  for (const base of givenSlots(node, guest, status)) await mvDevice(node, name, 'bind', base, deadlineNs);
  if (node.ownsOtherBank(side, status)) await mvMemory(node, name, 'take-up', deadlineNs);
  if ((status.guests[side]?.harts.length ?? 1) > 1) await mvCpu(node, name, ['take-up'], deadlineNs);
}

/** Addresses of the guest's slots beyond those it was made with and those of its disks. */
function givenSlots(node: EmulatedNode, guest: Guest, { slots }: MicrovisorStatus): readonly number[] {
  const disks = [...guest.extraDisks.values()];
  return SIDES.flatMap((side) =>
    Array.from({ length: SLOTS_PER_SIDE }, (_, index) => index)
      .filter((index) => slots[side][index] === guest.side && node.machine.slot(side, index).device !== undefined)
      .filter((index) => side !== guest.side || (index >= SLOT.firstSpare && !disks.includes(index)))
      .map((index) => slotBase(side, index)),
  );
}
