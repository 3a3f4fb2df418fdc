/** Harts change hands by CPU hot-plug: an OS takes one offline, which stops it through SBI, or starts it. */
import type { GuestName } from '../../engine/port.ts';
import type { EmulatedNode } from '../emulated-node.ts';
import { NodeError } from '../node-error.ts';
import { awake } from './awake.ts';
import { mvCpu } from './commands.ts';
import type { Primitive } from './table.ts';

/** In the guest first, then in the Microvisor; the last ones of a guest that is down go unasked where the other one takes over. */
export const giveUpHarts: Primitive<'cpu.give-up'> = async (node, args, { deadlineNs }) => {
  const { harts } = node.machine.options;
  const count = args.harts ?? Math.floor(harts / 2);
  if (count >= harts) {
    if (harts === 1) return { harts: [] };
    throw new NodeError('refused', `the node has ${harts} harts: a guest cannot give up ${count}`);
  }
  if (count === 0) return { harts: [] };
  const isAsked = !args.takesOver || (await node.responds(args.guest));
  if (!isAsked) await node.keepDown(args.guest);
  const offline = isAsked
    ? await mvCpu(node, args.guest, ['give-up', String(count)], deadlineNs)
    : await hartsBeyond(node, args.guest, harts - count);
  if (!node.virtualized) return { harts: [] };
  for (const hart of offline) await node.monitor.request({ op: 'moveHart', hart, owner: null });
  return { harts: await freeHarts(node) };
};

/** In the Microvisor first, then in the guest. */
export const takeUpHarts: Primitive<'cpu.take-up'> = async (node, args, { deadlineNs }) => {
  const { harts } = node.machine.options;
  const all = Array.from({ length: harts }, (_, id) => id);
  if (harts === 1) return { harts: all };
  const { side } = node.guests.get(args.guest);
  if (node.virtualized) {
    if (!node.isUp(args.guest)) await awake(node, args.guest, deadlineNs);
    for (const hart of await freeHarts(node)) await node.monitor.request({ op: 'moveHart', hart, owner: side });
  }
  await mvCpu(node, args.guest, ['take-up'], deadlineNs);
  if (!node.virtualized) return { harts: all };
  const { status } = await node.monitor.request({ op: 'status' });
  return { harts: status.guests[side]?.harts ?? [] };
};

/** What the guest has beyond its first ones: none where it has given them up already. */
async function hartsBeyond(node: EmulatedNode, guest: GuestName, first: number): Promise<number[]> {
  const { side } = node.guests.get(guest);
  const { status } = await node.monitor.request({ op: 'status' });
  return (status.guests[side]?.harts ?? []).slice(first);
}

/** Harts that no guest has. */
export async function freeHarts(node: EmulatedNode): Promise<number[]> {
  const { status } = await node.monitor.request({ op: 'status' });
  return status.harts.flatMap((owners, id) => (owners.length === 0 ? [id] : []));
}
