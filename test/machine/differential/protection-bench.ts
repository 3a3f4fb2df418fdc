/** A hart with random page tables and PMP entries, and the same state for the model. */
import type { PhysicalMemory } from '../../../src/machine/door.ts';
import { createHart } from '../../../src/machine/hart/hart.ts';
import type { Hart } from '../../../src/machine/hart-contract.ts';
import { createPhysicalMemory } from '../../../src/machine/memory.ts';
import type { PmpEntry } from './access-model.ts';
import {
  CSR,
  codeAddress,
  FIRST_DATA_PAGE,
  INDEXES,
  layOut,
  MSTATUS,
  PAGE_BYTES,
  RAM_BASE,
  RAM_PAGES,
  SFENCE,
  TABLE_PAGES,
} from './protection-layout.ts';
import type { RandomSource } from './random-source.ts';

export interface Bench {
  readonly hart: Hart;
  readonly memory: PhysicalMemory;
  readonly state: { satp: bigint; pmp: readonly PmpEntry[]; readonly ramBase: bigint; readonly ram: Uint8Array };
}

export function createBench(): Bench {
  const memory = createPhysicalMemory(RAM_BASE, RAM_PAGES * PAGE_BYTES);
  const hart = createHart({
    hartId: 0,
    memory,
    bus: { read: () => undefined, write: () => false },
    time: () => 0n,
    machineModeEntries: new Set(),
  });
  const ram = new Uint8Array(RAM_PAGES * PAGE_BYTES);
  return { hart, memory, state: { satp: 0n, pmp: [], ramBase: BigInt(RAM_BASE), ram } };
}

/** New contents of RAM, new page tables, new PMP entries. */
export function beginRound({ hart, memory, state }: Bench, random: RandomSource): void {
  layOut(state.ram, random.word);
  fillTables(new DataView(state.ram.buffer), random);
  memory.write(RAM_BASE, state.ram);
  hart.reset(RAM_BASE);
  hart.state.setCsr(CSR.mtvec, BigInt(RAM_BASE));
  state.pmp = randomPmp(random);
  installPmp(hart, state.pmp);
  state.satp = random.below(8) === 0 ? 0n : (8n << 60n) | BigInt(RAM_BASE / PAGE_BYTES + TABLE_PAGES.root);
  hart.state.setCsr(CSR.satp, state.satp);
  hart.state.fenceVma();
}

function fillTables(view: DataView, random: RandomSource): void {
  const fill = (page: number, level: number, nextTables: readonly number[]): void => {
    for (const index of INDEXES) {
      view.setBigUint64(page * PAGE_BYTES + 8 * index, randomPte(level, nextTables, random), true);
    }
  };
  fill(TABLE_PAGES.root, 2, TABLE_PAGES.middle);
  for (const page of TABLE_PAGES.middle) fill(page, 1, TABLE_PAGES.low);
  for (const page of TABLE_PAGES.low) fill(page, 0, []);
}

/** Mostly valid leaves and pointers, so that translations succeed often enough to stay in the TLB. */
function randomPte(level: number, nextTables: readonly number[], random: RandomSource): bigint {
  const firstPage = RAM_BASE / PAGE_BYTES;
  const valid = random.below(24) === 0 ? 0 : 1;
  if (nextTables.length > 0 && random.below(5) !== 0) {
    const stray = random.below(40) === 0 ? random.pick([0x10, 0x40, 0x80]) : 0;
    return (BigInt(firstPage + random.pick(nextTables)) << 10n) | BigInt(valid | stray);
  }
  const page = firstPage + FIRST_DATA_PAGE + random.below(RAM_PAGES - FIRST_DATA_PAGE);
  const strayPage = random.below(12) === 0;
  const ppn = level === 0 ? (strayPage ? 0x10_000 : page) : strayPage ? page : firstPage;
  const rwx = 0xe;
  const permissions =
    random.below(2) === 0 ? rwx : random.pick([0x6, 0x2, 0x8, 0xa, 0x4, 0xc, level === 0 ? 0x0 : rwx]);
  const flags = permissions | (random.below(2) << 4) | (random.below(8) << 5) | valid;
  const reserved = random.below(40) === 0 ? 1n << BigInt(54 + random.below(10)) : 0n;
  return reserved | (BigInt(ppn) << 10n) | BigInt(flags);
}

const napot = (base: number, bytes: number): bigint => (BigInt(base) >> 2n) | BigInt(bytes / 8 - 1);

/** Entry 0 keeps the M-mode code reachable; the last one opens what the others leave. */
function randomPmp(random: RandomSource): PmpEntry[] {
  const entries: PmpEntry[] = [{ cfg: 0x9f, addr: napot(RAM_BASE, PAGE_BYTES) }];
  const count = random.pick([0, 0, 1, 2, 5]);
  for (let index = 0; index < count; index += 1) entries.push(...randomPmpRange(random));
  while (entries.length < 15) entries.push({ cfg: 0, addr: 0n });
  const rest = random.pick([0x1f, 0x1f, 0x1f, 0x1f, 0x1f, 0x1b, 0x19, 0x00]);
  entries.push({ cfg: rest, addr: (1n << 53n) - 1n });
  return entries;
}

/** Four bytes, pages as NAPOT, or pages as TOR above an entry that is off. */
function randomPmpRange(random: RandomSource): PmpEntry[] {
  const cfg = random.pick([7, 7, 3, 1, 5, 4, 0]) | (random.below(4) === 0 ? 0x80 : 0);
  const kind = random.below(3);
  if (kind === 0) {
    const address = RAM_BASE + PAGE_BYTES + 4 * random.below(((RAM_PAGES - 1) * PAGE_BYTES) / 4);
    return [{ cfg: cfg | 0x10, addr: BigInt(address) >> 2n }];
  }
  const page = RAM_BASE + PAGE_BYTES * random.below(RAM_PAGES);
  const cut = random.pick([0, 0, 0, 4 * random.below(1024)]);
  const pages = random.pick([1, 2, 8, 32]);
  if (kind === 1) {
    const base = page - (page % (pages * PAGE_BYTES));
    return [{ cfg: cfg | 0x18, addr: napot(base, pages * PAGE_BYTES) }];
  }
  return [
    { cfg: 0, addr: BigInt(page + cut) >> 2n },
    { cfg: cfg | 0x08, addr: BigInt(page + cut + pages * PAGE_BYTES) >> 2n },
  ];
}

function installPmp(hart: Hart, entries: readonly PmpEntry[]): void {
  for (const [index, { addr }] of entries.entries()) hart.state.setCsr(CSR.pmpaddr0 + index, addr);
  for (const half of [0, 1]) {
    const eight = entries.slice(8 * half, 8 * half + 8);
    const packed = eight.reduce((sum, { cfg }, i) => sum | (BigInt(cfg) << BigInt(8 * i)), 0n);
    hart.state.setCsr(CSR.pmpcfg0 + 2 * half, packed);
  }
}

export function readPmp(hart: Hart): PmpEntry[] {
  return Array.from({ length: 16 }, (_, index) => {
    const cfgs = hart.state.csr(CSR.pmpcfg0 + 2 * Math.floor(index / 8));
    return { cfg: Number((cfgs >> BigInt(8 * (index % 8))) & 0xffn), addr: hart.state.csr(CSR.pmpaddr0 + index) };
  });
}

/** "Locked PMP entries remain locked until the hart is reset", and so does the address below a locked TOR entry. */
function keepLocked(before: readonly PmpEntry[], wanted: readonly PmpEntry[]): PmpEntry[] {
  const isLocked = (entry: PmpEntry | undefined): boolean => ((entry?.cfg ?? 0) & 0x80) !== 0;
  const isTor = (entry: PmpEntry | undefined): boolean => ((entry?.cfg ?? 0) & 0x18) === 0x08;
  return wanted.map((entry, index) => {
    const old = before[index] as PmpEntry;
    if (isLocked(old)) return old;
    const above = before[index + 1];
    return isLocked(above) && isTor(above) ? { cfg: entry.cfg, addr: old.addr } : entry;
  });
}

/** New PMP entries or a new page table entry, and the fence that either needs. */
export function changeProtection({ hart, memory, state }: Bench, random: RandomSource): void {
  if (random.below(3) === 0) {
    const wanted = randomPmp(random);
    installPmp(hart, wanted);
    state.pmp = keepLocked(state.pmp, wanted);
  } else {
    const level = random.below(3);
    const page = random.pick([TABLE_PAGES.low, TABLE_PAGES.middle, [TABLE_PAGES.root]][level] as readonly number[]);
    const nextTables = [[], TABLE_PAGES.low, TABLE_PAGES.middle][level] as readonly number[];
    const offset = page * PAGE_BYTES + 8 * random.pick(INDEXES);
    new DataView(state.ram.buffer).setBigUint64(offset, randomPte(level, nextTables, random), true);
    memory.write(RAM_BASE + offset, state.ram.subarray(offset, offset + 8));
  }
  hart.state.setCsr(CSR.mstatus, 3n << MSTATUS.mppShift);
  hart.pc = BigInt(codeAddress(SFENCE));
  hart.run(1);
}
