/**
 * Guest RAM in one `WebAssembly.Memory`, together with the harts' areas and predecoded code (see hart/layout.ts).
 *
 * Invariant: a page with predecoded records is written by `write`, `written`, or a hart's slow store path only; each
 * drops the records of the halfwords it touches.
 */
import type { PhysicalMemory } from './door.ts';
import {
  AREA,
  HARTS_MAX,
  PAGE_BYTES,
  PAGE_FOOTER,
  PAGE_RECORDS_BYTES,
  PAGE_SHIFT,
  RECORD_BYTES,
} from './hart/layout.ts';

const WASM_PAGE_BYTES = 0x1_0000;
const WASM_PAGES_MAX = 0x1_0000;
/**
 * Pages of guest code that are kept predecoded: 64 MiB of code. An OS executes about 15 MiB from its start until it serves;
 * when there is no room all are given up, translations included, which takes seconds to make up for.
 */
const CODE_PAGES_MAX = 0x4000;
/** With more RAM there is room for less. */
const CODE_PAGES_MIN = 0x400;

const alignUp = (value: number, to: number): number => Math.ceil(value / to) * to;

/** Told when pages begin or cease to hold predecoded code. */
export interface CodePageListener {
  /** Stores to the page at `memoryAddress` must take the slow path from now on. */
  codePageAdded(memoryAddress: number): void;
  /** Records may be given up: nothing may refer to any of them any more. */
  codePagesDropped(): void;
}

/** Told of code that changes while there are translations of it. */
export interface TranslationListener {
  /** Code of a page with translations (`PAGE_FOOTER.regions`) is about to change or to be given up. */
  codeWritten(records: number): void;
  allDropped(): void;
}

export class GuestMemory implements PhysicalMemory {
  readonly base: number;
  readonly bytes: number;
  readonly wasm: WebAssembly.Memory;
  /** Address of RAM in linear memory, and of the table of i32 record addresses by page. */
  readonly ramOffset: number;
  readonly pageRecordsOffset: number;
  translations: TranslationListener | undefined;
  readonly #poolOffset: number;
  readonly #u8: Uint8Array;
  readonly #pageRecords: Int32Array;
  readonly #words: Int32Array;
  readonly #poolPages: number;
  #poolUsed = 0;
  /** Most that were ever used: what lies behind is still zero. */
  #poolUsedMax = 0;
  readonly #freed: number[] = [];
  readonly #listeners: CodePageListener[] = [];
  #pageEndOp = 0;

  constructor(base: number, bytes: number) {
    if (base % PAGE_BYTES !== 0 || bytes % PAGE_BYTES !== 0 || bytes <= 0) {
      throw new RangeError(`RAM is whole pages, not ${bytes} bytes at 0x${base.toString(16)}`);
    }
    this.base = base;
    this.bytes = bytes;
    const pages = bytes / PAGE_BYTES;
    this.pageRecordsOffset = HARTS_MAX * AREA.bytes;
    this.#poolOffset = alignUp(this.pageRecordsOffset + pages * 4, PAGE_BYTES);
    const poolBytesMax = WASM_PAGES_MAX * WASM_PAGE_BYTES - WASM_PAGE_BYTES - this.#poolOffset - bytes;
    this.#poolPages = Math.min(CODE_PAGES_MAX, Math.floor(poolBytesMax / PAGE_RECORDS_BYTES));
    this.ramOffset = alignUp(this.#poolOffset + this.#poolPages * PAGE_RECORDS_BYTES, WASM_PAGE_BYTES);
    const wasmPages = alignUp(this.ramOffset + bytes, WASM_PAGE_BYTES) / WASM_PAGE_BYTES;
    if (this.#poolPages < CODE_PAGES_MIN) {
      throw new RangeError(`${bytes} bytes of RAM: with the harts' own it must stay below 4 GiB`);
    }
    this.wasm = new WebAssembly.Memory({ initial: wasmPages });
    this.#u8 = new Uint8Array(this.wasm.buffer);
    this.#words = new Int32Array(this.wasm.buffer);
    this.#pageRecords = new Int32Array(this.wasm.buffer, this.pageRecordsOffset, pages);
  }

  contains(address: number, bytes: number): boolean {
    return address >= this.base && address - this.base + bytes <= this.bytes;
  }

  view(address: number, bytes: number): Uint8Array {
    this.#assertContains(address, bytes);
    const start = this.toLinear(address);
    return this.#u8.subarray(start, start + bytes);
  }

  write(address: number, bytes: Uint8Array): void {
    this.#assertContains(address, bytes.length);
    this.#u8.set(bytes, this.toLinear(address));
    this.written(address, bytes.length);
  }

  /** Drops what was predecoded from a range of RAM. */
  written(address: number, bytes: number): void {
    let from = address - this.base;
    const end = from + bytes;
    while (from < end) {
      const page = from >>> PAGE_SHIFT;
      const pageEnd = Math.min((page + 1) * PAGE_BYTES, end);
      const records = this.#pageRecords[page] ?? 0;
      if (records !== 0) {
        this.#translationsWritten(records);
        // An instruction of four bytes begins a halfword earlier.
        const first = Math.max((from & (PAGE_BYTES - 1)) - 2, 0) >>> 1;
        const last = (pageEnd - 1 - page * PAGE_BYTES) >>> 1;
        this.#u8.fill(0, records + first * RECORD_BYTES, records + (last + 1) * RECORD_BYTES);
      }
      from = pageEnd;
    }
  }

  // ------------------------------------------------------------------------------------- for the harts of the machine

  /** Address in linear memory. */
  toLinear(address: number): number {
    return address - this.base + this.ramOffset;
  }

  /** Address of a hart's area in linear memory; `pageEndOp` is the record op that leaves a page. */
  addHart(hartId: number, pageEndOp: number, listener: CodePageListener): number {
    if (hartId >= HARTS_MAX) throw new RangeError(`hart ${hartId}: at most ${HARTS_MAX} harts`);
    this.#pageEndOp = pageEndOp;
    this.#listeners.push(listener);
    return hartId * AREA.bytes;
  }

  /** Records of the page at a linear address, made when there are none. */
  recordsOfPage(linear: number): number {
    const page = (linear - this.ramOffset) >>> PAGE_SHIFT;
    const known = this.#pageRecords[page] ?? 0;
    if (known !== 0) return known;
    const records = this.#takeRecords();
    this.#u8[records + PAGE_FOOTER.end] = this.#pageEndOp;
    this.#u8[records + PAGE_FOOTER.crossingEnd] = this.#pageEndOp;
    const pageLinear = this.ramOffset + page * PAGE_BYTES;
    this.#words[(records + PAGE_FOOTER.page) >> 2] = pageLinear;
    this.#pageRecords[page] = records;
    for (const listener of this.#listeners) listener.codePageAdded(pageLinear);
    return records;
  }

  /** Records of the page at a physical address in RAM; 0 when it has none. */
  knownRecords(address: number): number {
    return this.#pageRecords[(address - this.base) >>> PAGE_SHIFT] ?? 0;
  }

  /** Address of the records that a record belongs to. */
  recordsContaining(record: number): number {
    const index = Math.floor((record - this.#poolOffset) / PAGE_RECORDS_BYTES);
    return this.#poolOffset + index * PAGE_RECORDS_BYTES;
  }

  /** Linear address of the page that records were made from. */
  pageOfRecords(records: number): number {
    return (this.#words[(records + PAGE_FOOTER.page) >> 2] ?? 0) >>> 0;
  }

  #translationsWritten(records: number): void {
    if (this.#words[(records + PAGE_FOOTER.regions) >> 2] !== 0) this.translations?.codeWritten(records);
  }

  /** Gives up the records of a page; the harts are told to forget them. They are not used again before `reclaim`. */
  dropRecords(records: number): void {
    this.#translationsWritten(records);
    const page = (this.pageOfRecords(records) - this.ramOffset) >>> PAGE_SHIFT;
    this.#pageRecords[page] = 0;
    this.#freed.push(records);
    for (const listener of this.#listeners) listener.codePagesDropped();
  }

  /** Gives up all records, for instance after RAM was replaced. */
  dropAllRecords(): void {
    this.translations?.allDropped();
    this.#pageRecords.fill(0);
    this.#poolUsed = 0;
    this.#freed.length = 0;
    for (const listener of this.#listeners) listener.codePagesDropped();
  }

  /** Room for the records of a page, all zero. */
  #takeRecords(): number {
    const freed = this.#freed.pop();
    if (freed === undefined && this.#poolUsed === this.#poolPages) this.dropAllRecords();
    const records = freed ?? this.#poolOffset + this.#poolUsed++ * PAGE_RECORDS_BYTES;
    const isFresh = this.#poolUsed > this.#poolUsedMax;
    if (isFresh) this.#poolUsedMax = this.#poolUsed;
    else this.#u8.fill(0, records, records + PAGE_RECORDS_BYTES);
    return records;
  }

  #assertContains(address: number, bytes: number): void {
    if (!this.contains(address, bytes)) {
      throw new RangeError(`${bytes} bytes at 0x${address.toString(16)} are not in RAM`);
    }
  }
}

/** RAM of `bytes` bytes from the physical address `base`, zero at first. */
export function createPhysicalMemory(base: number, bytes: number): GuestMemory {
  return new GuestMemory(base, bytes);
}
