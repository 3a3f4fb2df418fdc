/** Disks and devices: cloned, attached, handed over. */
import type { GuestName } from '../../engine/port.ts';
import { slotBase } from '../../machine/index.ts';
import type { EmulatedNode } from '../emulated-node.ts';
import { type Guest, SLOT } from '../guest.ts';
import { NodeError } from '../node-error.ts';
import { awake } from './awake.ts';
import { command, mvDevice } from './commands.ts';
import type { Primitive } from './table.ts';
import { unlessItFalls } from './unless-it-falls.ts';

/** The storage's own point-in-time copy: a metadata operation, whatever the number of bytes. */
export const cloneDisk: Primitive<'disk.clone'> = async (node, args, { deadlineNs }) => {
  const from = node.guests.get(args.from).systemDisk;
  node.expectUnused(args.name);
  const startNs = node.machine.now();
  await node.withAgent(args.from, (agent) =>
    agent.whileFrozen(() => node.disks.clone(from, args.name), { deadlineNs }),
  );
  return { bytes: node.disks.bytes(args.name), frozenMs: (node.machine.now() - startNs) / 1e6 };
};

export const removeDisk: Primitive<'disk.remove'> = async (node, args) => {
  node.expectUnused(args.name);
  node.disks.remove(args.name);
  return {};
};

export const attachDisk: Primitive<'disk.attach'> = async (node, args, { deadlineNs }) => {
  if (!node.disks.has(args.name)) throw new NodeError('no-such-disk', `the node has no disk ${args.name}`);
  const guest = node.guests.get(args.guest);
  const device = `/dev/disk/by-id/virtio-${args.name}`;
  if (guest.extraDisks.has(args.name)) return { device };
  // Two that write to it would destroy what is on it.
  if (!args.readOnly) node.expectUnused(args.name);
  const slot = node.freeSlot(guest.side);
  node.plugDisk(guest, slot, args.name, args.readOnly);
  if (await node.guestRuns(guest.side)) await bind(node, args.guest, guest, slot, 'bind', deadlineNs);
  return { device };
};

export const breakDisk: Primitive<'disk.break'> = async (node, args) => {
  if (!node.disks.has(args.name)) throw new NodeError('no-such-disk', `the node has no disk ${args.name}`);
  node.disks.break(args.name);
  return {};
};

export const detachDisk: Primitive<'disk.detach'> = async (node, args, { deadlineNs }) => {
  const guest = node.guests.find(args.guest);
  const slot = guest?.extraDisks.get(args.name);
  if (guest === undefined || slot === undefined) return {};
  if (await node.guestRuns(guest.side)) await bind(node, args.guest, guest, slot, 'unbind', deadlineNs);
  node.unplugDisk(guest, args.name);
  return {};
};

/**
 * The giver lets go of the disk, which flushes it; the storage gives it to the receiver, which recovers what is on it. Each
 * part is passed over where it has been done. The receiver is up before the giver lets go.
 */
export const moveDisk: Primitive<'disk.move'> = async (node, args, context) => {
  const { deadlineNs } = context;
  if (!node.disks.has(args.name)) throw new NodeError('no-such-disk', `the node has no disk ${args.name}`);
  // A giver that crashed would boot first on the hart, and the receiver could not answer until it had.
  if (node.isUp(args.to)) await node.keepDown(args.from);
  await awake(node, args.to, deadlineNs);
  const began = node.machine.now();
  let released = began;
  if (node.guests.find(args.from)?.extraDisks.has(args.name) === true) {
    released = await lettingGo(node, args.from, async () => {
      await command(node, args.from, args.release, deadlineNs);
      const at = node.machine.now();
      await detachDisk(node, { guest: args.from, name: args.name }, context);
      return at;
    });
    // What a guest that fell had written and not flushed is lost, as with any loss of power.
    await detachDisk(node, { guest: args.from, name: args.name }, context);
  }
  // A receiver that went down meanwhile is not waited for while it boots: the giver, which is up, has the disk back sooner.
  if (!node.isUp(args.to) && node.isUp(args.from)) {
    throw new NodeError('guest-not-running', `guest '${args.to}' went down before it had the disk ${args.name}`);
  }
  const moved = await node.keepingDown(args.from, async () => {
    await attachDisk(node, { guest: args.to, name: args.name, readOnly: false }, context);
    const at = node.machine.now();
    await command(node, args.to, args.accept, deadlineNs);
    node.guests.get(args.to).accepted.set(args.name, args.accept);
    return at;
  });
  const accepted = node.machine.now();
  const ms = (fromNs: number, toNs: number): number => (toNs - fromNs) / 1e6;
  return { releaseMs: ms(began, released), moveMs: ms(released, moved), acceptMs: ms(moved, accepted) };
};

/**
 * A guest lets go of something: `work`. One that is not up, hangs, or goes down over it, has let go; it is kept down, since its OS
 * would take up again what is another's by then. Gives when it had let go.
 */
async function lettingGo(node: EmulatedNode, giver: GuestName, work: () => Promise<number>): Promise<number> {
  const atNs = (await node.responds(giver)) ? await unlessItFalls(node, giver, work) : undefined;
  if (atNs !== undefined) return atNs;
  await node.keepDown(giver);
  return node.machine.now();
}

const DEVICE = /^(old|new)\.(system|net|console|rng)$/;

export const moveDevice: Primitive<'device.move'> = async (node, args, { deadlineNs }) => {
  const [, owner, kind] = DEVICE.exec(args.device) ?? [];
  if ((owner !== 'old' && owner !== 'new') || kind === undefined) {
    throw new NodeError('no-such-device', `a device is named <guest>.<kind> such as old.net, not ${args.device}`);
  }
  const slot = { side: node.guests.sideOf(owner), index: SLOT[kind as 'net'] };
  if (node.machine.slot(slot.side, slot.index).device === undefined) {
    throw new NodeError('no-such-device', `${args.device} is not in its slot any more`);
  }
  await awake(node, args.to, deadlineNs);
  const holder = await node.slotOwner(slot);
  const from = holder === null ? owner : node.guests.nameOf(holder);
  if (from === args.to) return { from };
  if (holder !== null) await mvDevice(node, from, 'unbind', slotBase(slot.side, slot.index), deadlineNs);
  await node.monitor.request({ op: 'moveSlot', slot, owner: node.guests.get(args.to).side });
  await mvDevice(node, args.to, 'bind', slotBase(slot.side, slot.index), deadlineNs);
  return { from };
};

const bind = (
  node: EmulatedNode,
  name: 'old' | 'new',
  guest: Guest,
  slot: number,
  verb: 'bind' | 'unbind',
  deadlineNs: number,
): Promise<void> => mvDevice(node, name, verb, slotBase(guest.side, slot), deadlineNs);
