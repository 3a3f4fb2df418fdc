/** Names for content: of a page, to find what is known about it; of a region's code, by which its module is found. */
import { PAGE_BYTES } from '../hart/layout.ts';
import type { BlockEnd, Edge, RegionCode } from './basic-blocks.ts';

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
