/**
 * The TLBs of a hart, seen from TypeScript. Generated code fills them (translation.ts); here they are chosen and emptied.
 *
 * What was translated with one content of satp (ASID and root table) and one of the PMP is a *context*. A write to satp or
 * to the PMP chooses another one, so that what was translated before is there again when the same content comes back. A
 * page that is global is translated once in each context. Source: [Priv] "Supervisor Memory-Management Fence Instruction".
 */
import type { HartArea } from './hart-area.ts';
import {
  AREA,
  DATA_BANK_BYTES,
  DATA_ENTRY,
  DATA_ENTRY_SHIFT,
  dataBankOffset,
  FETCH_BANK_BYTES,
  FETCH_ENTRY,
  FETCH_ENTRY_SHIFT,
  fetchBankOffset,
  invalidTag,
  PAGE_SHIFT,
  SUPERPAGE_MARKS_PER_HALF,
  TLB_CLASSES,
  TLB_CONTEXT,
  TLB_CONTEXTS,
  TLB_ENTRIES,
} from './layout.ts';

const SATP_ASID_SHIFT = 44n;
const ASID_MASK = 0xffffn;
const MEGAPAGE_PAGES_SHIFT = 9;
const GIGAPAGE_PAGES_SHIFT = 18;

interface Context {
  /** Address in linear memory. */
  readonly at: number;
  satp: bigint;
  /** PmpUnit.contents; undefined while the context holds nothing. */
  pmp: number | undefined;
  usedLast: number;
}

export class Tlb {
  /** Times that translations were forgotten or others chosen. */
  changes = 0;
  readonly #area: HartArea;
  readonly #words: Int32Array;
  readonly #bytes: Uint8Array;
  /** The ones used so far. */
  readonly #contexts: Context[] = [];
  #current: Context;
  #uses = 0;

  constructor(area: HartArea) {
    this.#area = area;
    this.#words = new Int32Array(area.memory.buffer);
    this.#bytes = new Uint8Array(area.memory.buffer);
    this.#current = this.#addContext();
    area.setWord('tlbContext', this.#current.at);
  }

  dataBank(tlbClass: number): number {
    return this.#current.at + dataBankOffset(tlbClass);
  }

  fetchBank(tlbClass: number): number {
    return this.#current.at + fetchBankOffset(tlbClass);
  }

  /** What is translated from now on is translated with this satp, and with the PMP contents of that number. */
  choose(satp: bigint, pmp: number): void {
    this.changes += 1;
    this.#uses += 1;
    const { satp: satpNow, pmp: pmpNow } = this.#current;
    if (satp !== satpNow || pmp !== pmpNow) {
      this.#current = this.#contexts.find((each) => each.pmp === pmp && each.satp === satp) ?? this.#take(satp, pmp);
      this.#area.setWord('tlbContext', this.#current.at);
    }
    this.#current.usedLast = this.#uses;
  }

  #take(satp: bigint, pmp: number): Context {
    const isFull = this.#contexts.length === TLB_CONTEXTS;
    const context = isFull ? this.#contexts.reduce((a, b) => (b.usedLast < a.usedLast ? b : a)) : this.#addContext();
    this.#flush(context);
    context.satp = satp;
    context.pmp = pmp;
    return context;
  }

  #addContext(): Context {
    const at = this.#area.base + AREA.tlbContexts + this.#contexts.length * TLB_CONTEXT.bytes;
    for (let i = 0; i < TLB_CLASSES * TLB_ENTRIES; i++) {
      this.#invalidateData(at, at + TLB_CONTEXT.dataBanks + (i << DATA_ENTRY_SHIFT));
      this.#invalidateFetch(at, at + TLB_CONTEXT.fetchBanks + (i << FETCH_ENTRY_SHIFT));
    }
    const context = { at, satp: 0n, pmp: undefined, usedLast: 0 };
    this.#contexts.push(context);
    return context;
  }

  // ---------------------------------------------------------------------------------------------------------- fences

  /**
   * `sfence.vma`: for one address or all (undefined), in one address space or all. Global pages of the address space go,
   * too, where they need not.
   */
  fence(address: bigint | undefined, asid: bigint | undefined): void {
    this.changes += 1;
    for (const context of this.#contexts) {
      if (asid !== undefined && ((context.satp >> SATP_ASID_SHIFT) & ASID_MASK) !== (asid & ASID_MASK)) continue;
      if (address === undefined) this.#flush(context);
      else this.#fenceAddress(context, address);
    }
  }

  #fenceAddress(context: Context, address: bigint): void {
    // Bits 43 to 12: the sign of an address that can be mapped is among them.
    const page = Number(BigInt.asUintN(32, address >> BigInt(PAGE_SHIFT)));
    if (this.#hasSuperpage(context, page)) {
      this.#flush(context);
      return;
    }
    const words = this.#words;
    const low = page << PAGE_SHIFT;
    const before = (low - 1) | 0;
    const index = page & (TLB_ENTRIES - 1);
    let data = context.at + TLB_CONTEXT.dataBanks + (index << DATA_ENTRY_SHIFT);
    let fetch = context.at + TLB_CONTEXT.fetchBanks + (index << FETCH_ENTRY_SHIFT);
    for (let tlbClass = 0; tlbClass < TLB_CLASSES; tlbClass++) {
      const loads = words[(data + DATA_ENTRY.loadTag) >> 2];
      const stores = words[(data + DATA_ENTRY.storeTag) >> 2];
      if (loads === before || stores === before) this.#invalidateData(context.at, data);
      if (words[(fetch + FETCH_ENTRY.tag) >> 2] === low) this.#invalidateFetch(context.at, fetch);
      data += DATA_BANK_BYTES;
      fetch += FETCH_BANK_BYTES;
    }
  }

  /** Whether the page may lie in a superpage that was translated. */
  #hasSuperpage(context: Context, page: number): boolean {
    const half = context.at + TLB_CONTEXT.superpages + (page >>> 31) * SUPERPAGE_MARKS_PER_HALF;
    const marks = SUPERPAGE_MARKS_PER_HALF - 1;
    return (
      this.#bytes[half + ((page >>> MEGAPAGE_PAGES_SHIFT) & marks)] !== 0 ||
      this.#bytes[half + ((page >>> GIGAPAGE_PAGES_SHIFT) & marks)] !== 0
    );
  }

  /** Forgets everything. */
  flushAll(): void {
    this.changes += 1;
    for (const context of this.#contexts) this.#flush(context);
  }

  /** Forgets what was filled since the last flush, which is everything. */
  #flush({ at }: Context): void {
    const words = this.#words;
    const data = words[(at + TLB_CONTEXT.dataLogCount) >> 2] ?? 0;
    const fetch = words[(at + TLB_CONTEXT.fetchLogCount) >> 2] ?? 0;
    const dataLog = (at + TLB_CONTEXT.dataLog) >> 2;
    const fetchLog = (at + TLB_CONTEXT.fetchLog) >> 2;
    for (let i = 0; i < data; i++) {
      const entry = words[dataLog + i] ?? 0;
      this.#invalidateData(at, entry);
      words[(entry + DATA_ENTRY.logged) >> 2] = 0;
    }
    for (let i = 0; i < fetch; i++) {
      const entry = words[fetchLog + i] ?? 0;
      this.#invalidateFetch(at, entry);
      words[(entry + FETCH_ENTRY.logged) >> 2] = 0;
    }
    words[(at + TLB_CONTEXT.dataLogCount) >> 2] = 0;
    words[(at + TLB_CONTEXT.fetchLogCount) >> 2] = 0;
    this.#bytes.fill(0, at + TLB_CONTEXT.superpages, at + TLB_CONTEXT.superpages + 2 * SUPERPAGE_MARKS_PER_HALF);
  }

  /** Stores to the page at this linear address go the slow path from now on. */
  forbidStores(page: number): void {
    const words = this.#words;
    for (const { at } of this.#contexts) {
      const filled = words[(at + TLB_CONTEXT.dataLogCount) >> 2] ?? 0;
      const log = (at + TLB_CONTEXT.dataLog) >> 2;
      for (let i = 0; i < filled; i++) {
        const entry = words[log + i] ?? 0;
        if (words[(entry + DATA_ENTRY.memory) >> 2] !== ((page - 1) | 0)) continue;
        words[(entry + DATA_ENTRY.storeTag) >> 2] = invalidTag(dataIndex(at, entry)) - 1;
        words[(entry + DATA_ENTRY.storeTag + 4) >> 2] = 0;
      }
    }
  }

  #invalidateData(context: number, entry: number): void {
    const words = this.#words;
    const tag = invalidTag(dataIndex(context, entry)) - 1;
    words[(entry + DATA_ENTRY.loadTag) >> 2] = tag;
    words[(entry + DATA_ENTRY.loadTag + 4) >> 2] = 0;
    words[(entry + DATA_ENTRY.storeTag) >> 2] = tag;
    words[(entry + DATA_ENTRY.storeTag + 4) >> 2] = 0;
  }

  #invalidateFetch(context: number, entry: number): void {
    const index = ((entry - context - TLB_CONTEXT.fetchBanks) >> FETCH_ENTRY_SHIFT) & (TLB_ENTRIES - 1);
    this.#words[(entry + FETCH_ENTRY.tag) >> 2] = invalidTag(index);
    this.#words[(entry + FETCH_ENTRY.tag + 4) >> 2] = 0;
  }
}

/** Place of a data entry in its bank. */
const dataIndex = (context: number, entry: number): number =>
  ((entry - context - TLB_CONTEXT.dataBanks) >> DATA_ENTRY_SHIFT) & (TLB_ENTRIES - 1);
