import { closeSync, fstatSync, openSync, readSync } from 'node:fs';
import type { BlockStore } from '../../src/machine/index.ts';

const PAGE_BYTES = 4096;

/** A disk whose contents are a file that is never written: what a guest writes stays in memory. */
export class OverlayStore implements BlockStore {
  readonly bytes: number;
  readonly readOnly = false;
  readonly #file: number;
  readonly #written = new Map<number, Uint8Array>();

  constructor(path: string) {
    this.#file = openSync(path, 'r');
    this.bytes = fstatSync(this.#file).size;
  }

  read(offset: number, into: Uint8Array): void {
    readSync(this.#file, into, 0, into.length, offset);
    for (const part of pagesOf(offset, into.length)) {
      const page = this.#written.get(part.page);
      if (page !== undefined) into.set(page.subarray(part.from, part.from + part.bytes), part.at);
    }
  }

  write(offset: number, from: Uint8Array): void {
    for (const part of pagesOf(offset, from.length)) {
      let page = this.#written.get(part.page);
      if (page === undefined) {
        page = new Uint8Array(PAGE_BYTES);
        readSync(this.#file, page, 0, PAGE_BYTES, part.page * PAGE_BYTES);
        this.#written.set(part.page, page);
      }
      page.set(from.subarray(part.at, part.at + part.bytes), part.from);
    }
  }

  flush(): void {}

  close(): void {
    closeSync(this.#file);
  }
}

interface PagePart {
  readonly page: number;
  /** Offset in the page, offset in the buffer, length. */
  readonly from: number;
  readonly at: number;
  readonly bytes: number;
}

function pagesOf(offset: number, bytes: number): PagePart[] {
  const parts: PagePart[] = [];
  for (let at = 0; at < bytes; ) {
    const from = (offset + at) % PAGE_BYTES;
    const length = Math.min(PAGE_BYTES - from, bytes - at);
    parts.push({ page: Math.floor((offset + at) / PAGE_BYTES), from, at, bytes: length });
    at += length;
  }
  return parts;
}
