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
import { bytesOf, type CodePage, type CodeSource, type RegionCode, RegionScan } from './basic-blocks.ts';
import { contentOfPage, keyOf, outlineOf, outlineOfKey, type RegionOutline } from './code-content.ts';
import { add, contains, INSTRUCTION_SET_BYTES, type InstructionSet, KnownCode, type Recipe } from './known-code.ts';
import { generateRegion, REGION_EXPORT, recordsImport } from './region-module.ts';

/** A whole page of compressed ones. */
const INSTRUCTIONS_PER_PAGE_MAX = 2048;
/** Code of other pages that a region takes in. */
const INSTRUCTIONS_ELSEWHERE_MAX = 300;
/** Regions of code that was not executed yet. */
const INSTRUCTIONS_AHEAD_MAX = 200;
/** Bounds what all regions together take; those the harts were not found in for longest go first. */
const INSTRUCTIONS_MAX = 1_000_000;

const TRANSLATED = ownOp('translated');

/** What a hart brings along. */
export interface TranslatedHart {
  /** Functions of the regions, by index. */
  readonly regions: WebAssembly.Table;
  /** Fills in a record. */
  decodeRecord(record: number): void;
}

interface Region {
  readonly index: number;
  readonly module: WebAssembly.Module;
  readonly pages: readonly CodePage[];
  /** Halfwords of the first page whose instruction is in the region. */
  readonly covered: Uint8Array;
  readonly instructions: number;
  /** How many times a hart was found in any region before it was found in this one last, or before this was made. */
  foundAt: number;
  /** Addresses of the entries' records, and of their entry words. */
  readonly entries: readonly { readonly record: number; readonly word: number }[];
}

interface RegionPage {
  readonly region: Region;
  readonly page: number;
}

/** Finds the records of the page at a distance from another one; 0 when it has none. */
export type PageFinder = (distance: number) => number;

/** Pages of a recipe that are where they were, by distance. */
type FoundPages = ReadonlyMap<number, { readonly records: number; readonly instructions: InstructionSet }>;

export class Translator implements TranslationListener {
  readonly #memory: GuestMemory;
  readonly #known: KnownCode;
  readonly #view: DataView;
  readonly #words: Int32Array;
  readonly #harts: TranslatedHart[] = [];
  /** By index. */
  readonly #regions = new Map<number, Region>();
  /** By address of a page's records: the regions with code of it, and which of their pages it is. */
  readonly #regionsOf = new Map<number, readonly RegionPage[]>();
  readonly #freeIndexes: number[] = [];
  #indexesUsed = 1;
  #instructions = 0;
  #finds = 0;
  #regionsMade = 0;
  #blocksMade = 0;

  constructor(memory: GuestMemory, known: KnownCode) {
    this.#memory = memory;
    this.#known = known;
    this.#view = new DataView(memory.wasm.buffer);
    this.#words = new Int32Array(memory.wasm.buffer);
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
   * Makes a region of what was executed of a page, or was known of it, and of what that calls in other pages. `pageAt`
   * finds those that may be taken in.
   */
  translatePage(records: number, pageAt: PageFinder): void {
    const known = this.#known.recipe(this.contentOf(records));
    const before = known?.pages[0].instructions;
    const entries = known?.entries ?? new Uint8Array(INSTRUCTION_SET_BYTES);
    const wasExecuted = (page: CodePage, offset: number): boolean => this.#hasRecord(page.records, offset);
    const includes =
      before === undefined
        ? wasExecuted
        : (page: CodePage, offset: number): boolean =>
            wasExecuted(page, offset) || (page.records === records && contains(before, offset));
    const code = this.#scanPage(records, includes, entries, pageAt);
    const [first, ...others] = code.pages.map((page) => ({
      distance: page.base,
      content: this.contentOf(page.records),
      instructions: instructionSet((offset) => includes(page, offset)),
    }));
    const key = this.#replace(records, code);
    if (first !== undefined) this.#known.keepRecipe({ pages: [first, ...others], entries, key });
  }

  /** Keeps what was executed of a page for when its content comes along again, if nothing is known of it. */
  remember(records: number): void {
    const content = this.contentOf(records);
    if (this.#known.recipe(content) !== undefined) return;
    const instructions = instructionSet((offset) => this.#hasRecord(records, offset));
    const entries = new Uint8Array(INSTRUCTION_SET_BYTES);
    this.#known.keepRecipe({ pages: [{ distance: 0, content, instructions }], entries, key: undefined });
  }

  /** When the page is translated next, its region is entered at `offset`, too. */
  wantEntry(records: number, offset: number): void {
    this.#known.wantEntry(this.contentOf(records), offset);
  }

  /** Whether something is known of the code of a page. */
  isKnown(records: number): boolean {
    return this.#known.recipe(this.contentOf(records)) !== undefined;
  }

  /**
   * Makes the region that the same code had before, if it had one with the instruction at `offset`. When one of its other
   * pages is missing, nothing is done unless `alone`.
   */
  translateKnown(records: number, offset: number, pageAt: PageFinder, alone: boolean): boolean {
    const recipe = this.#known.recipe(this.contentOf(records));
    if (recipe === undefined || !contains(recipe.pages[0].instructions, offset)) return false;
    const found = this.#findPages(recipe, records, pageAt);
    if (found.size < recipe.pages.length && !alone) return false;
    if (this.#makeKnown(recipe.key, records, found)) return true;
    const sets = new Map([...found.values()].map((page) => [page.records, page.instructions] as const));
    const code = this.#scanPage(
      records,
      (page, at) => contains(sets.get(page.records)!, at),
      recipe.entries,
      (distance) => found.get(distance)?.records ?? 0,
    );
    const key = this.#replace(records, code);
    if (found.size === recipe.pages.length) this.#known.keepKey(recipe, key);
    return true;
  }

  /** Makes the region of the module with this key, when there is one that fits the pages found. */
  #makeKnown(key: string | undefined, records: number, found: FoundPages): boolean {
    const module = key === undefined ? undefined : this.#known.knownModule(key);
    if (key === undefined || module === undefined) return false;
    const pageAt = (base: number): CodePage | undefined => {
      const page = found.get(base);
      return page === undefined ? undefined : { ...this.#pageOf(page.records), base };
    };
    const view = this.#view;
    const wordAt = (at: number, bytes: number): number =>
      bytes === 2 ? view.getUint16(at, true) : view.getInt32(at, true);
    const outline = outlineOfKey(key, pageAt, wordAt);
    if (outline === undefined) return false;
    if (this.#hasRegion(records, outline, module)) return true;
    this.#dropRegionsAt(records);
    this.#add(outline, module);
    return true;
  }

  /** Whether the page has this very region: what it was made of has instructions that are none for regions. */
  #hasRegion(records: number, { pages }: RegionOutline, module: WebAssembly.Module): boolean {
    return (this.#regionsOf.get(records) ?? []).some(
      ({ region, page }) =>
        page === 0 && region.module === module && region.pages.every((each, i) => each.records === pages[i]!.records),
    );
  }

  #findPages({ pages }: Recipe, records: number, pageAt: PageFinder): FoundPages {
    return new Map(
      pages.flatMap(({ distance, content, instructions }, i) => {
        const at = i === 0 ? records : pageAt(distance);
        if (at === 0 || (i > 0 && this.contentOf(at) !== content)) return [];
        return [[distance, { records: at, instructions }] as const];
      }),
    );
  }

  #scanPage(
    records: number,
    includes: CodeSource['includes'],
    entries: InstructionSet,
    pageAt: PageFinder,
  ): RegionCode {
    const source: CodeSource = {
      halfword: (linear) => this.#view.getUint16(linear, true),
      includes,
      pageAt: (base) => {
        const found = pageAt(base);
        return found === 0 ? undefined : { ...this.#pageOf(found), base };
      },
    };
    const scan = new RegionScan(source, INSTRUCTIONS_PER_PAGE_MAX);
    scan.addWholePage(scan.addPage(this.#pageOf(records)));
    scan.addElsewhere(INSTRUCTIONS_ELSEWHERE_MAX);
    for (let offset = 0; offset < PAGE_BYTES; offset += 2) if (contains(entries, offset)) scan.addEntry(offset);
    return scan.finish();
  }

  /** Gives the region's key. */
  #replace(records: number, code: RegionCode): string {
    this.#dropRegionsAt(records);
    return this.#make(code);
  }

  #make(code: RegionCode): string {
    const key = keyOf(code);
    if (code.entries.length > 0) {
      const module = this.#known.module(key, () => generateRegion(code));
      this.#add(outlineOf(code), module);
    }
    return key;
  }

  #hasRecord(records: number, offset: number): boolean {
    return this.#view.getUint8(records + offset * 4) !== 0;
  }

  /** Tells what a page holds from what another one does. */
  contentOf(records: number): number {
    return contentOfPage(this.#words, this.#memory.pageOfRecords(records));
  }

  /** Makes a region of what can be reached in a page from a record, whether it was executed or not. */
  translateFrom(record: number): void {
    const records = this.#memory.recordsContaining(record);
    const offset = (record - records) / 4;
    if (offset >= PAGE_BYTES) return;
    const source: CodeSource = {
      halfword: (linear) => this.#view.getUint16(linear, true),
      includes: () => true,
      pageAt: () => undefined,
    };
    const scan = new RegionScan(source, INSTRUCTIONS_AHEAD_MAX);
    scan.addRoot(scan.addPage(this.#pageOf(records)), offset, true);
    this.#make(scan.finish());
  }

  #pageOf(records: number): CodePage {
    return { records, linear: this.#memory.pageOfRecords(records), base: 0 };
  }

  #add({ pages, entries: places, covered, instructions, blocks }: RegionOutline, module: WebAssembly.Module): void {
    while (this.#instructions + instructions > INSTRUCTIONS_MAX) this.#dropOldest();
    this.#regionsMade += 1;
    this.#blocksMade += blocks;
    const index = this.#takeIndex();
    const constants: Record<string, WebAssembly.Global> = { region: constant(index << ENTRY.regionShift) };
    for (const [page, { records }] of pages.entries()) constants[recordsImport(page)] = constant(records);
    for (const hart of this.#harts) {
      const env = { memory: this.#memory.wasm, regions: hart.regions, ...constants };
      hart.regions.set(index, new WebAssembly.Instance(module, { env }).exports[REGION_EXPORT]);
    }
    const entries = places.flatMap(({ page, offset }, i) => this.#enterAt(pages[page]!.records, offset, index, i));
    this.#instructions += instructions;
    const region: Region = {
      index,
      module,
      pages,
      covered,
      instructions,
      foundAt: this.#finds,
      entries,
    };
    this.#regions.set(index, region);
    for (const [i, { records }] of pages.entries()) {
      const regions = [...(this.#regionsOf.get(records) ?? []), { region, page: i }];
      this.#regionsOf.set(records, regions);
      this.#view.setInt32(records + PAGE_FOOTER.regions, regions.length, true);
    }
  }

  /** A hart is at `offset` of a page: whether a region has code for the instruction there. */
  found(records: number, offset: number): boolean {
    for (const { region, page } of this.#regionsOf.get(records) ?? []) {
      if (page !== 0 || region.covered[offset >> 1] !== 1) continue;
      region.foundAt = ++this.#finds;
      return true;
    }
    return false;
  }

  /** Whether a region has code for the instruction at `offset` of a page, but cannot be entered there. */
  lacksEntry(records: number, offset: number): boolean {
    if (this.#view.getInt32(records + PAGE_FOOTER.entries + offset * 2, true) !== 0) return false;
    return this.found(records, offset);
  }

  /** Offset of the instruction behind that at `offset` of a page. */
  nextOffset(records: number, offset: number): number {
    return offset + bytesOf(this.#view.getUint16(this.#memory.pageOfRecords(records) + offset, true));
  }

  #enterAt(records: number, offset: number, index: number, entry: number): Region['entries'] {
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
    let oldest: Region | undefined;
    for (const region of this.#regions.values()) {
      if (oldest === undefined || region.foundAt < oldest.foundAt) oldest = region;
    }
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

const constant = (value: number): WebAssembly.Global => new WebAssembly.Global({ value: 'i32', mutable: false }, value);

function instructionSet(includes: (offset: number) => boolean): InstructionSet {
  const set = new Uint8Array(INSTRUCTION_SET_BYTES);
  for (let offset = 0; offset < PAGE_BYTES; offset += 2) if (includes(offset)) add(set, offset);
  return set;
}

const translators = new WeakMap<GuestMemory, Translator>();

/** The translator of a memory; undefined when nothing is to be translated. `known` counts when it is asked for first. */
export function translatorOf(memory: GuestMemory, translate: Translate, known?: KnownCode): Translator | undefined {
  if (translate === 'off') return undefined;
  let translator = translators.get(memory);
  if (translator === undefined) {
    translator = new Translator(memory, known ?? new KnownCode());
    translators.set(memory, translator);
  }
  return translator;
}
