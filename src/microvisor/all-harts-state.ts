/** What M-mode owns of all harts of a machine, each captured by itself; the leader captures what they share as well. */
import type { MemoryMap, Side } from '../machine/index.ts';
import { expectedBareState } from './bare-expectation.ts';
import { captureHartState, captureMachineState, type MachineState } from './machine-state.ts';
import type { MeteredHart } from './metered-hart.ts';

export type HartStates = ReadonlyMap<number, MachineState>;

export const captureAt = (hart: MeteredHart, leader: MeteredHart): MachineState =>
  hart === leader ? captureMachineState(hart) : captureHartState(hart);

/** `captured`, with everything the firmware sets for the OS of `side` put in its place. */
export function bareStates(captured: HartStates, map: MemoryMap, side: Side): HartStates {
  const hartIds = [...captured.keys()];
  return new Map([...captured].map(([id, state]) => [id, expectedBareState(state, map, side, hartIds)]));
}

/** One state of all: names of harts but the first tell the hart, as `hart2.mtvec`. */
export function oneState(states: HartStates): MachineState {
  const all = new Map<string, bigint>();
  for (const [id, state] of states) {
    for (const [name, value] of state) all.set(id === 0 ? name : `hart${id}.${name}`, value);
  }
  return all;
}
