/** A second OS instance beside the running one: its memory, its devices, its life. */
import { otherGuest, type PrimitiveArgs } from '../../engine/port.ts';
import { type Side, slotBase } from '../../machine/index.ts';
import type { EmulatedNode } from '../emulated-node.ts';
import { type Guest, SLOT } from '../guest.ts';
import { NodeError } from '../node-error.ts';
import { catchUp, start } from './awake.ts';
import { isBound, mvDevice } from './commands.ts';
import { freeHarts } from './harts.ts';
import { expectFits } from './standby.ts';
import type { Primitive } from './table.ts';
import { unlessItFalls } from './unless-it-falls.ts';

export const createVm: Primitive<'vm.create'> = async (node, args, { deadlineNs }) => {
  if (!node.virtualized) throw new NodeError('not-virtualized', 'a second OS needs the Microvisor beneath both');
  const side = node.guests.freeSide();
  const harts = await freeHarts(node);
  const { standby } = args;
  const kept = standby === undefined ? undefined : expectFits(node, standby, side, harts);
  node.expectUnused(args.disk);
  await takeNetworkBack(node, side, deadlineNs);
  let guest: Guest | undefined;
  try {
    if (kept) node.disks.clone(kept.disk, args.disk);
    guest = { ...node.plugGuest(side, args.disk), standby };
    const memory = node.memoryOf(side);
    const slots = node.slotNames(side);
    // Without a hart of its own it shares the first one.
    const own = harts.length === 0 ? {} : { harts };
    await node.monitor.request({ op: 'createVm', side, memory, slots, ...own });
    node.guests.add(args.guest, guest);
    return { memoryBytes: memory.reduce((sum, region) => sum + region.bytes, 0) };
  } catch (error) {
    if (guest) node.unplugGuest(guest);
    if (kept) node.disks.remove(args.disk);
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
  // An OS that is down has let go of it.
  if (!(await node.responds('old'))) return;
  await unlessItFalls(node, 'old', async () => {
    if (!(await isBound(node, 'old', slot, deadlineNs))) return;
    await mvDevice(node, 'old', 'unbind', slot, deadlineNs);
    node.lent.add(side);
  });
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
  boots: number,
  deadlineNs: number,
): Promise<void> {
  const boot = (): Promise<void> => node.cameUp(guest, boots, deadlineNs);
  if (!takesOver) return boot();
  const other = otherGuest(guest);
  await node.keepDown(other);
  return node.keepingDown(other, boot);
}

export const bootVm: Primitive<'vm.boot'> = async (node, args, { deadlineNs }) => {
  const startNs = node.machine.now();
  const boots = await start(node, args.guest);
  await booted(node, args, boots, deadlineNs);
  await catchUp(node, args.guest, deadlineNs);
  return { bootMs: (node.machine.now() - startNs) / 1e6 };
};

export const rebootVm: Primitive<'vm.reboot'> = async (node, args, { deadlineNs }) => {
  const guest = node.guests.get(args.guest);
  const { side } = guest;
  const startNs = node.machine.now();
  // What it has installed since is on its disk only.
  node.guests.set({ ...guest, standby: undefined, isBehind: false });
  if (node.virtualized) {
    const before = await node.guestBoots(side);
    await node.askToShutDown(args.guest, 'reboot', deadlineNs);
    await node.waitUntilGuest(side, 'has been loaded again', deadlineNs, (guest) => guest.boots > before);
    await booted(node, args, before + 1, deadlineNs);
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
