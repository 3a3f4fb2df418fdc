/**
 * A scenario: a guest full of random code, and a list of turns. In a turn the world does something to the hart (puts it at a
 * block in some mode and address space, raises a wire, writes to memory), then the hart runs for some instructions. All of
 * it is data made from a seed, so that a failing scenario can be made smaller.
 */

import { CSRS } from '../../../src/machine/hart/csr-table.ts';
import type { HartLine } from '../../../src/machine/hart-contract.ts';
import { assemble } from '../../../src/machine/isa/assemble.ts';
import { type RandomSource, randomSource } from '../differential/random-source.ts';
import {
  fillTables,
  type Mapping,
  PAGE_BYTES,
  PAGES,
  RAM,
  type Region,
  randomMapping,
  SPACES,
} from './guest-layout.ts';
import { fillPool } from './pool.ts';
import { type Item, type Places, randomBlock, randomPatchWord } from './random-block.ts';

export interface Instruction {
  /** From the start of RAM. */
  readonly offset: number;
  readonly word: number;
}

/** Where and as what the hart goes on. */
export interface Entry {
  readonly blockOffset: number;
  readonly privilege: 0 | 1 | 3;
  readonly region: Region;
  readonly space: number;
  /** Bits of mstatus beyond MPP. */
  readonly status: number;
  readonly fcsr: number;
  readonly medeleg: number;
  readonly mideleg: number;
  readonly mie: number;
  /** S-mode traps go to the handler, or to a block. */
  readonly stvecOffset: number;
  readonly timer: boolean;
  /** Registers get new values from this seed; 0 leaves them. */
  readonly registerSeed: number;
}

export interface Turn {
  readonly entry?: Entry;
  readonly line?: { readonly name: HartLine; readonly level: boolean };
  /** A write from outside. */
  readonly poke?: Instruction;
  readonly fence?: true;
  readonly budget: number;
}

export interface Scenario {
  readonly seed: number;
  readonly mapping: Mapping;
  /** RAM without code. */
  readonly image: Uint8Array;
  readonly code: readonly Instruction[];
  readonly blocks: number;
  readonly turns: readonly Turn[];
}

export interface ScenarioSize {
  readonly codePages: number;
  readonly blocksPerPage: number;
  /** Most instructions of a turn. */
  readonly budgetMax: number;
}

export const MSTATUS = { fsInitial: 1 << 13, fsDirty: 3 << 13, mprv: 1 << 17, sum: 1 << 18, mxr: 1 << 19 } as const;
const LINES: readonly HartLine[] = ['MSIP', 'MTIP', 'MEIP', 'SEIP'];

export function randomScenario(seed: number, size: ScenarioSize): Scenario {
  const random = randomSource(seed);
  const mapping = randomMapping(size.codePages, random);
  const { code, blockOffsets } = randomCode(size, random);
  const image = new Uint8Array(RAM.bytes);
  const view = new DataView(image.buffer);
  fillTables(view, mapping, random);
  fillPool(view, mapping, blockOffsets, random);
  image.set(TRAP_HANDLER, PAGES.handler * PAGE_BYTES);
  for (let offset = 0; offset < PAGE_BYTES; offset += 4) {
    view.setInt32(PAGES.words * PAGE_BYTES + offset, randomPatchWord(random), true);
  }
  for (let offset = 0; offset < PAGES.dataCount * PAGE_BYTES; offset += 8) {
    const value = random.below(2) === 0 ? random.integerPattern() : random.floatPattern();
    view.setBigUint64(PAGES.data * PAGE_BYTES + offset, value, true);
  }
  const turns = shuffled(blockOffsets, random).flatMap((block) => turnsAt(block, blockOffsets, size, random));
  return { seed, mapping, image, code, blocks: blockOffsets.length, turns };
}

/** Steps over what trapped; after an interrupt switches all of them off. */
const TRAP_HANDLER = assemble(
  `
    csrrs x5, scause, x0
    csrrs x6, stval, x0
    xor x7, x7, x6
    blt x5, x0, interrupt
    csrrs x6, sepc, x0
    addi x6, x6, 4
    csrrw x0, sepc, x6
    sret
  interrupt:
    csrrw x0, sie, x0
    sret
  `,
  { base: 0, symbols: new Map(CSRS.map((row) => [row.name, row.address])) },
).bytes;

// ------------------------------------------------------------------------------------------------------------------- code

/** Blocks one after the other, in the pages of code; the room that is left in a page lies between some of them. */
function randomCode(
  { codePages, blocksPerPage }: ScenarioSize,
  random: RandomSource,
): { readonly code: readonly Instruction[]; readonly blockOffsets: readonly number[] } {
  const end = (PAGES.code + codePages) * PAGE_BYTES;
  const placed: { readonly offset: number; readonly items: readonly Item[] }[] = [];
  let offset = PAGES.code * PAGE_BYTES;
  let inPage = 0;
  for (;;) {
    const items = randomBlock(random);
    const bytes = items.reduce((sum, item) => sum + item.bytes, 0);
    if (inPage >= blocksPerPage) {
      // The last block of a page often reaches into the next one.
      const pageEnd = Math.ceil(offset / PAGE_BYTES) * PAGE_BYTES;
      const reach = random.below(3) === 0 ? 0 : 2 * random.below(Math.max(1, bytes / 2));
      offset = Math.max(offset, pageEnd - reach);
      inPage = 0;
    }
    if (offset + bytes >= end) break;
    placed.push({ offset, items });
    inPage = Math.floor((offset + bytes) / PAGE_BYTES) === Math.floor(offset / PAGE_BYTES) ? inPage + 1 : 0;
    offset += bytes;
  }
  const blockOffsets = placed.map((block) => block.offset);
  const places = nearPlaces(blockOffsets, random);
  const code: Instruction[] = [];
  for (const block of placed) {
    let at = block.offset;
    for (const item of block.items) {
      let itemAt = at;
      for (const word of item.words(at, places)) {
        code.push({ offset: itemAt, word });
        itemAt += (word & 3) === 3 ? 4 : 2;
      }
      at += item.bytes;
    }
  }
  return { code, blockOffsets };
}

function nearPlaces(blockOffsets: readonly number[], random: RandomSource): Places {
  /** First block at or after an offset. */
  const indexAt = (offset: number): number => {
    let low = 0;
    let high = blockOffsets.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (blockOffsets[middle]! < offset) low = middle + 1;
      else high = middle;
    }
    return low;
  };
  return {
    near: (at, reach) => {
      const first = indexAt(at - reach);
      const count = indexAt(at + reach) - first;
      return count === 0 ? at : blockOffsets[first + random.below(count)]!;
    },
  };
}

// ------------------------------------------------------------------------------------------------------------------ turns

function turnsAt(
  blockOffset: number,
  blockOffsets: readonly number[],
  size: ScenarioSize,
  random: RandomSource,
): Turn[] {
  const turns: Turn[] = [{ entry: randomEntry(blockOffset, blockOffsets, random), budget: randomBudget(size, random) }];
  while (random.below(2) === 0) {
    const dice = random.below(8);
    turns.push({
      budget: randomBudget(size, random),
      ...(dice === 0 ? { line: { name: random.pick(LINES), level: random.below(2) === 0 } } : {}),
      ...(dice === 1 ? { poke: randomPoke(size, random) } : {}),
      ...(dice === 2 ? { fence: true } : {}),
    });
  }
  return turns;
}

const randomPoke = ({ codePages }: ScenarioSize, random: RandomSource): Instruction => ({
  offset: PAGES.code * PAGE_BYTES + 2 * random.below((codePages * PAGE_BYTES) / 2 - 2),
  word: randomPatchWord(random),
});

function randomBudget({ budgetMax }: ScenarioSize, random: RandomSource): number {
  const most = random.pick([8, 64, 500, budgetMax]);
  return 1 + random.below(Math.min(most, budgetMax));
}

function randomEntry(blockOffset: number, blockOffsets: readonly number[], random: RandomSource): Entry {
  const privilege = random.pick([0, 1, 3] as const);
  const own: Region = privilege === 3 ? 'bare' : privilege === 1 ? 'supervisor' : 'user';
  const region = privilege === 3 || random.below(5) !== 0 ? own : random.pick(['bare', 'mixed', 'identity'] as const);
  const handler = PAGES.handler * PAGE_BYTES;
  return {
    blockOffset,
    privilege,
    region,
    space: random.below(SPACES),
    status:
      random.pick([0, MSTATUS.fsInitial, MSTATUS.fsDirty, MSTATUS.fsDirty, MSTATUS.fsDirty]) |
      (random.below(2) === 0 ? MSTATUS.sum : 0) |
      (random.below(4) === 0 ? MSTATUS.mxr : 0) |
      (random.below(10) === 0 ? MSTATUS.mprv : 0) |
      (random.below(2) === 0 ? 2 : 0), // SIE
    fcsr: (random.below(5) << 5) | random.pick([0, 1, 1, random.below(32)]),
    medeleg: random.pick([0, 0xb3ff, 0xb3ff, random.below(0x1_0000)]),
    mideleg: random.pick([0, 0x222, 0x222]),
    mie: random.pick([0, 0xaaa, 0x222, random.below(0x1000)]),
    stvecOffset: random.below(5) === 0 ? random.pick(blockOffsets) & ~3 : handler,
    timer: random.below(3) === 0,
    registerSeed: random.below(3) === 0 ? 0 : random.word() >>> 0,
  };
}

function shuffled<T>(values: readonly T[], random: RandomSource): readonly T[] {
  const result = [...values];
  for (let i = result.length - 1; i > 0; i--) {
    const j = random.below(i + 1);
    [result[i], result[j]] = [result[j]!, result[i]!];
  }
  return result;
}
