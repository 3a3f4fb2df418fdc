/** The pool of pointers: one section for each way a program can see memory, found through x31. */
import type { RandomSource } from '../differential/random-source.ts';
import { DEVICE_PAGE, type Mapping, PAGE_BYTES, PAGES, RAM, type Region, virtualAddress } from './guest-layout.ts';

/** Slots of a section, 8 bytes each. */
export const POOL = {
  data: 0,
  dataCount: 32,
  words: 32,
  code: 33,
  codeCount: 15,
  blocks: 48,
  blockCount: 16,
  sectionBytes: 64 * 8,
} as const;
/** Slots whose pointers are good for loads and stores, more or less. */
export const POOL_POINTERS: readonly number[] = Array.from({ length: POOL.dataCount }, (_, slot) => POOL.data + slot);

export type PoolRegion = Extract<Region, 'bare' | 'supervisor' | 'user'>;
export const POOL_REGIONS: readonly PoolRegion[] = ['bare', 'supervisor', 'user'];

/** Offset in RAM of the section for a region. */
export const sectionOffset = (region: PoolRegion): number =>
  PAGES.pool * PAGE_BYTES + POOL_REGIONS.indexOf(region) * POOL.sectionBytes;

/** Sections name addresses as the first space has them. */
export function fillPool(
  image: DataView,
  mapping: Mapping,
  blockOffsets: readonly number[],
  random: RandomSource,
): void {
  for (const region of POOL_REGIONS) {
    const put = (slot: number, address: bigint): void =>
      image.setBigUint64(sectionOffset(region) + 8 * slot, address, true);
    const seen = (offset: number): bigint => virtualAddress(mapping, region, 0, offset);
    for (const slot of POOL_POINTERS) put(slot, randomPointer(mapping, seen, random));
    put(POOL.words, seen(PAGES.words * PAGE_BYTES));
    for (let i = 0; i < POOL.codeCount; i++) {
      put(POOL.code + i, seen((PAGES.code + random.below(mapping.codePages)) * PAGE_BYTES + 2 * random.below(1000)));
    }
    for (let i = 0; i < POOL.blockCount; i++) put(POOL.blocks + i, seen(random.pick(blockOffsets)));
  }
}

/** Mostly the middle of data; page ends, other views, and addresses where nothing is. */
function randomPointer(mapping: Mapping, seen: (offset: number) => bigint, random: RandomSource): bigint {
  const page = (PAGES.data + random.below(PAGES.dataCount - 1)) * PAGE_BYTES;
  switch (random.below(16)) {
    case 0:
      return seen(page + PAGE_BYTES - random.below(24));
    case 1:
      return seen(page + random.below(PAGE_BYTES));
    case 2:
    case 3:
      return virtualAddress(mapping, 'mixed', 0, 8 * random.below(RAM.bytes / 8));
    case 4:
      return BigInt(DEVICE_PAGE + 8 * random.below(64));
    case 5:
      return random.pick([BigInt(DEVICE_PAGE - 64), 0n, BigInt(RAM.base + RAM.bytes - 8), random.integerPattern()]);
    case 6:
      return seen((PAGES.code + random.below(mapping.codePages)) * PAGE_BYTES + 8 * random.below(512));
    case 7:
      return virtualAddress(mapping, 'identity', 0, page + 8 * random.below(512));
    default:
      return seen(page + PAGE_BYTES / 2 + 8 * random.below(64));
  }
}
