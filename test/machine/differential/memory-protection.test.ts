/**
 * Random page tables, PMP entries and privileges: every access of the hart is allowed, lands and faults as the model
 * says. Nothing is fenced between accesses, so that what the TLB keeps is under test too.
 */
import { describe, expect, test } from 'vitest';
import type { PhysicalMemory } from '../../../src/machine/door.ts';
import { createHart } from '../../../src/machine/hart/hart.ts';
import type { Hart } from '../../../src/machine/hart-contract.ts';
import { encode } from '../../../src/machine/isa/encode.ts';
import type { InstructionRow } from '../../../src/machine/isa/instruction.ts';
import { INSTRUCTION_BY_NAME } from '../../../src/machine/isa/table.ts';
import { createPhysicalMemory } from '../../../src/machine/memory.ts';
import {
  type Access,
  type AccessType,
  checkAccess,
  type PmpEntry,
  type Privilege,
  type ProtectionState,
} from './access-model.ts';
import { type RandomSource, randomSource } from './random-source.ts';

const RAM_BASE = 0x8000_0000;
const PAGE_BYTES = 4096;
const RAM_PAGES = 64;
/** Page 0: M-mode code. Pages 1 to 7: page tables. The others: data, half of them under finer PMP entries. */
const TABLE_PAGES = { root: 1, middle: [2, 3], low: [4, 5, 6, 7] } as const;
const FIRST_DATA_PAGE = 8;
const FIRST_SUBDIVIDED_PAGE = 56;
const ROUNDS = 40;
const ACCESSES = 60;

const CSR = {
  mstatus: 0x300,
  mtvec: 0x305,
  mepc: 0x341,
  mcause: 0x342,
  mtval: 0x343,
  satp: 0x180,
  pmpcfg0: 0x3a0,
  pmpaddr0: 0x3b0,
};
const MSTATUS = { mpp: 11n, mprv: 1n << 17n, sum: 1n << 18n, mxr: 1n << 19n };
const C_EBREAK = 0x9002;
const CAUSE_BREAKPOINT = 3n;
const ADDRESS_REGISTER = 5;
const VALUE_REGISTER = 6;

const MEMORY_INSTRUCTIONS: readonly { name: string; type: AccessType; bytes: number; signed: boolean }[] = [
  { name: 'lb', type: 'load', bytes: 1, signed: true },
  { name: 'lhu', type: 'load', bytes: 2, signed: false },
  { name: 'lw', type: 'load', bytes: 4, signed: true },
  { name: 'ld', type: 'load', bytes: 8, signed: false },
  { name: 'sb', type: 'store', bytes: 1, signed: false },
  { name: 'sh', type: 'store', bytes: 2, signed: false },
  { name: 'sw', type: 'store', bytes: 4, signed: false },
  { name: 'sd', type: 'store', bytes: 8, signed: false },
];
/** Instruction n is at RAM_BASE + 16 × n + 16; the trap handler, a nop, at RAM_BASE. */
const codeAddress = (index: number): number => RAM_BASE + 16 * index + 16;

interface Bench {
  readonly hart: Hart;
  readonly memory: PhysicalMemory;
  readonly state: { satp: bigint; pmp: readonly PmpEntry[]; readonly ramBase: bigint; readonly ram: Uint8Array };
}

const word = (name: string, operands: Parameters<typeof encode>[1]): number =>
  encode(INSTRUCTION_BY_NAME.get(name) as InstructionRow, operands);

function createBench(): Bench {
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
function beginRound({ hart, memory, state }: Bench, random: RandomSource): void {
  const view = new DataView(state.ram.buffer);
  state.ram.fill(0);
  view.setInt32(0, word('addi', { rd: 0 }), true);
  for (const [index, { name, type }] of MEMORY_INSTRUCTIONS.entries()) {
    const register = type === 'load' ? { rd: VALUE_REGISTER } : { rs2: VALUE_REGISTER };
    view.setInt32(16 * index + 16, word(name, { rs1: ADDRESS_REGISTER, ...register }), true);
  }
  fillTables(view, random);
  for (let offset = FIRST_DATA_PAGE * PAGE_BYTES; offset < state.ram.length; offset += 4) {
    view.setInt32(offset, (random.word() << 16) | C_EBREAK, true);
  }
  memory.write(RAM_BASE, state.ram);
  hart.reset(RAM_BASE);
  hart.state.setCsr(CSR.mtvec, BigInt(RAM_BASE));
  state.pmp = randomPmp(random);
  installPmp(hart, state.pmp);
  state.satp = random.below(8) === 0 ? 0n : (8n << 60n) | BigInt(RAM_BASE / PAGE_BYTES + TABLE_PAGES.root);
  hart.state.setCsr(CSR.satp, state.satp);
  hart.state.fenceVma();
}

const INDEXES = [0, 1, 2, 3, 511] as const;

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

function randomPte(level: number, nextTables: readonly number[], random: RandomSource): bigint {
  const firstPage = RAM_BASE / PAGE_BYTES;
  const valid = random.below(24) === 0 ? 0 : 1;
  if (nextTables.length > 0 && random.below(5) !== 0) {
    const stray = random.below(40) === 0 ? random.pick([0x10, 0x40, 0x80]) : 0;
    return (BigInt(firstPage + random.pick(nextTables)) << 10n) | BigInt(valid | stray);
  }
  const page = firstPage + FIRST_DATA_PAGE + random.below(RAM_PAGES - FIRST_DATA_PAGE);
  const ppn =
    level === 0 ? random.pick([page, page, page, page, page, 0x10_000]) : random.pick([firstPage, firstPage, page]);
  const permissions = random.pick([0xe, 0xe, 0x6, 0x2, 0x8, 0xa, 0x4, 0xc, 0x0]);
  const flags = permissions | (random.below(2) << 4) | (random.below(8) << 5) | valid;
  const reserved = random.below(40) === 0 ? 1n << BigInt(54 + random.below(10)) : 0n;
  return reserved | (BigInt(ppn) << 10n) | BigInt(flags);
}

const napot = (base: number, bytes: number): bigint => (BigInt(base) >> 2n) | BigInt(bytes / 8 - 1);

/** Entry 0 keeps the M-mode code reachable; the last one opens what the others leave. */
function randomPmp(random: RandomSource): PmpEntry[] {
  const entries: PmpEntry[] = [{ cfg: 0x9f, addr: napot(RAM_BASE, PAGE_BYTES) }];
  const count = random.below(6);
  for (let index = 0; index < count; index += 1) entries.push(...randomPmpRange(random));
  while (entries.length < 15) entries.push({ cfg: 0, addr: 0n });
  const rest = random.pick([0x1f, 0x1f, 0x1f, 0x1b, 0x19, 0x00]);
  entries.push({ cfg: rest, addr: (1n << 53n) - 1n });
  return entries;
}

/** Four bytes of a subdivided page, pages as NAPOT, or pages as TOR above an entry that is off. */
function randomPmpRange(random: RandomSource): PmpEntry[] {
  const cfg = random.pick([7, 7, 3, 1, 5, 4, 0]) | (random.below(4) === 0 ? 0x80 : 0);
  const kind = random.below(3);
  if (kind === 0) {
    const address = RAM_BASE + FIRST_SUBDIVIDED_PAGE * PAGE_BYTES + 4 * random.below(8 * 1024);
    return [{ cfg: cfg | 0x10, addr: BigInt(address) >> 2n }];
  }
  const page = RAM_BASE + PAGE_BYTES * random.below(RAM_PAGES);
  const pages = random.pick([1, 2, 8, 32]);
  if (kind === 1) {
    const base = page - (page % (pages * PAGE_BYTES));
    return [{ cfg: cfg | 0x18, addr: napot(base, pages * PAGE_BYTES) }];
  }
  return [
    { cfg: 0, addr: BigInt(page) >> 2n },
    { cfg: cfg | 0x08, addr: BigInt(page + pages * PAGE_BYTES) >> 2n },
  ];
}

function installPmp(hart: Hart, entries: readonly PmpEntry[]): void {
  for (const [index, { addr }] of entries.entries()) hart.state.setCsr(CSR.pmpaddr0 + index, addr);
  for (const half of [0, 1]) {
    const packed = entries
      .slice(8 * half, 8 * half + 8)
      .reduce((sum, { cfg }, i) => sum | (BigInt(cfg) << BigInt(8 * i)), 0n);
    hart.state.setCsr(CSR.pmpcfg0 + 2 * half, packed);
  }
}

function randomAddress(bytes: number, translated: boolean, random: RandomSource): bigint {
  const offset = BigInt(random.below(PAGE_BYTES / bytes) * bytes);
  if (!translated) return BigInt(RAM_BASE + random.below(RAM_PAGES + 1) * PAGE_BYTES) + offset;
  const [vpn2, vpn1, vpn0] = [random.pick(INDEXES), random.pick(INDEXES), random.pick([...INDEXES, 9, 57])];
  const address = (BigInt(vpn2) << 30n) | (BigInt(vpn1) << 21n) | (BigInt(vpn0) << 12n) | offset;
  const isCanonical = random.below(30) !== 0;
  return isCanonical ? BigInt.asUintN(64, BigInt.asIntN(39, address)) : address | (1n << BigInt(39 + random.below(25)));
}

function mstatusOf({ privilege, sum, mxr }: Access, mprv: boolean): bigint {
  return (
    (BigInt(privilege) << MSTATUS.mpp) |
    (mprv ? MSTATUS.mprv : 0n) |
    (sum ? MSTATUS.sum : 0n) |
    (mxr ? MSTATUS.mxr : 0n)
  );
}

/** Undefined when the hart did as the model says. */
function tryDataAccess(bench: Bench, random: RandomSource): string | undefined {
  const { hart, state } = bench;
  const index = random.below(MEMORY_INSTRUCTIONS.length);
  const instruction = MEMORY_INSTRUCTIONS[index] as (typeof MEMORY_INSTRUCTIONS)[number];
  const access = randomAccess(instruction.type, instruction.bytes, state.satp !== 0n, random);
  const undo = state.ram.slice();
  const expected = checkAccess(state as ProtectionState, access);
  if (expected.allowed && access.type === 'store' && isKept(state, expected.physical)) {
    state.ram.set(undo);
    return undefined;
  }
  const value = random.integerPattern();
  hart.state.setX(ADDRESS_REGISTER, access.address);
  hart.state.setX(VALUE_REGISTER, value);
  hart.state.setCsr(CSR.mstatus, mstatusOf(access, true));
  hart.pc = BigInt(codeAddress(index));
  hart.run(1);
  const found = outcome(hart, access);
  if (!expected.allowed) return mismatch(access, `cause ${expected.cause} tval ${expected.tval.toString(16)}`, found);
  if (access.type === 'store') {
    for (const [byte, physical] of expected.physical.entries()) {
      state.ram[Number(physical - state.ramBase)] = Number((value >> BigInt(8 * byte)) & 0xffn);
    }
    return mismatch(access, 'no trap', found);
  }
  const loaded = expected.physical.reduce(
    (sum, physical, byte) => sum | (BigInt(state.ram[Number(physical - state.ramBase)] as number) << BigInt(8 * byte)),
    0n,
  );
  const extended = instruction.signed ? BigInt.asUintN(64, BigInt.asIntN(8 * instruction.bytes, loaded)) : loaded;
  const register = BigInt.asUintN(64, hart.state.x(VALUE_REGISTER));
  return mismatch(access, `no trap, ${extended.toString(16)}`, `${found}, ${register.toString(16)}`);
}

/** Jumps to an address where the model expects a c.ebreak, or a fault. */
function tryFetch(bench: Bench, random: RandomSource): string | undefined {
  const { hart, state } = bench;
  const access = randomAccess('fetch', 2, state.satp !== 0n, random);
  const undo = state.ram.slice();
  const expected = checkAccess(state as ProtectionState, access);
  if (expected.allowed) {
    const offset = Number((expected.physical[0] as bigint) - state.ramBase);
    const isEbreak = ((state.ram[offset] as number) | ((state.ram[offset + 1] as number) << 8)) === C_EBREAK;
    if (!isEbreak || offset >= FIRST_SUBDIVIDED_PAGE * PAGE_BYTES) {
      state.ram.set(undo);
      return undefined;
    }
  }
  hart.state.setCsr(CSR.mstatus, mstatusOf(access, false));
  hart.state.setCsr(CSR.mepc, access.address);
  hart.mret();
  hart.run(1);
  const what = expected.allowed
    ? `cause ${CAUSE_BREAKPOINT}`
    : `cause ${expected.cause} tval ${expected.tval.toString(16)}`;
  const found = outcome(hart, access);
  return mismatch(access, what, expected.allowed ? (found.split(' tval')[0] as string) : found);
}

function randomAccess(type: AccessType, bytes: number, translated: boolean, random: RandomSource): Access {
  const privilege: Privilege = random.pick([0, 1, 1, 3]);
  const address = randomAddress(bytes, translated && privilege !== 3, random);
  return { type, bytes, privilege, address, sum: random.below(2) === 1, mxr: random.below(2) === 1 };
}

/** Code and page tables are not to be overwritten. */
const isKept = (state: Bench['state'], physical: readonly bigint[]): boolean =>
  physical.some((address) => address < state.ramBase + BigInt(FIRST_DATA_PAGE * PAGE_BYTES));

function outcome(hart: Hart, access: Access): string {
  const handled = hart.pc === BigInt(RAM_BASE + 4);
  if (!handled) return 'no trap';
  const mtval = BigInt.asUintN(64, hart.state.csr(CSR.mtval));
  const mepc = BigInt.asUintN(64, hart.state.csr(CSR.mepc));
  const at = access.type !== 'fetch' || mepc === access.address ? '' : ` mepc ${mepc.toString(16)}`;
  return `cause ${hart.state.csr(CSR.mcause)} tval ${mtval.toString(16)}${at}`;
}

function mismatch(access: Access, expected: string, found: string): string | undefined {
  if (expected === found) return undefined;
  const { type, bytes, address, privilege, sum, mxr } = access;
  return `${type} of ${bytes} at ${address.toString(16)}, privilege ${privilege}, SUM ${sum}, MXR ${mxr}: expected ${expected}, found ${found}`;
}

describe('memory protection', () => {
  const bench = createBench();
  test.each([1, 2, 3, 4])('every access does what the model says, seed %i', (seed) => {
    const random = randomSource(seed);
    let tried = 0;
    for (let round = 0; round < ROUNDS; round += 1) {
      beginRound(bench, random);
      const wrong: string[] = [];
      for (let access = 0; access < ACCESSES; access += 1) {
        const difference = random.below(4) === 0 ? tryFetch(bench, random) : tryDataAccess(bench, random);
        if (difference !== undefined) wrong.push(`round ${round}: ${difference}`);
        tried += 1;
      }
      expect(wrong).toEqual([]);
      const held = bench.memory.view(RAM_BASE, bench.state.ram.length);
      expect(Buffer.compare(held, bench.state.ram), `round ${round}: RAM`).toBe(0);
    }
    expect(tried).toBe(ROUNDS * ACCESSES);
  });
});
