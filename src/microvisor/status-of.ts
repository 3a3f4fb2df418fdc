import { type Side, TIMING } from '../machine/index.ts';
import type { Guest } from './guest.ts';
import type { StateDifference } from './machine-state.ts';
import type { Partition } from './partition.ts';
import { DEFAULT_SHARE, type SharePolicy } from './share.ts';
import { resumePoint } from './sleep.ts';
import type { GuestStatus, MicrovisorStatus } from './status.ts';
import type { Virtualized } from './virtualized.ts';

const ns = (ticks: number): number => ticks * TIMING.nsPerTick;

const shareStatus = ({ percent, sliceTicks }: SharePolicy): MicrovisorStatus['share'] => ({
  maintenancePercent: percent,
  sliceUs: ns(sliceTicks) / 1000,
});

export function virtualizedStatus(release: string, node: Virtualized): MicrovisorStatus {
  const guests = [...node.guests].map(([side, guest]) => [side, guestStatus(guest)] as const);
  return {
    state: 'virtualized',
    release,
    production: node.production,
    guests: Object.fromEntries(guests),
    share: shareStatus(node.share),
    memory: node.partition.memory,
    slots: node.partition.slots,
    harts: [...node.monitors.keys()]
      .toSorted()
      .map((id) => guests.filter(([, { harts }]) => harts.includes(id)).map(([side]) => side)),
    stateIdentical: null,
    differences: [],
  };
}

export function bareStatus(
  release: string,
  side: Side,
  hartIds: readonly number[],
  partition: Partition,
  differences: readonly StateDifference[],
): MicrovisorStatus {
  return {
    state: 'bare',
    release,
    production: side,
    guests: {},
    share: shareStatus(DEFAULT_SHARE),
    memory: partition.memory,
    slots: partition.slots,
    harts: hartIds.map(() => [side]),
    stateIdentical: differences.length === 0,
    differences,
  };
}

function guestStatus({ phase, account, boots, bootError, harts, sbi }: Guest): GuestStatus {
  return {
    state: phase.kind,
    ...(phase.kind === 'asleep' ? { resume: resumePoint(phase.resume) } : {}),
    harts: [...harts.keys()].toSorted(),
    hartsOnline: sbi.harts.started(),
    boots,
    bootError: bootError ?? null,
    exits: account.exits,
    ranNs: ns(account.ranTicks),
    instructions: account.instructions,
    idleNs: ns(account.idleTicks),
    heldNs: ns(account.heldTicks),
    monitorCycles: account.monitorCycles,
    switchesIn: account.switchesIn,
    pauseNs: ns(account.longestPauseTicks),
  };
}
