/** The guest code of a region as basic blocks: which instructions belong to it, where they lead, where it is entered. */

import { fastCsr } from '../hart/fast-csr.ts';
import { isRelative, isSystem } from '../hart/handlers.ts';
import { PAGE_BYTES } from '../hart/layout.ts';
import { type Decoded, decode } from '../isa/decode.ts';

/** A page of code, at the virtual address it has while its region is made. */
export interface CodePage {
  /** Address of its records, which tells pages apart. */
  readonly records: number;
  /** Address in linear memory. */
  readonly linear: number;
  /** Virtual address relative to the first page of the region. */
  readonly base: number;
}

export interface RegionInstruction {
  readonly decoded: Decoded;
  readonly word: number;
  /** In the page. */
  readonly offset: number;
  /** Of a jalr right behind the auipc that computes its target: the target, as an offset like `Edge.offset`. */
  readonly target?: number;
}

/** Where control goes: to a block, or out of the region. `offset` counts from the page of the block it comes from. */
export interface Edge {
  readonly offset: number;
  readonly block: number | undefined;
}

export type BlockEnd =
  | { readonly kind: 'next'; readonly next: Edge }
  /** The last instruction is a branch. */
  | { readonly kind: 'branch'; readonly taken: Edge; readonly next: Edge }
  /** The last instruction is jal, or jalr with a known target. */
  | { readonly kind: 'jump'; readonly target: Edge }
  /** The last instruction is jalr. */
  | { readonly kind: 'indirect' }
  /** What follows is executed by the interpreter. */
  | { readonly kind: 'interpret'; readonly offset: number };

export interface BasicBlock {
  readonly page: number;
  readonly offset: number;
  readonly instructions: readonly RegionInstruction[];
  readonly end: BlockEnd;
}

export interface RegionCode {
  readonly pages: readonly CodePage[];
  readonly blocks: readonly BasicBlock[];
  /** Blocks that are entered from outside. */
  readonly entries: readonly number[];
  readonly instructions: number;
}

/** What a region is made of. */
export interface CodeSource {
  /** Two bytes of code at an address in linear memory. */
  halfword(linear: number): number;
  /** Whether the instruction is to be part of the region. */
  includes(page: CodePage, offset: number): boolean;
  /** The page at a virtual address relative to the first page; undefined when it is to stay outside. */
  pageAt(base: number): CodePage | undefined;
}

const HALFWORDS = PAGE_BYTES / 2;
const LAST_HALFWORD = PAGE_BYTES - 2;
const isLong = (halfword: number): boolean => (halfword & 3) === 3;
/** Bytes of the instruction that begins with this halfword. */
export const bytesOf = (halfword: number): number => (isLong(halfword) ? 4 : 2);

/** Decoded words are kept: code repeats itself. Emptied when full. */
const DECODED_MAX = 0x1_0000;
const decodedWords = new Map<number, Decoded | null>();

function decodeWord(word: number): Decoded | undefined {
  let decoded = decodedWords.get(word);
  if (decoded === undefined) {
    if (decodedWords.size === DECODED_MAX) decodedWords.clear();
    decoded = decode(word) ?? null;
    decodedWords.set(word, decoded);
  }
  return decoded ?? undefined;
}

/** A region has code for it; all else is left to the interpreter. */
function isTranslated({ row, operands }: Decoded): boolean {
  if (isSystem(row)) return fastCsr(row.name, operands) !== undefined;
  return row.nativeRounding === undefined || row.nativeRounding.includes(operands.rm);
}

type Flow = 'straight' | 'branch' | 'jump' | 'indirect';

function flowOf({ row }: Decoded): Flow {
  if (row.name === 'jalr') return 'indirect';
  if (!isRelative(row)) return 'straight';
  return row.name === 'jal' ? 'jump' : 'branch';
}

const AUIPC_BYTES = 4;

/** Target of a jalr right behind an auipc for it. */
function knownTarget(before: RegionInstruction | undefined, jump: RegionInstruction): number | undefined {
  const { row, operands } = jump.decoded;
  if (row.name !== 'jalr' || before?.decoded.row.name !== 'auipc') return undefined;
  if (before.offset + AUIPC_BYTES !== jump.offset || before.decoded.operands.rd !== operands.rs1) return undefined;
  return (before.offset + before.decoded.operands.imm + operands.imm) & ~1;
}

/** Marks of a halfword. */
const MARK = { leader: 1, entry: 2, visited: 4, target: 8 } as const;

class PageScan {
  readonly page: CodePage;
  readonly marks = new Uint8Array(HALFWORDS + 1);
  readonly instructions: (RegionInstruction | undefined)[] = new Array(HALFWORDS);
  readonly blockAt = new Map<number, number>();

  constructor(page: CodePage) {
    this.page = page;
  }

  mark(offset: number, mark: number): void {
    this.marks[offset >> 1]! |= mark;
  }

  has(offset: number, mark: number): boolean {
    return (this.marks[offset >> 1]! & mark) !== 0;
  }
}

/** A place to go on from. */
interface Place {
  readonly page: number;
  readonly offset: number;
}

export class RegionScan {
  readonly #source: CodeSource;
  #instructionsMax: number;
  readonly #pages: PageScan[] = [];
  readonly #work: Place[] = [];
  /** Places in other pages, to be taken in when the page itself is. */
  readonly #elsewhere: Place[] = [];
  #instructions = 0;

  constructor(source: CodeSource, instructionsMax: number) {
    this.#source = source;
    this.#instructionsMax = instructionsMax;
  }

  addPage(page: CodePage): number {
    return this.#pages.push(new PageScan(page)) - 1;
  }

  /** Takes in what can be reached from a place. An `entry` is entered from outside whatever else leads there. */
  addRoot(page: number, offset: number, entry: boolean): void {
    const scan = this.#pages[page]!;
    if (entry) scan.mark(offset, MARK.entry);
    scan.mark(offset, MARK.leader);
    this.#work.push({ page, offset });
    for (let place = this.#work.pop(); place !== undefined; place = this.#work.pop()) {
      this.#follow(this.#pages[place.page]!, place.page, place.offset);
    }
  }

  /** Every instruction that is included begins or belongs to a block; those nothing in the region leads to are entries. */
  addWholePage(page: number): void {
    const scan = this.#pages[page]!;
    const roots: number[] = [];
    for (let offset = 0; offset < PAGE_BYTES; offset += 2) {
      if (scan.has(offset, MARK.visited) || !this.#source.includes(scan.page, offset)) continue;
      roots.push(offset);
      this.addRoot(page, offset, false);
    }
    for (const offset of roots) if (!scan.has(offset, MARK.target)) scan.mark(offset, MARK.entry);
  }

  /** Takes in what the region calls and jumps to in other pages, nearest first, as far as there is room. */
  addElsewhere(instructionsMore: number): void {
    this.#instructionsMax = this.#instructions + instructionsMore;
    for (let i = 0; i < this.#elsewhere.length && this.#instructions < this.#instructionsMax; i++) {
      const { page, offset } = this.#elsewhere[i]!;
      this.addRoot(page, offset, false);
    }
  }

  /** Makes an instruction of the first page that was taken in an entry. */
  addEntry(offset: number): void {
    const scan = this.#pages[0]!;
    if (scan.instructions[offset >> 1] !== undefined) scan.mark(offset, MARK.leader | MARK.entry);
  }

  #read(scan: PageScan, offset: number): RegionInstruction | undefined {
    const { linear } = scan.page;
    const low = this.#source.halfword(linear + offset);
    if (isLong(low) && offset === LAST_HALFWORD) return undefined;
    const word = isLong(low) ? low | (this.#source.halfword(linear + offset + 2) << 16) : low;
    const decoded = decodeWord(word);
    return decoded !== undefined && isTranslated(decoded) ? { decoded, word, offset } : undefined;
  }

  /** Straight on from a place until code ends, is known already, or jumps. */
  #follow(scan: PageScan, page: number, from: number): void {
    for (let offset = from; ; ) {
      if (offset >= PAGE_BYTES) {
        this.#leadTo(page, offset, false);
        return;
      }
      if (scan.has(offset, MARK.visited)) {
        // Code that is reached twice begins a block of its own.
        if (offset !== from) {
          scan.mark(offset, MARK.leader | MARK.target);
        }
        return;
      }
      if (this.#instructions >= this.#instructionsMax || !this.#source.includes(scan.page, offset)) return;
      scan.mark(offset, MARK.visited);
      const instruction = this.#read(scan, offset);
      if (instruction === undefined) {
        this.#afterInterpreted(scan, page, offset);
        return;
      }
      this.#instructions += 1;
      scan.instructions[offset >> 1] = instruction;
      const { decoded } = instruction;
      const next = offset + decoded.bytes;
      const flow = flowOf(decoded);
      if (flow === 'straight') {
        offset = next;
        continue;
      }
      const links = flow !== 'branch' && decoded.operands.rd !== 0;
      if (flow !== 'indirect') this.#leadTo(page, offset + decoded.operands.imm, links, offset);
      else {
        const target = knownTarget(scan.instructions[(offset - AUIPC_BYTES) >> 1], instruction);
        if (target !== undefined) this.#leadTo(page, target, links, offset);
      }
      if (flow === 'branch') this.#leadTo(page, next, false);
      else if (links) this.#leadTo(page, next, true);
      return;
    }
  }

  /** The interpreter comes back behind an instruction that it executes. */
  #afterInterpreted(scan: PageScan, page: number, offset: number): void {
    const next = offset + bytesOf(this.#source.halfword(scan.page.linear + offset));
    if (next < PAGE_BYTES) this.#leadTo(page, next, true);
  }

  /** `outside`: it is also reached from outside the region. `from`: of a jump; loops are entered at their head. */
  #leadTo(page: number, target: number, outside: boolean, from = -1): void {
    const place = this.#place(page, target, true);
    if (place === undefined) return;
    const scan = this.#pages[place.page]!;
    if (!scan.has(place.offset, MARK.visited) && !this.#source.includes(scan.page, place.offset)) return;
    const isLoop = place.page === page && place.offset <= from;
    // What other pages hold is entered through the regions of those pages.
    const isEntry = place.page === 0 && (outside || isLoop);
    scan.mark(place.offset, MARK.leader | MARK.target | (isEntry ? MARK.entry : 0));
    if (place.page === page) this.#work.push(place);
    else this.#elsewhere.push(place);
  }

  /** Page and offset of a target that may lie in another page of the region. */
  #place(page: number, target: number, add: boolean): Place | undefined {
    if (target >= 0 && target < PAGE_BYTES) return { page, offset: target };
    const from = this.#pages[page]!.page;
    const distance = Math.floor(target / PAGE_BYTES) * PAGE_BYTES;
    const found = this.#source.pageAt(from.base + distance);
    if (found === undefined) return undefined;
    let index = this.#pages.findIndex((scan) => scan.page.records === found.records);
    if (index < 0 && !add) return undefined;
    if (index < 0) index = this.addPage(found);
    // A page that is mapped twice is part of the region at one address only.
    else if (this.#pages[index]!.page.base !== found.base) return undefined;
    return { page: index, offset: target - distance };
  }

  // ------------------------------------------------------------------------------------------------------- blocks

  finish(): RegionCode {
    const starts: Place[] = [];
    for (const [page, scan] of this.#pages.entries()) {
      for (let offset = 0; offset < PAGE_BYTES; offset += 2) {
        if (!scan.has(offset, MARK.leader) || scan.instructions[offset >> 1] === undefined) continue;
        scan.blockAt.set(offset, starts.length);
        starts.push({ page, offset });
      }
    }
    const blocks = starts.map(({ page, offset }) => this.#block(page, offset));
    const entries = starts.flatMap(({ page, offset }, i) => (this.#pages[page]!.has(offset, MARK.entry) ? [i] : []));
    return { pages: this.#pages.map((scan) => scan.page), blocks, entries, instructions: this.#instructions };
  }

  #edge(page: number, target: number): Edge {
    const place = this.#place(page, target, false);
    const block = place === undefined ? undefined : this.#pages[place.page]!.blockAt.get(place.offset);
    return { offset: target, block };
  }

  #block(page: number, start: number): BasicBlock {
    const scan = this.#pages[page]!;
    const instructions: RegionInstruction[] = [];
    const ended = (end: BlockEnd): BasicBlock => ({ page, offset: start, instructions, end });
    for (let offset = start; ; ) {
      const instruction = offset < PAGE_BYTES ? scan.instructions[offset >> 1] : undefined;
      if (instruction === undefined) {
        const isInterpreted = offset < PAGE_BYTES && scan.has(offset, MARK.visited);
        return ended(isInterpreted ? { kind: 'interpret', offset } : { kind: 'next', next: this.#edge(page, offset) });
      }
      if (offset !== start && scan.has(offset, MARK.leader)) {
        return ended({ kind: 'next', next: this.#edge(page, offset) });
      }
      const { decoded } = instruction;
      const known = knownTarget(instructions.at(-1), instruction);
      instructions.push(known === undefined ? instruction : { ...instruction, target: known });
      if (known !== undefined) return ended({ kind: 'jump', target: this.#edge(page, known) });
      const next = offset + decoded.bytes;
      const target = offset + decoded.operands.imm;
      switch (flowOf(decoded)) {
        case 'branch':
          return ended({ kind: 'branch', taken: this.#edge(page, target), next: this.#edge(page, next) });
        case 'jump':
          return ended({ kind: 'jump', target: this.#edge(page, target) });
        case 'indirect':
          return ended({ kind: 'indirect' });
        case 'straight':
          offset = next;
      }
    }
  }
}
