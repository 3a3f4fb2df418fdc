/** All the Microvisor knows of a node while it is virtualized. What is true of one hart is in hart-monitor.ts. */

import type { BoardRom, HartGroup } from '../firmware/index.ts';
import type { MachineModeHart, Side } from '../machine/index.ts';
import type { AccountBook } from './account-book.ts';
import type { Guest } from './guest.ts';
import type { HartMonitor } from './hart-monitor.ts';
import type { Partition } from './partition.ts';
import type { SharePolicy } from './share.ts';
import type { VirtualHart } from './virtual-hart.ts';

export interface Virtualized {
  partition: Partition;
  readonly guests: Map<Side, Guest>;
  production: Side;
  share: SharePolicy;
  readonly book: AccountBook;
  readonly rom: BoardRom;
  /** By hart id; every hart of the machine has one. */
  readonly monitors: Map<number, HartMonitor>;
  /** All harts of the machine: what the Microvisor on one asks of the Microvisor on another. */
  readonly calls: HartGroup;
}

/** Node time in ticks of the time base. */
export const ticksNow = (hart: MachineModeHart): number => Number(hart.time());

/** A timer register as ticks; one that never fires is Infinity. */
export const ticksOf = (timer: bigint): number => {
  const ticks = BigInt.asUintN(64, timer);
  return ticks > BigInt(Number.MAX_SAFE_INTEGER) ? Number.POSITIVE_INFINITY : Number(ticks);
};

export const aliveGuests = (node: Virtualized): readonly Guest[] =>
  [...node.guests.values()].filter((guest) => guest.isAlive);

/** What guests have of a hart of the machine and may run there, side by side. */
export function aliveHarts(node: Virtualized, hartId: number): readonly VirtualHart[] {
  const alive: VirtualHart[] = [];
  for (const guest of node.guests.values()) {
    const hart = guest.harts.get(hartId);
    if (hart?.isAlive === true) alive.push(hart);
  }
  return alive;
}

/** What a guest has of a hart. @throws Error when it has nothing of it */
export function hartOf({ guests }: Virtualized, side: Side, hartId: number): VirtualHart {
  const virtual = guests.get(side)?.harts.get(hartId);
  if (virtual === undefined) throw new Error(`guest ${side} has no hart ${hartId}`);
  return virtual;
}

export function monitorOf(node: Virtualized, hartId: number): HartMonitor {
  const monitor = node.monitors.get(hartId);
  if (monitor === undefined) throw new Error(`hart ${hartId} has no monitor`);
  return monitor;
}
