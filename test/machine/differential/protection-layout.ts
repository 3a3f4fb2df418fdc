/** What lies where in the memory of the protection bench, and the instructions that try accesses. */
import { encode } from '../../../src/machine/isa/encode.ts';
import type { InstructionRow } from '../../../src/machine/isa/instruction.ts';
import { INSTRUCTION_BY_NAME } from '../../../src/machine/isa/table.ts';
import type { AccessType } from './access-model.ts';

export const RAM_BASE = 0x8000_0000;
export const PAGE_BYTES = 4096;
export const RAM_PAGES = 64;
/** Page 0: M-mode code. Pages 1 to 7: page tables. The others: data. */
export const TABLE_PAGES = { root: 1, middle: [2, 3], low: [4, 5, 6, 7] } as const;
export const FIRST_DATA_PAGE = 8;
/** Entries of page tables that are filled. */
export const INDEXES = [0, 1, 511] as const;

export const CSR = {
  mstatus: 0x300,
  mtvec: 0x305,
  mepc: 0x341,
  mcause: 0x342,
  mtval: 0x343,
  satp: 0x180,
  pmpcfg0: 0x3a0,
  pmpaddr0: 0x3b0,
} as const;
export const MSTATUS = { mppShift: 11n, mprv: 1n << 17n, sum: 1n << 18n, mxr: 1n << 19n } as const;

/** In every other halfword of data, so that jumps end at once; the long one across page ends. */
export const C_EBREAK = 0x9002;
export const EBREAK = 0x0010_0073;

export const ADDRESS_REGISTER = 5;
export const VALUE_REGISTER = 6;
export const RESULT_REGISTER = 7;

export interface MemoryInstruction {
  readonly name: string;
  readonly type: AccessType;
  readonly bytes: number;
  readonly signed: boolean;
  /** Loads and stores; raises the exceptions of a store. */
  readonly atomic?: true;
}

export const MEMORY_INSTRUCTIONS: readonly MemoryInstruction[] = [
  { name: 'lb', type: 'load', bytes: 1, signed: true },
  { name: 'lhu', type: 'load', bytes: 2, signed: false },
  { name: 'lw', type: 'load', bytes: 4, signed: true },
  { name: 'ld', type: 'load', bytes: 8, signed: false },
  { name: 'sb', type: 'store', bytes: 1, signed: false },
  { name: 'sh', type: 'store', bytes: 2, signed: false },
  { name: 'sw', type: 'store', bytes: 4, signed: false },
  { name: 'sd', type: 'store', bytes: 8, signed: false },
  { name: 'amoadd.w', type: 'store', bytes: 4, signed: true, atomic: true },
  { name: 'amoadd.d', type: 'store', bytes: 8, signed: false, atomic: true },
];
export const SFENCE = MEMORY_INSTRUCTIONS.length;
/** Instruction n is at RAM_BASE + 16 × n + 16; the trap handler, a nop, at RAM_BASE. */
export const codeAddress = (index: number): number => RAM_BASE + 16 * index + 16;

const word = (name: string, operands: Parameters<typeof encode>[1]): number =>
  encode(INSTRUCTION_BY_NAME.get(name) as InstructionRow, operands);

/** Fills `ram` with the code and the data; page tables stay empty. `data` gives 16 bits at a time. */
export function layOut(ram: Uint8Array, data: () => number): void {
  const view = new DataView(ram.buffer);
  ram.fill(0);
  view.setInt32(0, word('addi', { rd: 0 }), true);
  for (const [index, { name }] of MEMORY_INSTRUCTIONS.entries()) {
    const registers = { rs1: ADDRESS_REGISTER, rs2: VALUE_REGISTER, rd: RESULT_REGISTER };
    view.setInt32(16 * index + 16, word(name, registers), true);
  }
  view.setInt32(16 * SFENCE + 16, word('sfence.vma', {}), true);
  for (let offset = FIRST_DATA_PAGE * PAGE_BYTES; offset < ram.length; offset += 4) {
    view.setInt32(offset, (data() << 16) | C_EBREAK, true);
  }
  for (let offset = FIRST_DATA_PAGE * PAGE_BYTES; offset < ram.length; offset += PAGE_BYTES) {
    view.setUint16(offset, EBREAK >>> 16, true);
    view.setUint16(offset + PAGE_BYTES - 2, EBREAK & 0xffff, true);
  }
}
