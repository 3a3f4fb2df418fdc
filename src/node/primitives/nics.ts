/** Network cards that come and go while the OS runs. */
import { slotBase } from '../../machine/index.ts';
import type { EmulatedNode } from '../emulated-node.ts';
import { SLOT } from '../guest.ts';
import { NodeError } from '../node-error.ts';
import { mvDevice } from './commands.ts';
import type { Primitive } from './table.ts';

export const attachNic: Primitive<'nic.attach'> = async (node, args, { deadlineNs }) => {
  const { side } = node.guests.get(args.guest);
  const present = node.cards.find(args.name);
  if (present !== undefined && present.side !== side) {
    throw new NodeError('refused', `side ${present.side} has a network card ${args.name}`);
  }
  const index = present?.index ?? node.freeSlot(side);
  if (present === undefined) node.cards.plug(args.name, { side, index });
  const base = slotBase(side, index);
  await mvDevice(node, args.guest, 'bind', base, deadlineNs);
  return { interface: await interfaceOf(node, args.guest, base, deadlineNs) };
};

export const detachNic: Primitive<'nic.detach'> = async (node, args, { deadlineNs }) => {
  const slot = node.cards.find(args.name);
  if (slot === undefined) return {};
  await mvDevice(node, args.guest, 'unbind', slotBase(slot.side, slot.index), deadlineNs);
  node.cards.unplug(args.name);
  return {};
};

export const replaceNic: Primitive<'nic.replace'> = async (node, args, { deadlineNs }) => {
  const { side } = node.guests.get(args.guest);
  const base = slotBase(side, SLOT.net);
  await mvDevice(node, args.guest, 'unbind', base, deadlineNs);
  const mac = node.cards.replaceOwn(side);
  await mvDevice(node, args.guest, 'bind', base, deadlineNs);
  return { interface: await interfaceOf(node, args.guest, base, deadlineNs), mac };
};

/** The network interface that the driver made of the card in the slot at `base`. */
async function interfaceOf(
  node: EmulatedNode,
  guest: 'old' | 'new',
  base: number,
  deadlineNs: number,
): Promise<string> {
  const script = 'ls /sys/bus/platform/devices/"$1".*/virtio*/net';
  const run = await node.run(guest, ['/bin/sh', '-c', script, 'interface', base.toString(16)], { deadlineNs });
  const name = run.stdout.trim();
  if (run.exitCode === 0 && /^[a-z0-9]+$/.test(name)) return name;
  throw new NodeError(
    'no-such-device',
    `the network card at 0x${base.toString(16)} has no interface in ${guest}: ${run.stderr.trim()}`,
  );
}
