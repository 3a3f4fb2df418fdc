/** The end of what a guest runs. */
import type { Waiting } from '../firmware/index.ts';
import { abandonBoot } from './boot.ts';
import { onHarts, virtualizedCalls } from './cross-hart.ts';
import type { Guest } from './guest.ts';
import type { MeteredHart } from './metered-hart.ts';
import { quiesceDevices } from './quiesce.ts';
import { monitorOf, type Virtualized } from './virtualized.ts';

/** Takes a guest out of all its harts; its devices are as out of reset. It is off afterwards. */
export function* stopGuest(node: Virtualized, hart: MeteredHart, guest: Guest): Waiting<void> {
  abandonBoot(guest);
  guest.phase = { kind: 'stopping' };
  yield* onHarts(virtualizedCalls(node), hart, [...guest.harts.keys()], (each) =>
    monitorOf(node, each.hartId).drop(each, guest),
  );
  quiesceDevices(hart, node.partition, guest.side, [...node.monitors.keys()]);
  guest.phase = { kind: 'off' };
  for (const id of guest.harts.keys()) guest.sbi.harts.resetHart(id);
}
