/** The PMP registers of a hart and what generated code checks against. */
import type { HartArea } from './hart-area.ts';
import { PMP_INTERVAL, PMP_INTERVAL_BYTES, STATE } from './layout.ts';
import {
  flattenPmp,
  PMP_ADDRESS_MATCHING,
  PMP_CFG,
  PMP_ENTRIES,
  PMPADDR_MASK,
  type PmpEntry,
  type PmpInterval,
} from './pmp.ts';

/** Flattened register contents that are kept: software that runs several guests comes back to the same few. */
const FLATTENED_MAX = 16;

interface Flattened {
  readonly contents: number;
  readonly entries: readonly PmpEntry[];
  readonly intervals: readonly PmpInterval[];
}

export class PmpUnit {
  readonly #area: HartArea;
  #entries: PmpEntry[] = [];
  #isStale = false;
  #flattened: Flattened = { contents: 0, entries: [], intervals: [] };
  #flattenedCount = 0;
  readonly #known: Flattened[] = [];

  constructor(area: HartArea) {
    this.#area = area;
  }

  get entries(): readonly PmpEntry[] {
    return this.#entries;
  }

  /** All registers at once, locks or not: reset and snapshots. */
  replace(entries: readonly PmpEntry[]): void {
    this.#entries = Array.from({ length: PMP_ENTRIES }, (_, i) => entries[i] ?? { cfg: 0, addr: 0n });
    this.#isStale = true;
  }

  config(index: number): number {
    return this.#entries[index]?.cfg ?? 0;
  }

  setConfig(index: number, value: number): void {
    const entry = this.#entries[index];
    if (entry === undefined || entry.cfg & PMP_CFG.L) return;
    let cfg = value & (PMP_CFG.R | PMP_CFG.W | PMP_CFG.X | PMP_CFG.A | PMP_CFG.L);
    // "The combination R=0 and W=1 is reserved."
    if ((cfg & (PMP_CFG.R | PMP_CFG.W)) === PMP_CFG.W) cfg &= ~PMP_CFG.W;
    this.#set(index, entry, { ...entry, cfg });
  }

  address(index: number): bigint {
    return this.#entries[index]?.addr ?? 0n;
  }

  setAddress(index: number, value: bigint): void {
    const entry = this.#entries[index];
    const above = this.#entries[index + 1];
    if (entry === undefined || entry.cfg & PMP_CFG.L) return;
    // "if pmpcfg(i+1).A is set to TOR" and locked, "writes to pmpaddr i are ignored".
    if (above !== undefined && above.cfg & PMP_CFG.L && (above.cfg & PMP_CFG.A) === PMP_ADDRESS_MATCHING.TOR) return;
    this.#set(index, entry, { ...entry, addr: value & PMPADDR_MASK });
  }

  #set(index: number, old: PmpEntry, entry: PmpEntry): void {
    if (entry.cfg === old.cfg && entry.addr === old.addr) return;
    this.#entries[index] = entry;
    this.#isStale = true;
  }

  /** As the registers were at the last `synchronize`. */
  get intervals(): readonly PmpInterval[] {
    return this.#flattened.intervals;
  }

  /** Number of the present contents: the same again when the registers are what they were before. */
  get contents(): number {
    return this.#flattened.contents;
  }

  /** Lets generated code see the registers; to be called before it runs. True when they are not what they were. */
  synchronize(): boolean {
    if (!this.#isStale) return false;
    this.#isStale = false;
    const before = this.#flattened;
    this.#flattened = this.#flatten();
    if (this.#flattened === before) return false;
    const { memory, base } = this.#area;
    for (const [i, interval] of this.#flattened.intervals.entries()) {
      const at = base + STATE.pmp + i * PMP_INTERVAL_BYTES;
      memory.setBigUint64(at + PMP_INTERVAL.last, interval.last, true);
      memory.setInt32(at + PMP_INTERVAL.permissions, interval.permissions, true);
    }
    return true;
  }

  #flatten(): Flattened {
    const known = this.#known.find(({ entries }) => areSame(entries, this.#entries));
    if (known !== undefined) return known;
    if (this.#known.length === FLATTENED_MAX) this.#known.length = 0;
    this.#flattenedCount += 1;
    const flattened = {
      contents: this.#flattenedCount,
      entries: [...this.#entries],
      intervals: flattenPmp(this.#entries),
    };
    this.#known.push(flattened);
    return flattened;
  }
}

const areSame = (a: readonly PmpEntry[], b: readonly PmpEntry[]): boolean =>
  a.every(({ cfg, addr }, i) => cfg === b[i]?.cfg && addr === b[i]?.addr);
