/** A second OS instance beside the running one: its memory, its devices, its life. */
import type { PrimitiveArgs } from '../../engine/port.ts';
import { memoryMap, type Side, slotBase } from '../../machine/index.ts';
import type { EmulatedNode } from '../emulated-node.ts';
import { SLOT } from '../guest.ts';
import { NodeError } from '../node-error.ts';
import { isBound, mvDevice } from './devices.ts';
import { freeHarts } from './harts.ts';
import { otherBank } from './memory.ts';
import type { Primitive } from './table.ts';

export const createVm: Primitive<'vm.create'> = async (node, args, { deadlineNs }) => {
  if (!node.virtualized) throw new NodeError('not-virtualized', 'a second OS needs the Microvisor beneath both');
  const side = node.guests.freeSide();
  const other = side === 'A' ? 'B' : 'A';
  const map = memoryMap(node.machine.options.bankBytes);
  await takeNetworkBack(node, side, deadlineNs);
  const guest = node.plugGuest(side, args.disk);
  try {
    const memory = [map.lowStub[side], otherBank(node, other)];
    const slots = node.slotNames(side);
    const harts = await freeHarts(node);
    // Without a hart of its own it shares the first one.
    const own = harts.length === 0 ? {} : { harts };
    await node.monitor.request({ op: 'createVm', side, memory, slots, ...own });
    node.guests.add(args.guest, guest);
    return { memoryBytes: memory.reduce((sum, region) => sum + region.bytes, 0) };
  } catch (error) {
    node.unplugGuest(guest);
    await returnNetwork(node, side, deadlineNs);
    throw error;
  }
};

/**
 * The OS that runs may have this side's network device: an earlier maintenance moved it there, or it found it when it
 * booted. The guest that is made here gets it back.
 */
async function takeNetworkBack(node: EmulatedNode, side: Side, deadlineNs: number): Promise<void> {
  if (node.machine.slot(side, SLOT.net).device === undefined) return;
  const slot = slotBase(side, SLOT.net);
  if (!(await isBound(node, 'old', slot, deadlineNs))) return;
  await mvDevice(node, 'old', 'unbind', slot, deadlineNs);
  node.lent.add(side);
}

/** The guest that was lent the device is gone before it served: the OS that had it has it again. */
async function returnNetwork(node: EmulatedNode, side: Side, deadlineNs: number): Promise<void> {
  if (!node.lent.has(side)) return;
  node.lent.delete(side);
  const old = node.guests.find('old');
  if (old === undefined || old.side === side || !(await node.guestRuns(old.side))) return;
  await node.monitor.request({ op: 'moveSlot', slot: { side, index: SLOT.net }, owner: old.side });
  await mvDevice(node, 'old', 'bind', slotBase(side, SLOT.net), deadlineNs);
}

/** Waits for the end of a boot. A guest that takes over does not wait for one that crashes meanwhile to boot again. */
async function booted(
  node: EmulatedNode,
  { guest, takesOver }: PrimitiveArgs<'vm.boot'>,
  bootsBefore: number,
  deadlineNs: number,
): Promise<void> {
  const boot = (): Promise<void> => node.bootedOnce(guest, bootsBefore, deadlineNs);
  if (!takesOver) return boot();
  const other = guest === 'old' ? 'new' : 'old';
  await node.keepDown(other);
  return node.keepingDown(other, boot);
}

export const bootVm: Primitive<'vm.boot'> = async (node, args, { deadlineNs }) => {
  const { side } = node.guests.get(args.guest);
  const startNs = node.machine.now();
  const before = await node.guestBoots(side);
  await node.monitor.request({ op: 'bootVm', side });
  await booted(node, args, before, deadlineNs);
  return { bootMs: (node.machine.now() - startNs) / 1e6 };
};

export const rebootVm: Primitive<'vm.reboot'> = async (node, args, { deadlineNs }) => {
  const { side } = node.guests.get(args.guest);
  const startNs = node.machine.now();
  if (node.virtualized) {
    const before = await node.guestBoots(side);
    await node.askToShutDown(args.guest, 'reboot', deadlineNs);
    await node.waitUntilGuest(side, 'has been loaded again', deadlineNs, (guest) => guest.boots > before);
    await booted(node, args, before, deadlineNs);
  } else {
    await node.rebootBare(args.guest, deadlineNs);
  }
  return { bootMs: (node.machine.now() - startNs) / 1e6 };
};

export const destroyVm: Primitive<'vm.destroy'> = async (node, args, { deadlineNs }) => {
  const guest = node.guests.find(args.guest);
  if (guest !== undefined) {
    await node.monitor.request({ op: 'destroyVm', side: guest.side, force: true });
    node.unplugGuest(guest);
    node.guests.forget(args.guest);
    await returnNetwork(node, guest.side, deadlineNs);
  }
  const { removesDisk } = args;
  if (removesDisk !== undefined && !node.diskInUse(removesDisk)) node.disks.remove(removesDisk);
  return {};
};
