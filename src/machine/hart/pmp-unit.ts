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

export class PmpUnit {
  readonly #area: HartArea;
  #entries: PmpEntry[] = [];
  #intervals: readonly PmpInterval[] = [];
  #isStale = false;
  readonly #flattened = new Map<string, readonly PmpInterval[]>();

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

  /** As the registers are now. */
  get intervals(): readonly PmpInterval[] {
    this.synchronize();
    return this.#intervals;
  }

  /** Lets generated code see the registers; to be called before it runs. Forgets translations when they changed. */
  synchronize(): void {
    if (!this.#isStale) return;
    this.#isStale = false;
    this.#intervals = this.#flatten();
    const { memory, base } = this.#area;
    for (const [i, interval] of this.#intervals.entries()) {
      const at = base + STATE.pmp + i * PMP_INTERVAL_BYTES;
      memory.setBigUint64(at + PMP_INTERVAL.last, interval.last, true);
      memory.setInt32(at + PMP_INTERVAL.permissions, interval.permissions, true);
    }
    this.#area.flush();
  }

  #flatten(): readonly PmpInterval[] {
    const key = this.#entries.map(({ cfg, addr }) => `${cfg}:${addr.toString(36)}`).join();
    const known = this.#flattened.get(key);
    if (known !== undefined) return known;
    if (this.#flattened.size === FLATTENED_MAX) this.#flattened.clear();
    const flattened = flattenPmp(this.#entries);
    this.#flattened.set(key, flattened);
    return flattened;
  }
}
