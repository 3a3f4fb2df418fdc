/** Where a run begins and ends on the node, and the point of no return between. */
import { readGuestFacts } from './guests.ts';
import type { Primitive } from './table.ts';

export const beginRun: Primitive<'run.begin'> = async (node, args, { deadlineNs }) => {
  node.beginNames();
  node.nameSystemDisk();
  node.startProbe(args.service);
  return { os: await readGuestFacts(node, 'old', args.packages, deadlineNs) };
};

export const endRun: Primitive<'run.end'> = async (node, args, { deadlineNs }) => {
  const guest = node.nameOf(node.bootSide);
  const os = await readGuestFacts(node, guest, args.packages, deadlineNs);
  const { settledAtNs } = node.probe.stop();
  await node.executive.drive(node.executive.until(settledAtNs));
  return { guest, os, virtualized: node.virtualized };
};

/** From here on a loss of power brings this guest's OS back, and no other. */
export const commit: Primitive<'node.commit'> = async (node, args) => {
  node.commitTo(node.guest(args.guest).side);
  return {};
};

export const bootNode: Primitive<'node.boot'> = async (node, _args, { deadlineNs }) => {
  const booted = await node.powerOn(deadlineNs);
  node.beginNames();
  return { booted, os: await readGuestFacts(node, 'old', [], deadlineNs) };
};
