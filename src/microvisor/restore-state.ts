import type { MachineModeHart } from '../machine/index.ts';
import { rangeKey, writeDmaState } from './dma-write.ts';
import { CAPTURED_CSRS, type MachineState, mtimecmpRegister, STEER_REGISTERS } from './machine-state.ts';

/**
 * Makes what M-mode owns what it was when it was captured, on the same hart: the way back from a change that failed
 * half-way. msip is left out: it is a message, and may be a new one.
 */
export function restoreMachineState(hart: MachineModeHart, state: MachineState): void {
  for (const { name, address, mask } of CAPTURED_CSRS) {
    const value = state.get(name);
    if (value !== undefined) hart.setCsr(address, (hart.csr(address) & ~mask) | value);
  }
  const timer = state.get('mtimecmp');
  if (timer !== undefined) hart.store(mtimecmpRegister(hart.hartId), 8, timer);
  for (const [name, register] of STEER_REGISTERS) {
    const value = state.get(name);
    if (value !== undefined) hart.store(register, 4, value);
  }
  if (state.has(rangeKey({ side: 'A', index: 0 }, 0, 'base'))) writeDmaState(hart, state);
  hart.fenceVma();
}
