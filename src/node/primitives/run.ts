/** Where a run begins and ends on the node, and the point of no return between. */
import { awake } from './awake.ts';
import { readGuestFacts } from './guests.ts';
import { serves } from './service.ts';
import type { Primitive } from './table.ts';

/** An OS that was just booted serves a moment after its agent answers; one that does not is measured as it is. */
const SERVES_NS_MAX = 2_000_000_000;
const SERVES_POLL_NS = 20_000_000;

export const beginRun: Primitive<'run.begin'> = async (node, args, { deadlineNs }) => {
  node.guests.beginNames(node.bootSide);
  node.nameSystemDisk();
  node.standbys.beginRun(node.committed?.key ?? null);
  node.service = args.service;
  node.hangNs = args.hangMs * 1e6;
  const latestNs = node.machine.now() + SERVES_NS_MAX;
  while (!(await serves(node, args.service)) && node.machine.now() < latestNs) {
    await node.executive.drive(node.executive.sleep(SERVES_POLL_NS));
  }
  node.probe.start(args.service);
  return { os: await readGuestFacts(node, 'old', args.packages, deadlineNs) };
};

export const endRun: Primitive<'run.end'> = async (node, args, { deadlineNs }) => {
  const guest = node.guests.nameOf(node.bootSide);
  await awake(node, guest, deadlineNs);
  const os = await readGuestFacts(node, guest, args.packages, deadlineNs);
  const { settledAtNs } = node.probe.stop();
  await node.executive.drive(node.executive.until(settledAtNs));
  return { guest, os, virtualized: node.virtualized };
};

/** From here on a loss of power brings this guest's OS back, and no other. */
export const commit: Primitive<'node.commit'> = async (node, args, { key }) => {
  node.commitTo(node.guests.get(args.guest).side, key);
  return {};
};

export const bootNode: Primitive<'node.boot'> = async (node, _args, { deadlineNs }) => {
  const booted = await node.powerOn(deadlineNs);
  node.guests.beginNames(node.bootSide);
  return { booted, os: await readGuestFacts(node, 'old', [], deadlineNs) };
};
