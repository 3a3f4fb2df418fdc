/**
 * What each guest of the run used under the Microvisor: samples at the borders of acts, differences between any two of
 * them. A side is named after the guest that the run made or found there.
 */
import type { GuestAccounting, GuestName } from '../engine/port.ts';
import { type NodeTimeNs, SIDES, type Side } from '../machine/index.ts';
import type { Microvisor, SideAccount } from '../microvisor/index.ts';

interface Sample {
  readonly atNs: NodeTimeNs;
  readonly totals: Readonly<Record<Side, SideAccount>>;
  /** Worst wake-up latencies since the sample before. */
  readonly wakes: ReturnType<Microvisor['takeWorstWakes']>;
}

export interface Accounting {
  readonly guests: { readonly [guest in GuestName]?: GuestAccounting };
  readonly productionWakeNsMax: number;
}

export class AccountLog {
  /** The image of it that is in charge. */
  readonly #microvisor: () => Microvisor;
  readonly #now: () => NodeTimeNs;
  readonly #nameOf: (side: Side) => GuestName | undefined;
  readonly #samples: Sample[] = [];

  constructor(microvisor: () => Microvisor, now: () => NodeTimeNs, nameOf: (side: Side) => GuestName | undefined) {
    this.#microvisor = microvisor;
    this.#now = now;
    this.#nameOf = nameOf;
  }

  mark(): void {
    const atNs = this.#now();
    const microvisor = this.#microvisor();
    const totals = { A: microvisor.account('A', atNs), B: microvisor.account('B', atNs) };
    this.#samples.push({ atNs, totals, wakes: microvisor.takeWorstWakes() });
  }

  /** Between the last sample at or before each end. */
  between(fromNs: NodeTimeNs, toNs: NodeTimeNs): Accounting {
    const first = this.#samples.findLastIndex(({ atNs }) => atNs <= fromNs);
    const last = this.#samples.findLastIndex(({ atNs }) => atNs <= toNs);
    const [from, to] = [this.#samples[first], this.#samples[last]];
    const within = this.#samples.slice(first + 1, last + 1);
    const guests: { [guest in GuestName]?: GuestAccounting } = {};
    for (const side of SIDES) {
      const name = this.#nameOf(side);
      if (name === undefined || to === undefined) continue;
      const used = difference(from?.totals[side], to.totals[side]);
      const wakeNsMax = Math.max(0, ...within.map(({ wakes }) => wakes.bySide[side]));
      if (used.ranNs + used.idleNs + used.heldNs > 0) guests[name] = { ...used, wakeNsMax };
    }
    return { guests, productionWakeNsMax: Math.max(0, ...within.map(({ wakes }) => wakes.production)) };
  }
}

function difference(from: SideAccount | undefined, to: SideAccount): Omit<GuestAccounting, 'wakeNsMax'> {
  const exits = Object.entries(to.exits)
    .map(([cause, count]): [string, number] => [cause, count - (from?.exits[cause] ?? 0)])
    .filter(([, count]) => count > 0);
  return {
    exits: Object.fromEntries(exits),
    ranNs: to.ranNs - (from?.ranNs ?? 0),
    idleNs: to.idleNs - (from?.idleNs ?? 0),
    heldNs: to.heldNs - (from?.heldNs ?? 0),
    monitorNs: to.monitorNs - (from?.monitorNs ?? 0),
    switchesIn: to.switchesIn - (from?.switchesIn ?? 0),
  };
}
