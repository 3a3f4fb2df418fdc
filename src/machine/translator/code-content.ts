/** Names for content: of a page, to find what is known about it; of a region's code, by which its module is found. */
import { PAGE_BYTES } from '../hart/layout.ts';
import { type BlockEnd, bytesOf, type CodePage, type Edge, type RegionCode } from './basic-blocks.ts';

const HIGH = 0x20_0000;

/** 53 bits that tell pages apart well enough for a guess. `at` is a linear address. */
export function contentOfPage(words: Int32Array, at: number): number {
  const first = at >> 2;
  let a = 0x811c_9dc5;
  let b = 0x9e37_79b9;
  for (let i = first; i < first + PAGE_BYTES / 4; i++) {
    const word = words[i] as number;
    a = Math.imul(a ^ word, 0x0100_0193);
    a ^= a >>> 15;
    b = Math.imul((b + word) | 0, 0x85eb_ca6b);
    b ^= b >>> 13;
  }
  return (a >>> 0) * HIGH + (b & (HIGH - 1));
}

const END_KINDS: readonly BlockEnd['kind'][] = ['next', 'branch', 'jump', 'indirect', 'interpret'];
const CHARACTERS_AT_ONCE = 8192;

/** All that `generateRegion` looks at, as a string: equal strings, equal modules. */
export function keyOf({ pages, blocks, entries }: RegionCode): string {
  const words: number[] = [
    ...[pages.length, ...pages.map((page) => page.base)],
    ...[entries.length, ...entries, blocks.length],
  ];
  const edge = ({ offset, block }: Edge): void => {
    words.push(offset, block ?? -1);
  };
  for (const { page, offset, instructions, end } of blocks) {
    words.push(page, offset, instructions.length, END_KINDS.indexOf(end.kind));
    for (const instruction of instructions) words.push(instruction.word);
    switch (end.kind) {
      case 'next':
        edge(end.next);
        break;
      case 'branch':
        edge(end.taken);
        edge(end.next);
        break;
      case 'jump':
        edge(end.target);
        break;
      case 'interpret':
        words.push(end.offset);
        break;
      case 'indirect':
        break;
    }
  }
  const units = new Uint16Array(Int32Array.from(words).buffer);
  let key = '';
  for (let from = 0; from < units.length; from += CHARACTERS_AT_ONCE) {
    key += String.fromCharCode(...units.subarray(from, from + CHARACTERS_AT_ONCE));
  }
  return key;
}

/** What there is to know of a region beside its module. */
export interface RegionOutline {
  readonly pages: readonly CodePage[];
  readonly entries: readonly { readonly page: number; readonly offset: number }[];
  /** Halfwords of the first page whose instruction is in the region. */
  readonly covered: Uint8Array;
  readonly instructions: number;
  readonly blocks: number;
}

export function outlineOf({ pages, blocks, entries, instructions }: RegionCode): RegionOutline {
  const covered = new Uint8Array(PAGE_BYTES / 2);
  for (const block of blocks) {
    if (block.page === 0) for (const { offset } of block.instructions) covered[offset >> 1] = 1;
  }
  return { pages, entries: entries.map((i) => blocks[i]!), covered, instructions, blocks: blocks.length };
}

/** Words that a key has for the end of a block. */
const END_WORDS: Readonly<Record<BlockEnd['kind'], number>> = {
  next: 2,
  branch: 4,
  jump: 2,
  indirect: 0,
  interpret: 1,
};

/**
 * The region with this key, if the pages at its distances hold every instruction that it was made of; it is right for them
 * then. `pageAt` gives the page at a distance from the first one, `word` two or four bytes at a linear address.
 */
export function outlineOfKey(
  key: string,
  pageAt: (base: number) => CodePage | undefined,
  word: (linear: number, bytes: number) => number,
): RegionOutline | undefined {
  let at = 0;
  const next = (): number => {
    const value = key.charCodeAt(at) | (key.charCodeAt(at + 1) << 16);
    at += 2;
    return value;
  };
  const list = <T>(length: number, read: () => T): T[] => Array.from({ length }, read);
  const found = list(next(), () => pageAt(next()));
  const pages = found.filter((page) => page !== undefined);
  if (pages.length < found.length) return undefined;
  const entryBlocks = list(next(), next);
  const covered = new Uint8Array(PAGE_BYTES / 2);
  let instructions = 0;
  const places: { readonly page: number; readonly offset: number }[] = [];
  for (let left = next(); left > 0; left--) {
    const [page, start, count, kind] = [next(), next(), next(), next()];
    const { linear } = pages[page]!;
    let offset = start;
    for (let i = 0; i < count; i++) {
      const expected = next();
      const bytes = bytesOf(expected);
      if (word(linear + offset, bytes) !== expected) return undefined;
      if (page === 0) covered[offset >> 1] = 1;
      offset += bytes;
    }
    instructions += count;
    at += 2 * END_WORDS[END_KINDS[kind]!];
    places.push({ page, offset: start });
  }
  return { pages, entries: entryBlocks.map((i) => places[i]!), covered, instructions, blocks: places.length };
}
