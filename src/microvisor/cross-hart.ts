/** What M-mode on one hart has done on others: each does it in M-mode, called by its MSIP. */
import type { HartGroup, Waiting } from '../firmware/index.ts';
import type { MachineModeHart } from '../machine/index.ts';
import { monitorOf, type Virtualized } from './virtualized.ts';

export interface HartCalls {
  /** Carries the calls. */
  readonly group: HartGroup;
  /** Clears MSIP and does whatever others have asked of this hart. */
  serve(hart: MachineModeHart): Waiting<void>;
}

/** Among harts on which the firmware serves a bare OS. */
export const bareCalls = (group: HartGroup): HartCalls => ({
  group,
  *serve(hart) {
    for (const call of group.deliver(hart).calls) yield* call(hart);
  },
});

/** Among harts on which the Microvisor serves guests. */
export const virtualizedCalls = (node: Virtualized): HartCalls => ({
  group: node.calls,
  *serve(hart) {
    for (const guest of node.guests.values()) {
      const virtual = guest.harts.get(hart.hartId);
      if (virtual === undefined) continue;
      // The firmware's calls come by the group of the OS it has, which a guest that had the bare machine still uses.
      for (const call of monitorOf(node, hart.hartId).deliver(hart, virtual)) yield* call(hart);
    }
    for (const call of node.calls.deliver(hart).calls) yield* call(hart);
  },
});

/**
 * Has `work`, which must not throw, done on each of the harts, this one included, and waits until it is. Meanwhile this
 * hart serves what others ask of it, so that two of them can wait for each other.
 */
export function* onHarts(
  calls: HartCalls,
  hart: MachineModeHart,
  targets: readonly number[],
  work: (each: MachineModeHart) => void,
): Waiting<void> {
  let outstanding = 0;
  // biome-ignore lint/correctness/useYield: a call may wait, this one does not.
  const call = function* (each: MachineModeHart): Waiting<void> {
    work(each);
    outstanding -= 1;
    calls.group.post(each, hart.hartId, { kind: 'wake' });
  };
  for (const target of targets) {
    if (target === hart.hartId) continue;
    outstanding += 1;
    calls.group.post(hart, target, { kind: 'call', call });
  }
  if (targets.includes(hart.hartId)) work(hart);
  while (outstanding > 0) {
    yield 'wfi';
    yield* calls.serve(hart);
  }
}
