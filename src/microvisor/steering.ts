import { PENDING, pendingAtMachineMode, STEER, type Steer, steer } from '../firmware/index.ts';
import { type MachineModeHart, SIDES, type Side } from '../machine/index.ts';

export type SteerState = Readonly<Record<Side, Steer>>;

/** Where the interrupts of each side's PLIC go on a hart. Registers are written only when they change. */
export class Steering {
  readonly #to: Record<Side, Steer>;

  constructor(to: SteerState) {
    this.#to = { ...to };
  }

  /** As the steps of virtualize leave it: the side that runs to its OS, the other nowhere. */
  static afterVirtualize(running: Side): SteerState {
    return { A: STEER.off, B: STEER.off, [running]: STEER.seip };
  }

  get state(): SteerState {
    return { ...this.#to };
  }

  set(hart: MachineModeHart, side: Side, to: Steer): void {
    if (this.#to[side] === to) return;
    this.#to[side] = to;
    steer(hart, side, hart.hartId, to);
  }

  /** What the steering registers hold for this hart. */
  words(hartId: number): Readonly<Record<Side, bigint>> {
    const word = (side: Side): bigint => BigInt(this.#to[side]) << BigInt(2 * hartId);
    return { A: word('A'), B: word('B') };
  }

  /** Sides whose PLIC asserts an interrupt, of those steered to M-mode. */
  asserted(hart: MachineModeHart): readonly Side[] {
    if (SIDES.every((side) => this.#to[side] !== STEER.meip)) return [];
    const pending = pendingAtMachineMode(hart);
    return SIDES.filter((side) => this.#to[side] === STEER.meip && (pending & PENDING[side]) !== 0);
  }
}
