import { type BareState, bareState } from '../firmware/index.ts';
import type { MemoryMap, Side } from '../machine/index.ts';
import { SIDES } from '../machine/index.ts';
import { ALL_SLOTS, setRanges } from './dma-write.ts';
import { CAPTURED_CSRS, type MachineState } from './machine-state.ts';

/**
 * What M-mode owns in a bare machine that runs `side`: `captured`, a capture of the same machine when it was bare, with
 * everything the firmware itself sets for that side put in its place. A capture of a hart alone gives a hart alone.
 */
export function expectedBareState(
  captured: MachineState,
  map: MemoryMap,
  side: Side,
  hartIds: readonly number[],
): MachineState {
  const bare = bareState(side, map);
  const expected = new Map(captured);
  for (const { name, address, mask } of CAPTURED_CSRS) {
    const set = bare.csrs.find((csr) => csr.address === address);
    if (set !== undefined) expected.set(name, ((captured.get(name) ?? 0n) & ~set.mask & mask) | (set.value & set.mask));
  }
  expected.set('mtimecmp', bare.mtimecmp);
  if (!captured.has('steer.A')) return expected;
  for (const to of SIDES) expected.set(`steer.${to}`, steerWord(bare, to, hartIds));
  for (const slot of ALL_SLOTS) setRanges(expected, slot, bare.dmaRanges);
  return expected;
}

const steerWord = (bare: BareState, side: Side, hartIds: readonly number[]): bigint =>
  hartIds.reduce((word, hartId) => word | (BigInt(bare.steer[side]) << BigInt(2 * hartId)), 0n);
