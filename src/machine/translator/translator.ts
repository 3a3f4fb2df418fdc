/**
 * Turns pages of guest code into regions of WebAssembly, one module each, and forgets them when the code changes. One
 * translator serves all harts of a memory: the code is compiled once and instantiated for each hart.
 *
 * A region is keyed by physical pages: it knows no virtual address but the one it is entered with, so it survives
 * changes of address spaces. Its entries are marked in the records of its pages (op `translated`, entry words).
 */
import type { Translate } from '../door.ts';
import { ownOp } from '../hart/handlers.ts';
import { ENTRY, PAGE_BYTES, PAGE_FOOTER, RECORD } from '../hart/layout.ts';
import type { GuestMemory, TranslationListener } from '../memory.ts';
import { type CodePage, type CodeSource, type RegionCode, RegionScan } from './basic-blocks.ts';
import { generateRegion, REGION_EXPORT } from './region-module.ts';

const INSTRUCTIONS_PER_PAGE_MAX = 1200;
/** Code of other pages that a region takes in. */
const INSTRUCTIONS_ELSEWHERE_MAX = 300;
/** Regions of code that was not executed yet. */
const INSTRUCTIONS_AHEAD_MAX = 200;
/** Bounds what all regions together take; the oldest go first. */
const INSTRUCTIONS_MAX = 500_000;

const TRANSLATED = ownOp('translated');
const WASM_PAGE_BYTES = 0x1_0000;

/** What a hart brings along. */
export interface TranslatedHart {
  /** Functions of the regions, by index. */
  readonly regions: WebAssembly.Table;
  /** Address of the hart's area. */
  readonly area: WebAssembly.Global;
  /** As `Translation.refill` and `refillRange`. */
  readonly refill: unknown;
  readonly refillRange: unknown;
  /** Fills in a record. */
  decodeRecord(record: number): void;
}

interface Region {
  readonly index: number;
  readonly pages: readonly CodePage[];
  /** Halfwords of the first page whose instruction is in the region. */
  readonly covered: Uint8Array;
  readonly instructions: number;
  /** Addresses of the entries' records, and of their entry words. */
  readonly entries: readonly { readonly record: number; readonly word: number }[];
}

interface RegionPage {
  readonly region: Region;
  readonly page: number;
}

export class Translator implements TranslationListener {
  readonly #memory: GuestMemory;
  readonly #view: DataView;
  readonly #harts: TranslatedHart[] = [];
  /** By index, in the order they were made. */
  readonly #regions = new Map<number, Region>();
  /** By address of a page's records: the regions with code of it, and which of their pages it is. */
  readonly #regionsOf = new Map<number, readonly RegionPage[]>();
  readonly #freeIndexes: number[] = [];
  #indexesUsed = 1;
  #instructions = 0;
  #regionsMade = 0;
  #blocksMade = 0;

  constructor(memory: GuestMemory) {
    this.#memory = memory;
    this.#view = new DataView(memory.wasm.buffer);
    memory.translations = this;
  }

  /** Regions and basic blocks made so far, and the regions there are now; for benches and tests. */
  get counts(): { readonly regionsMade: number; readonly blocksMade: number; readonly regions: number } {
    return { regionsMade: this.#regionsMade, blocksMade: this.#blocksMade, regions: this.#regions.size };
  }

  addHart(hart: TranslatedHart): void {
    this.#harts.push(hart);
  }

  /**
   * Makes a region of what was executed of a page, and of what that calls in other pages. `pageAt` gives the records of
   * the page at a distance that may be taken in, 0 for none.
   */
  translatePage(records: number, pageAt: (distance: number) => number): void {
    const source = {
      ...this.#source(),
      pageAt: (base: number): CodePage | undefined => {
        const found = pageAt(base);
        return found === 0 ? undefined : { ...this.#pageOf(found), base };
      },
    };
    const scan = new RegionScan(source, INSTRUCTIONS_PER_PAGE_MAX);
    scan.addWholePage(scan.addPage(this.#pageOf(records)));
    scan.addElsewhere(INSTRUCTIONS_ELSEWHERE_MAX);
    this.#dropRegionsAt(records);
    this.#add(scan.finish());
  }

  /** Makes a region of what can be reached in a page from a record, whether it was executed or not. */
  translateFrom(record: number): void {
    const records = this.#memory.recordsContaining(record);
    const offset = (record - records) / 4;
    if (offset >= PAGE_BYTES) return;
    const scan = new RegionScan({ ...this.#source(), includes: () => true }, INSTRUCTIONS_AHEAD_MAX);
    scan.addRoot(scan.addPage(this.#pageOf(records)), offset, true);
    this.#add(scan.finish());
  }

  #source(): CodeSource {
    return {
      halfword: (linear) => this.#view.getUint16(linear, true),
      includes: (page, offset) => this.#view.getUint8(page.records + offset * 4) !== 0,
      pageAt: () => undefined,
    };
  }

  #pageOf(records: number): CodePage {
    return { records, linear: this.#memory.pageOfRecords(records), base: 0 };
  }

  #add(code: RegionCode): void {
    if (code.entries.length === 0) return;
    while (this.#instructions + code.instructions > INSTRUCTIONS_MAX) this.#dropOldest();
    this.#regionsMade += 1;
    this.#blocksMade += code.blocks.length;
    const index = this.#takeIndex();
    const memoryPages = this.#memory.wasm.buffer.byteLength / WASM_PAGE_BYTES;
    const module = new WebAssembly.Module(generateRegion(code, index, memoryPages));
    for (const hart of this.#harts) {
      const env = { memory: this.#memory.wasm, hart: hart.area, refill: hart.refill, refillRange: hart.refillRange };
      hart.regions.set(index, new WebAssembly.Instance(module, { env }).exports[REGION_EXPORT]);
    }
    const entries = code.entries.flatMap((block, i) => this.#enterAt(code, block, index, i));
    this.#instructions += code.instructions;
    const region = {
      index,
      pages: code.pages,
      covered: coveredBy(code),
      instructions: code.instructions,
      entries,
    };
    this.#regions.set(index, region);
    for (const [i, { records }] of code.pages.entries()) {
      const regions = [...(this.#regionsOf.get(records) ?? []), { region, page: i }];
      this.#regionsOf.set(records, regions);
      this.#view.setInt32(records + PAGE_FOOTER.regions, regions.length, true);
    }
  }

  /** Whether a region has code for the instruction at `offset` of a page. */
  covers(records: number, offset: number): boolean {
    const regions = this.#regionsOf.get(records);
    return regions?.some(({ region, page }) => page === 0 && region.covered[offset >> 1] === 1) ?? false;
  }

  #enterAt(code: RegionCode, block: number, index: number, entry: number): Region['entries'] {
    const { page, offset } = code.blocks[block]!;
    const { records } = code.pages[page]!;
    const record = records + offset * 4;
    const word = records + PAGE_FOOTER.entries + offset * 2;
    if (this.#view.getInt32(word, true) !== 0) return [];
    if (this.#view.getUint8(record + RECORD.op) === 0) this.#harts[0]!.decodeRecord(record);
    const op = this.#view.getUint8(record + RECORD.op);
    this.#view.setInt32(word, op | (index << ENTRY.regionShift) | (entry << ENTRY.indexShift), true);
    this.#view.setUint8(record + RECORD.op, TRANSLATED);
    return [{ record, word }];
  }

  #takeIndex(): number {
    const free = this.#freeIndexes.pop();
    if (free !== undefined) return free;
    if (this.#indexesUsed === ENTRY.regionsMax) {
      this.#dropOldest();
      return this.#takeIndex();
    }
    return this.#indexesUsed++;
  }

  #dropOldest(): void {
    const [oldest] = this.#regions.values();
    if (oldest !== undefined) this.#drop(oldest);
  }

  #drop(region: Region): void {
    this.#regions.delete(region.index);
    this.#instructions -= region.instructions;
    for (const { record, word } of region.entries) {
      if (this.#view.getUint8(record + RECORD.op) === TRANSLATED) {
        this.#view.setUint8(record + RECORD.op, this.#view.getUint8(word));
      }
      this.#view.setInt32(word, 0, true);
    }
    for (const { records } of region.pages) {
      const left = this.#regionsOf.get(records)!.filter((other) => other.region !== region);
      if (left.length > 0) this.#regionsOf.set(records, left);
      else this.#regionsOf.delete(records);
      this.#view.setInt32(records + PAGE_FOOTER.regions, left.length, true);
    }
    for (const hart of this.#harts) hart.regions.set(region.index, null);
    this.#freeIndexes.push(region.index);
  }

  /** Drops the regions that are entered in a page. */
  #dropRegionsAt(records: number): void {
    for (const { region, page } of this.#regionsOf.get(records) ?? []) if (page === 0) this.#drop(region);
  }

  // ---------------------------------------------------------------------------------------------- translation listener

  codeWritten(records: number): void {
    for (const { region } of this.#regionsOf.get(records) ?? []) this.#drop(region);
  }

  allDropped(): void {
    for (const region of [...this.#regions.values()]) this.#drop(region);
  }
}

function coveredBy({ blocks }: RegionCode): Uint8Array {
  const covered = new Uint8Array(PAGE_BYTES / 2);
  for (const { page, instructions } of blocks) {
    if (page === 0) for (const { offset } of instructions) covered[offset >> 1] = 1;
  }
  return covered;
}

const translators = new WeakMap<GuestMemory, Translator>();

/** The translator of a memory; undefined when nothing is to be translated. */
export function translatorOf(memory: GuestMemory, translate: Translate): Translator | undefined {
  if (translate === 'off') return undefined;
  let translator = translators.get(memory);
  if (translator === undefined) {
    translator = new Translator(memory);
    translators.set(memory, translator);
  }
  return translator;
}
