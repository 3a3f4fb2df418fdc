/**
 * Which pages are worth translating: where the hart is found at the end of its slices. Slices are counted in
 * instructions, so that the same run translates the same pages at the same points.
 */
import { PAGE_BYTES, RECORD } from '../hart/layout.ts';
import type { Translator } from './translator.ts';

/** Instructions between two looks. */
export const SAMPLE_INSTRUCTIONS = 0x8000;
/** Looks that find a page until it is translated. Each translation of a page makes the next one rarer. */
const SAMPLES_UNTIL_TRANSLATED = 24;
const SAMPLES_GROWTH = 2;
const SAMPLES_UNTIL_TRANSLATED_MAX = 1024;
/** Pages that are counted; forgotten together when there are more. */
const PAGES_MAX = 0x1_0000;

/** Looks that find a page until other regions may take its code in. */
const SAMPLES_UNTIL_WARM = 3;

interface PageHeat {
  /** All looks that found it. */
  samples: number;
  /** Those that found code no region has, since the last translation. */
  missed: number;
  threshold: number;
}

export class HotPages {
  readonly #translator: Translator;
  readonly #memory: DataView;
  /** By address of the page's records. */
  readonly #pages = new Map<number, PageHeat>();

  constructor(translator: Translator, memory: DataView) {
    this.#translator = translator;
    this.#memory = memory;
  }

  /**
   * The hart is about to execute the instruction at `offset` of the page with these records. `recordsAt` gives the
   * records of the page at a distance from it, 0 when they are not known.
   */
  sample(records: number, offset: number, recordsAt: (distance: number) => number): void {
    if (offset >= PAGE_BYTES) return;
    let page = this.#pages.get(records);
    if (page === undefined) {
      if (this.#pages.size === PAGES_MAX) this.#pages.clear();
      page = { samples: 0, missed: 0, threshold: SAMPLES_UNTIL_TRANSLATED };
      this.#pages.set(records, page);
    }
    page.samples += 1;
    if (this.#translator.covers(records, offset)) return;
    page.missed += 1;
    if (page.missed < page.threshold) return;
    page.missed = 0;
    page.threshold = Math.min(page.threshold * SAMPLES_GROWTH, SAMPLES_UNTIL_TRANSLATED_MAX);
    if (this.#memory.getUint8(records + offset * 4 + RECORD.op) === 0) return;
    this.#translator.translatePage(records, (distance) => {
      const found = recordsAt(distance);
      const samples = this.#pages.get(found)?.samples ?? 0;
      return samples < SAMPLES_UNTIL_WARM ? 0 : found;
    });
  }
}
