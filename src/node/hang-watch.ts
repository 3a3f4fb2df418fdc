/**
 * Looks after the guest that goes first on the hart while something is done on the node. One that hangs in a loop leaves the
 * other one, which is to take over from it, next to nothing, and nobody asks it for anything meanwhile. One that serves waits
 * for an interrupt between two requests. Looking reads the Microvisor's account only: it costs no guest any time.
 */
import { type Scheduler, SIDES, type Side } from '../machine/index.ts';
import { otherSide, type SideAccount } from '../microvisor/index.ts';

export const LOOK_NS = 100_000_000;

export interface HangWatchOptions {
  readonly clock: Scheduler;
  readonly account: (side: Side) => SideAccount;
  /** The guest of the side kept the hart from the other one between two looks, and never waited; called inside the run. */
  readonly onSuspicion: (side: Side) => void;
}

type Accounts = Readonly<Record<Side, SideAccount>>;

export class HangWatch {
  readonly #options: HangWatchOptions;
  #watchers = 0;
  #last: Accounts | undefined;
  #cancel: () => void = () => {};

  constructor(options: HangWatchOptions) {
    this.#options = options;
  }

  /** Looks on while `work` is under way. */
  async during<T>(work: () => Promise<T>): Promise<T> {
    if (this.#watchers++ === 0) this.#lookLater();
    try {
      return await work();
    } finally {
      if (--this.#watchers === 0) this.#cancel();
    }
  }

  #accounts(): Accounts {
    return { A: this.#options.account('A'), B: this.#options.account('B') };
  }

  #lookLater(): void {
    const { clock } = this.#options;
    this.#last = this.#accounts();
    this.#cancel = clock.at(clock.now() + LOOK_NS, () => this.#look());
  }

  #look(): void {
    const last = this.#last;
    const now = this.#accounts();
    this.#lookLater();
    if (last === undefined) return;
    for (const side of SIDES) {
      const other = otherSide(side);
      const neverWaits = now[side].idleNs === last[side].idleNs && now[side].ranNs > last[side].ranNs;
      const keepsOther = now[other].heldNs - last[other].heldNs > LOOK_NS / 2;
      if (neverWaits && keepsOther) this.#options.onSuspicion(side);
    }
  }
}
