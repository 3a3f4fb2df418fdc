/**
 * Which pages are worth translating: where the hart is found at the end of its slices. Slices are counted in
 * instructions, so that the same run translates the same pages at the same points.
 */
import { PAGE_BYTES, RECORD } from '../hart/layout.ts';
import type { PageFinder, Translator } from './translator.ts';

/** Instructions between two looks. */
export const SAMPLE_INSTRUCTIONS = 0x8000;
/**
 * Looks that find a page where no region has code until it is translated. Each translation of a page makes the next one
 * rarer; that is forgiven with time, and when the page gets other contents.
 */
const MISSES_UNTIL_TRANSLATED = 24;
const MISSES_GROWTH = 2;
const MISSES_UNTIL_TRANSLATED_MAX = 1024;
const LOOKS_UNTIL_HALVED = 8192;
/** Not often enough to be worth a region now, but when it is known at the first of them the next time. */
const MISSES_UNTIL_REMEMBERED = 8;
/** Misses at which it is asked what the page holds, and whether that is known from another page or an earlier run. */
const isAsked = (misses: number): boolean => misses <= 2 || misses % 4 === 0;
/** From here on a known page is translated without the other pages it had, if they are missing. */
const MISSES_UNTIL_ALONE = 4;
/** Looks that find a place a page's region lacks as an entry until the next translation makes it one. */
const MISSES_UNTIL_ENTRY = 8;
/** And all such looks at a page until it is translated again for them; as the other threshold, it grows each time. */
const ENTRY_MISSES_UNTIL_TRANSLATED = 400;
/** Pages that are counted; forgotten together when there are more. */
const PAGES_MAX = 0x1_0000;

/** Looks that find a page until other regions may take its code in. */
const LOOKS_UNTIL_WARM = 3;

interface PageHeat {
  /** All looks that found it. */
  looks: number;
  /** Those that found code no region has, since the last translation. */
  misses: number;
  threshold: number;
  /** Looks at all pages when it was translated last. */
  translatedAt: number;
  /** What it held when it was asked last. */
  content: number;
  /** Looks at what is interpreted that found a region left for code it has, but no entry for: by offset, and together. */
  missedEntries: Map<number, number> | undefined;
  entryMisses: number;
  entryThreshold: number;
}

const COLD: PageHeat = {
  looks: 0,
  misses: 0,
  threshold: MISSES_UNTIL_TRANSLATED,
  translatedAt: 0,
  content: 0,
  missedEntries: undefined,
  entryMisses: 0,
  entryThreshold: ENTRY_MISSES_UNTIL_TRANSLATED,
};

export class HotPages {
  readonly #translator: Translator;
  readonly #memory: DataView;
  /** By address of the page's records. */
  readonly #pages = new Map<number, PageHeat>();
  #looks = 0;

  constructor(translator: Translator, memory: DataView) {
    this.#translator = translator;
    this.#memory = memory;
  }

  /**
   * The hart is about to execute the instruction at `offset` of the page with these records. `recordsAt` gives the
   * records of the page at a distance from it, 0 when they are not known.
   */
  sample(records: number, offset: number, recordsAt: PageFinder): void {
    if (offset >= PAGE_BYTES) return;
    this.#looks += 1;
    const page = this.#heatOf(records);
    page.looks += 1;
    if (this.#translator.found(records, offset)) return;
    page.misses += 1;
    if (isAsked(page.misses)) {
      this.#lookAtContent(records, page);
      if (this.#translator.translateKnown(records, offset, recordsAt, page.misses >= MISSES_UNTIL_ALONE)) {
        page.misses = 0;
        return;
      }
    }
    if (page.misses === MISSES_UNTIL_REMEMBERED) this.#translator.remember(records);
    if (page.misses < this.#thresholdOf(page)) return;
    page.misses = 0;
    if (this.#memory.getUint8(records + offset * 4 + RECORD.op) === 0) return;
    page.threshold = Math.min(this.#thresholdOf(page) * MISSES_GROWTH, MISSES_UNTIL_TRANSLATED_MAX);
    this.#translate(records, page, recordsAt);
  }

  #translate(records: number, page: PageHeat, recordsAt: PageFinder): void {
    page.translatedAt = this.#looks;
    page.missedEntries = undefined;
    page.entryMisses = 0;
    this.#translator.translatePage(records, (distance) => {
      const found = recordsAt(distance);
      return found !== 0 && this.#isWarm(found) ? found : 0;
    });
  }

  /**
   * What is interpreted between regions began at `offset` of the page with these records: a region was left for that
   * instruction, which has no entry, or (`isStepped`) because it is none for regions. Where it goes on with code that a
   * region has, that becomes an entry: targets of jumps from other pages, what is behind accesses of devices.
   */
  missedEntry(records: number, offset: number, isStepped: boolean, recordsAt: PageFinder): void {
    const at = isStepped ? this.#translator.nextOffset(records, offset) : offset;
    if (at >= PAGE_BYTES || !this.#translator.lacksEntry(records, at)) return;
    const page = this.#heatOf(records);
    page.missedEntries ??= new Map();
    const misses = (page.missedEntries.get(at) ?? 0) + 1;
    page.missedEntries.set(at, misses);
    if (misses === MISSES_UNTIL_ENTRY) this.#translator.wantEntry(records, at);
    page.entryMisses += 1;
    if (page.entryMisses < page.entryThreshold) return;
    page.entryThreshold *= MISSES_GROWTH;
    this.#translate(records, page, recordsAt);
  }

  #isWarm(records: number): boolean {
    return (this.#pages.get(records)?.looks ?? 0) >= LOOKS_UNTIL_WARM || this.#translator.isKnown(records);
  }

  /** Records are used for one page after another, and a page for one program after another. */
  #lookAtContent(records: number, page: PageHeat): void {
    const content = this.#translator.contentOf(records);
    if (content !== page.content) Object.assign(page, { ...COLD, looks: 1, misses: 1, content });
  }

  #heatOf(records: number): PageHeat {
    let page = this.#pages.get(records);
    if (page === undefined) {
      if (this.#pages.size === PAGES_MAX) this.#pages.clear();
      page = { ...COLD };
      this.#pages.set(records, page);
    }
    return page;
  }

  #thresholdOf({ threshold, translatedAt }: PageHeat): number {
    const halvings = Math.floor((this.#looks - translatedAt) / LOOKS_UNTIL_HALVED);
    return Math.max(MISSES_UNTIL_TRANSLATED, threshold / 2 ** halvings);
  }
}
