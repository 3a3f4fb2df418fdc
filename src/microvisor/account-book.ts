/**
 * What each side has used under the Microvisor since the machine was switched on, whichever guests had it: the account that
 * outlives guests and virtualizations. It is kept in M-mode's memory, where the board's service processor can read it
 * without stopping a hart.
 */
import { SIDES, type Side, TIMING } from '../machine/index.ts';
import type { GuestAccount } from './guest-account.ts';

/** Only ever grows. Times of all harts together, in ns of node time. */
export interface SideAccount {
  /** Entries into M-mode by cause. */
  readonly exits: Readonly<Record<string, number>>;
  readonly ranNs: number;
  readonly idleNs: number;
  /** Could have run and did not. */
  readonly heldNs: number;
  /** M-mode work at its exits. */
  readonly monitorNs: number;
  readonly switchesIn: number;
}

/** Time since M-mode was last entered on a hart: not yet in any account. */
export interface OpenStretch {
  readonly side: Side;
  readonly as: 'ranTicks' | 'idleTicks' | 'heldTicks';
  readonly ticks: number;
}

/** Worst time from an interrupt that ends a wait to the guest running, in ticks. */
export interface WorstWakes {
  readonly bySide: Readonly<Record<Side, number>>;
  readonly production: number;
}

const NOTHING: SideAccount = { exits: {}, ranNs: 0, idleNs: 0, heldNs: 0, monitorNs: 0, switchesIn: 0 };

const NO_WAKES: WorstWakes = { bySide: { A: 0, B: 0 }, production: 0 };

export class AccountBook {
  readonly #past: Record<Side, SideAccount>;
  /** Since they were last taken. */
  readonly #worstWakeTicks: Record<Side, number>;
  #worstProductionWakeTicks: number;

  constructor(past: Readonly<Record<Side, SideAccount>> = { A: NOTHING, B: NOTHING }, wakes = NO_WAKES) {
    this.#past = { ...past };
    this.#worstWakeTicks = { ...wakes.bySide };
    this.#worstProductionWakeTicks = wakes.production;
  }

  /** What it had without the guests there are. */
  get past(): Readonly<Record<Side, SideAccount>> {
    return this.#past;
  }

  get worstWakes(): WorstWakes {
    return { bySide: { ...this.#worstWakeTicks }, production: this.#worstProductionWakeTicks };
  }

  /** A guest has gone, or the Microvisor from under it. */
  close(side: Side, account: GuestAccount): void {
    this.#past[side] = sum(this.#past[side], ofAccount(account));
  }

  /** `live`: the guests there are. */
  total(side: Side, live: GuestAccount | undefined, open: readonly OpenStretch[]): SideAccount {
    const total = live === undefined ? this.#past[side] : sum(this.#past[side], ofAccount(live));
    const ns = (as: OpenStretch['as']): number =>
      open.reduce((all, each) => (each.side === side && each.as === as ? all + each.ticks : all), 0) * TIMING.nsPerTick;
    return {
      ...total,
      ranNs: total.ranNs + ns('ranTicks'),
      idleNs: total.idleNs + ns('idleTicks'),
      heldNs: total.heldNs + ns('heldTicks'),
    };
  }

  woke(side: Side, isProduction: boolean, ticks: number): void {
    this.#worstWakeTicks[side] = Math.max(this.#worstWakeTicks[side], ticks);
    if (isProduction) this.#worstProductionWakeTicks = Math.max(this.#worstProductionWakeTicks, ticks);
  }

  /** Worst wake-up latencies since this was last asked, in ns. */
  takeWorstWakes(): { readonly bySide: Readonly<Record<Side, number>>; readonly production: number } {
    const { A, B } = this.#worstWakeTicks;
    const taken = {
      bySide: { A: A * TIMING.nsPerTick, B: B * TIMING.nsPerTick },
      production: this.#worstProductionWakeTicks * TIMING.nsPerTick,
    };
    for (const side of SIDES) this.#worstWakeTicks[side] = 0;
    this.#worstProductionWakeTicks = 0;
    return taken;
  }
}

const ofAccount = (account: GuestAccount): SideAccount => ({
  exits: account.exits,
  ranNs: account.ranTicks * TIMING.nsPerTick,
  idleNs: account.idleTicks * TIMING.nsPerTick,
  heldNs: account.heldTicks * TIMING.nsPerTick,
  monitorNs: account.monitorCycles * TIMING.nsPerInstruction,
  switchesIn: account.switchesIn,
});

function sum(one: SideAccount, other: SideAccount): SideAccount {
  const exits = { ...one.exits };
  for (const [cause, count] of Object.entries(other.exits)) exits[cause] = (exits[cause] ?? 0) + count;
  return {
    exits,
    ranNs: one.ranNs + other.ranNs,
    idleNs: one.idleNs + other.idleNs,
    heldNs: one.heldNs + other.heldNs,
    monitorNs: one.monitorNs + other.monitorNs,
    switchesIn: one.switchesIn + other.switchesIn,
  };
}
