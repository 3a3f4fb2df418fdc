/** All the Microvisor knows of a node while it is virtualized. What is true of one hart is in hart-monitor.ts. */

import type { BoardRom } from '../firmware/boot/load-os.ts';
import type { MachineModeHart, Side } from '../machine/index.ts';
import type { Guest } from './guest.ts';
import type { Partition } from './partition.ts';
import type { Share } from './share.ts';

export interface Virtualized {
  partition: Partition;
  readonly guests: Map<Side, Guest>;
  production: Side;
  readonly share: Share;
  readonly rom: BoardRom;
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
