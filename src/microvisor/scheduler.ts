/** Which guest gets the hart: production first, the other what is left and what it is owed. Decides, changes nothing else. */
import { SIDES, type Side } from '../machine/index.ts';
import { otherSide } from './partition.ts';
import type { Share } from './share.ts';

export type Decision =
  /** `untilTicks`: when to decide again though nothing happens. */
  | { readonly run: Side; readonly untilTicks: number }
  /** Nobody can run. */
  | { readonly run: null };

export function decide(
  production: Side,
  runnable: Readonly<Record<Side, boolean>>,
  share: Share,
  nowTicks: number,
): Decision {
  const maintenance = otherSide(production);
  if (!(runnable[production] && runnable[maintenance])) {
    share.suspendSlice(nowTicks);
    const only = SIDES.find((side) => runnable[side]);
    return only === undefined ? { run: null } : { run: only, untilTicks: Number.POSITIVE_INFINITY };
  }
  const sliceEnd = share.sliceEnd(nowTicks);
  return sliceEnd === undefined
    ? { run: production, untilTicks: share.nextSlice(nowTicks) }
    : { run: maintenance, untilTicks: sliceEnd };
}
