/**
 * What virtualize does to a machine, as values with both directions. virtualize applies the list, devirtualize reverts
 * it backwards, and a failure half-way reverts what was done, latest first. One hart does all of them, any further one those
 * that are a hart's own.
 */
import type { MachineModeHart, Side } from '../../machine/index.ts';
import type { MachineState } from '../machine-state.ts';
import { hex, type Partition } from '../partition.ts';
import { Refusal } from '../refusal.ts';

export interface StepContext {
  readonly hart: MachineModeHart;
  /** The guest that runs on the hart. */
  readonly side: Side;
  readonly partition: Partition;
  /** What M-mode owns in a bare machine that runs `side`: what a revert leaves behind. */
  readonly bare: MachineState;
  /** What M-mode owned when the list was begun. Absent: unknown, because it was begun half-way. */
  readonly found?: MachineState;
  /** Address of the Microvisor. */
  readonly entry: number;
}

export interface ReversibleStep {
  readonly name: string;
  /** Whether each hart has to do it, or one for all. */
  readonly scope: 'hart' | 'board';
  apply(context: StepContext): void;
  revert(context: StepContext): void;
}

export const stepsOf = (steps: readonly ReversibleStep[], scope: ReversibleStep['scope']): readonly ReversibleStep[] =>
  steps.filter((step) => step.scope === scope);

/** Applies each step in order. @throws Refusal `step-failed`, with everything reverted. */
export function applySteps(steps: readonly ReversibleStep[], context: StepContext): void {
  const done: ReversibleStep[] = [];
  for (const step of steps) {
    done.push(step);
    try {
      step.apply(context);
    } catch (error) {
      const { found: _, ...halfWay } = context;
      revertSteps(done, halfWay);
      throw new Refusal('step-failed', `step '${step.name}': ${String(error)}; reverted`);
    }
  }
}

/** Reverts each step, last first. A step that was applied in part is reverted all the same. */
export function revertSteps(steps: readonly ReversibleStep[], context: StepContext): void {
  for (const step of steps.toReversed()) step.revert(context);
}

/** Writes a CSR and checks that it holds what was written. */
export function setCsrChecked(hart: MachineModeHart, address: number, value: bigint): void {
  hart.setCsr(address, value);
  const found = BigInt.asUintN(64, hart.csr(address));
  if (found !== BigInt.asUintN(64, value)) {
    throw new Error(`CSR ${hex(address)} holds ${hex(found)} after a write of ${hex(BigInt.asUintN(64, value))}`);
  }
}

/** Sets the bits of `mask` to those of `value`, and checks. */
export function setCsrBits(hart: MachineModeHart, address: number, mask: bigint, value: bigint): void {
  setCsrChecked(hart, address, (hart.csr(address) & ~mask) | (value & mask));
}

/** A value of the bare state. @throws Error when it was not captured */
export function bareValue({ bare }: StepContext, name: string): bigint {
  const value = bare.get(name);
  if (value === undefined) throw new Error(`the bare state has no ${name}`);
  return value;
}
