/** Which guest gets the hart: production first, the other what is left and what it is owed. Decides, changes nothing else. */
import type { Side } from '../machine/index.ts';
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
  if (!runnable[maintenance]) {
    share.endSlice();
    return runnable[production] ? { run: production, untilTicks: Number.POSITIVE_INFINITY } : { run: null };
  }
  if (!runnable[production]) return { run: maintenance, untilTicks: Number.POSITIVE_INFINITY };
  const sliceEnd = share.sliceEnd(nowTicks);
  return sliceEnd === undefined
    ? { run: production, untilTicks: share.nextSlice(nowTicks) }
    : { run: maintenance, untilTicks: sliceEnd };
}
