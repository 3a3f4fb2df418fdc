/**
 * Where things lie in the guest of an equivalence scenario: page tables of three address spaces, a pool of pointers, words
 * to patch code with, a trap handler, data, code. Every physical page is mapped several times, and not alike in every space.
 */
import type { RandomSource } from '../differential/random-source.ts';

export const RAM = { base: 0x8000_0000, bytes: 0x20_0000 } as const;
export const PAGE_BYTES = 4096;
const RAM_PAGES = RAM.bytes / PAGE_BYTES;

/** Page numbers within RAM. */
export const PAGES = {
  pool: 24,
  words: 25,
  handler: 26,
  data: 32,
  dataCount: 16,
  code: 128,
  codeCountMax: 320,
} as const;

export const SPACES = 3;
/** root, tables of the next level for the three gigabytes in use, leaf tables of the regions. */
const TABLE = { root: 0, high: 1, low: 2, identity: 3, supervisor: 4, user: 5, mixed: 6, count: 7 } as const;
const tablePage = (space: number, table: number): number => space * TABLE.count + table;

/**
 * `bare`: physical addresses. `supervisor`, `user`: all of RAM, for one mode each. `mixed`: any page, any permission.
 * `identity`: physical addresses through a 2 MiB page.
 */
export type Region = 'bare' | 'supervisor' | 'user' | 'mixed' | 'identity';
const REGION_BASE: Readonly<Record<Region, bigint>> = {
  bare: BigInt(RAM.base),
  supervisor: 0xffff_ffc0_0000_0000n,
  user: 0x4000_0000n,
  mixed: 0x4020_0000n,
  identity: BigInt(RAM.base),
};
const ROOT_INDEX = { supervisor: 256, user: 1, identity: 2 } as const;

/** A page of the bus that answers; the page before it does not. */
export const DEVICE_PAGE = 0x1000_1000;

const PTE = { v: 1, r: 2, w: 4, x: 8, u: 0x10, a: 0x40, d: 0x80 } as const;
const RWX = PTE.r | PTE.w | PTE.x;
const entryOf = (address: number, flags: number): bigint => (BigInt(address / PAGE_BYTES) << 10n) | BigInt(flags);
export const pageAddress = (page: number): number => RAM.base + page * PAGE_BYTES;

const SV39 = 8n << 60n;
/** What satp holds for a space. */
export const satpOf = (space: number): bigint => SV39 | BigInt(pageAddress(tablePage(space, TABLE.root)) / PAGE_BYTES);

export interface Mapping {
  readonly codePages: number;
  /** By space: how far the pages of code are turned against physical memory, in the supervisor and user regions. */
  readonly rotations: readonly number[];
}

export function randomMapping(codePages: number, random: RandomSource): Mapping {
  return { codePages, rotations: [0, random.below(codePages), random.below(codePages)] };
}

/** Where a byte of RAM is seen in a region. */
export function virtualAddress(mapping: Mapping, region: Region, space: number, offset: number): bigint {
  const isTurned = region === 'supervisor' || region === 'user';
  const page = Math.floor(offset / PAGE_BYTES);
  const index = page - PAGES.code;
  const { codePages } = mapping;
  const seen =
    isTurned && index >= 0 && index < codePages
      ? PAGES.code + ((index + codePages - mapping.rotations[space]!) % codePages)
      : page;
  return BigInt.asUintN(64, REGION_BASE[region] + BigInt(seen * PAGE_BYTES + (offset % PAGE_BYTES)));
}

/** Fills the page tables of every space. */
export function fillTables(image: DataView, mapping: Mapping, random: RandomSource): void {
  const put = (page: number, index: number, entry: bigint): void =>
    image.setBigUint64(page * PAGE_BYTES + 8 * index, entry, true);
  for (let space = 0; space < SPACES; space++) {
    const table = (name: keyof typeof TABLE): number => tablePage(space, TABLE[name]);
    const pointer = (name: keyof typeof TABLE): bigint => entryOf(pageAddress(table(name)), PTE.v);
    put(table('root'), ROOT_INDEX.supervisor, pointer('high'));
    put(table('root'), ROOT_INDEX.user, pointer('low'));
    put(table('root'), ROOT_INDEX.identity, pointer('identity'));
    put(table('high'), 0, pointer('supervisor'));
    put(table('low'), 0, pointer('user'));
    put(table('low'), 1, pointer('mixed'));
    const user = random.below(2) === 0 ? PTE.u : 0;
    put(table('identity'), 0, entryOf(RAM.base, PTE.v | RWX | user | PTE.a | PTE.d));
    for (let page = 0; page < RAM_PAGES; page++) {
      put(table('supervisor'), page, plainEntry(mapping, space, page, 0, random));
      put(table('user'), page, plainEntry(mapping, space, page, PTE.u, random));
      put(table('mixed'), page, anyEntry(mapping, random));
    }
  }
}

/** All rights, a few exceptions. */
function plainEntry(mapping: Mapping, space: number, seen: number, user: number, random: RandomSource): bigint {
  const { codePages, rotations } = mapping;
  const index = seen - PAGES.code;
  const isCode = index >= 0 && index < codePages;
  const page = isCode ? PAGES.code + ((index + rotations[space]!) % codePages) : seen;
  const isData = page >= PAGES.data && page < PAGES.data + PAGES.dataCount;
  const isOdd = (isCode || isData) && random.below(16) === 0;
  const rights = isOdd ? random.pick([PTE.r | PTE.x, PTE.x, PTE.r | PTE.w, PTE.r, 0]) : RWX;
  const accessed = random.below(16) === 0 ? 0 : PTE.a;
  const dirty = random.below(8) === 0 ? 0 : PTE.d;
  return entryOf(pageAddress(page), PTE.v | rights | user | accessed | dirty);
}

function anyEntry(mapping: Mapping, random: RandomSource): bigint {
  if (random.below(12) === 0) return 0n;
  const page = random.pick([
    PAGES.data + random.below(PAGES.dataCount),
    PAGES.data + random.below(PAGES.dataCount),
    PAGES.code + random.below(mapping.codePages),
  ]);
  const address = random.below(24) === 0 ? random.pick([DEVICE_PAGE, DEVICE_PAGE - PAGE_BYTES]) : pageAddress(page);
  const rights = random.pick([RWX, RWX, PTE.r | PTE.w, PTE.r | PTE.x, PTE.r]);
  return entryOf(address, PTE.v | rights | random.pick([0, PTE.u]) | PTE.a | random.pick([PTE.d, PTE.d, 0]));
}
