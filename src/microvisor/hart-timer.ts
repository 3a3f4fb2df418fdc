import type { MachineModeHart } from '../machine/index.ts';
import { mtimecmpRegister } from './machine-state.ts';

export const TIMER_OFF = 0xffff_ffff_ffff_ffffn;

/** The M-mode timer of a hart: fires when something else than the running guest has to be looked at. */
export class HartTimer {
  #ticks: number;

  constructor(ticks: number) {
    this.#ticks = ticks;
  }

  get ticks(): number {
    return this.#ticks;
  }

  /** Infinity: never. Written only when it changes. */
  arm(hart: MachineModeHart, ticks: number): void {
    if (ticks === this.#ticks) return;
    this.#ticks = ticks;
    hart.store(mtimecmpRegister(hart.hartId), 8, this.mtimecmp);
  }

  get mtimecmp(): bigint {
    return Number.isFinite(this.#ticks) ? BigInt(Math.ceil(this.#ticks)) : TIMER_OFF;
  }
}
