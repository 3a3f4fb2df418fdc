/**
 * Which pages are worth translating: where the hart is found at the end of its slices. Slices are counted in
 * instructions, so that the same run translates the same pages at the same points.
 */
import { PAGE_BYTES, RECORD } from '../hart/layout.ts';
import type { Translator } from './translator.ts';

/** Instructions between two looks. */
export const SAMPLE_INSTRUCTIONS = 0x4000;
/** Looks that find a page until it is translated. Each translation of a page makes the next one rarer. */
const SAMPLES_UNTIL_TRANSLATED = 48;
const SAMPLES_GROWTH = 2;
/** Pages that are counted; forgotten together when there are more. */
const PAGES_MAX = 0x1_0000;

interface PageHeat {
  samples: number;
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

  /** The hart is about to execute the instruction at `offset` of the page with these records. */
  sample(records: number, offset: number): void {
    if (offset >= PAGE_BYTES || this.#translator.covers(records, offset)) return;
    let page = this.#pages.get(records);
    if (page === undefined) {
      if (this.#pages.size === PAGES_MAX) this.#pages.clear();
      page = { samples: 0, threshold: SAMPLES_UNTIL_TRANSLATED };
      this.#pages.set(records, page);
    }
    page.samples += 1;
    if (page.samples < page.threshold) return;
    page.samples = 0;
    page.threshold *= SAMPLES_GROWTH;
    if (this.#memory.getUint8(records + offset * 4 + RECORD.op) !== 0) this.#translator.translatePage(records);
  }
}
