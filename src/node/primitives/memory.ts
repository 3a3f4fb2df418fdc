/** Memory changes hands by the OS's own means: it offlines and unbinds a bank, or binds and onlines it. */
import type { MemoryRegion, Side } from '../../machine/index.ts';
import { memoryMap, SIDES } from '../../machine/index.ts';
import { otherSide } from '../../microvisor/index.ts';
import type { EmulatedNode } from '../emulated-node.ts';
import { NodeError } from '../node-error.ts';
import { awake } from './awake.ts';
import { mvMemory } from './commands.ts';
import type { Primitive } from './table.ts';
import { unlessItFalls } from './unless-it-falls.ts';

/** The bank of the other side with the scratch below it: what an OS gives up and takes up. */
function otherBank(node: EmulatedNode, side: Side): MemoryRegion {
  return node.memoryOf(otherSide(side))[1]!;
}

/**
 * In the guest first, then in the Microvisor: from then on an access of the guest there is a fault. A guest that is off is
 * booted, since its memory changes hands by its own means only; where the other one takes over it stays off.
 */
export const giveUpMemory: Primitive<'memory.give-up'> = async (node, args, context) => {
  const guest = node.guests.get(args.guest);
  const region = otherBank(node, guest.side);
  const giveUp = (): Promise<void> => mvMemory(node, args.guest, 'give-up', context.deadlineNs);
  if (args.takesOver && node.virtualized) {
    if (await node.responds(args.guest)) await unlessItFalls(node, args.guest, giveUp);
    await node.keepDown(args.guest);
  } else {
    await awake(node, args.guest, context.deadlineNs);
    await giveUp();
  }
  if (node.virtualized) await node.monitor.request({ op: 'setMemory', region, owner: null });
  return { bytes: region.bytes };
};

export const takeUpMemory: Primitive<'memory.take-up'> = async (node, args, context) => {
  const guest = node.guests.get(args.guest);
  const region = otherBank(node, guest.side);
  await awake(node, args.guest, context.deadlineNs);
  if (node.virtualized) await node.monitor.request({ op: 'setMemory', region, owner: guest.side });
  await mvMemory(node, args.guest, 'take-up', context.deadlineNs);
  return { bytes: region.bytes };
};

const CHUNK_BYTES = 1 << 20;

/**
 * What a module holds when it is put in is nothing that anybody may count on: the same noise again and again. Noise for all of
 * it would take seconds, in which a node with the real clock serves nobody.
 */
export const replaceMemory: Primitive<'memory.replace'> = async (node) => {
  if (!node.virtualized) throw new NodeError('not-virtualized', 'on a bare node nothing keeps the OS off the bank');
  const { status } = await node.monitor.request({ op: 'status' });
  const owned = ({ base, bytes }: MemoryRegion): boolean =>
    status.memory.some((part) => part.base < base + bytes && base < part.base + part.bytes);
  const banks = memoryMap(node.machine.options.bankBytes).bank;
  const side = SIDES.find((each) => !owned(banks[each]));
  if (side === undefined) throw new NodeError('refused', 'every bank has an owner');
  const region = banks[side];
  const { memory, options } = node.machine;
  const noise = options.random(CHUNK_BYTES);
  for (let offset = 0; offset < region.bytes; offset += CHUNK_BYTES) {
    memory.write(region.base + offset, noise.subarray(0, region.bytes - offset));
  }
  return { bytes: region.bytes };
};
