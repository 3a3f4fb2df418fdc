/**
 * Straight-line programs of random instructions, to be run by two implementations of RISC-V.
 *
 * A program is a row of blocks. A block loads x, f and fcsr from its record in memory, executes random instructions and
 * writes the registers back into the record; records and a scratch buffer for loads and stores are the program's
 * result. It ends in system calls of Linux: write(1, result, bytes) and exit(0).
 */
import { encode } from '../../../src/machine/isa/encode.ts';
import type { InstructionRow } from '../../../src/machine/isa/instruction.ts';
import type { Operands } from '../../../src/machine/isa/operand.ts';
import { COMPRESSED, INSTRUCTION_BY_NAME, INSTRUCTIONS } from '../../../src/machine/isa/table.ts';
import { baseOf, isMemory, type OperandChoices, type Row, randomWord } from './random-instruction.ts';
import type { RandomSource } from './random-source.ts';

export const PROGRAM_BASE = 0x8000_0000;
/** 32 x registers (slot 31 holds fcsr), 32 f registers. */
export const RECORD_BYTES = 64 * 8;
const FCSR_SLOT = 31;
/** Loads and stores reach 2 KiB to both sides of its middle, which is a page boundary. */
const SCRATCH_BYTES = 0x2000;
const PAGE_BYTES = 0x1000;

/** Hold the middle of the scratch buffer; 15 is the one that compressed loads can name. */
const POINTERS: readonly number[] = [2, 15, 30];
const RECORD_POINTER = 31;
const isReserved = (register: number): boolean => POINTERS.includes(register) || register === RECORD_POINTER;
const CSR_FFLAGS = 1;
const CSR_FCSR = 3;

export interface RandomProgram {
  readonly bytes: Uint8Array;
  /** Instructions before the first ecall, and its address. */
  readonly instructions: number;
  readonly endPc: number;
  readonly resultAddress: number;
  readonly resultBytes: number;
  /** The random instructions of each block. */
  readonly blocks: readonly (readonly number[])[];
}

/** What a straight line cannot hold, or what two implementations may do differently. */
function isSuitable(row: Row): boolean {
  const base = baseOf(row);
  if (base.operands.some((operand) => operand.kind === 'target')) return false;
  if (/^(jalr|lr\.|sc\.|ecall|ebreak|mret|sret|wfi|sfence|csrrw$|csrrwi$|fence\.i)/.test(base.name)) return false;
  return !('fixed' in row && row.fixed.rd === 2);
}

export const SUITABLE_ROWS: readonly Row[] = [...INSTRUCTIONS, ...COMPRESSED].filter(isSuitable);

const CHOICES: OperandChoices = {
  csr: () => CSR_FFLAGS,
  register: (row, operand, random) => {
    const short = operand.bias !== 0;
    if (isMemory(row) && operand.slots.includes('rs1')) return short ? 15 : 30;
    for (;;) {
      const register = short ? 8 + random.below(8) : random.below(32);
      if (!operand.slots.includes('rd') || !isReserved(register)) return register;
    }
  },
};

/** Writes instructions one after the other. */
class Assembly {
  readonly halves: number[] = [];
  instructions = 0;

  get pc(): number {
    return PROGRAM_BASE + 2 * this.halves.length;
  }

  word(word: number): void {
    this.halves.push(word & 0xffff);
    if ((word & 3) === 3) this.halves.push(word >>> 16);
    this.instructions += 1;
  }

  emit(name: string, operands: Partial<Operands>): void {
    this.word(encode(INSTRUCTION_BY_NAME.get(name) as InstructionRow, operands));
  }

  /** rd := address, in two instructions. */
  address(rd: number, address: number): void {
    const distance = address - this.pc;
    const low = (distance << 20) >> 20;
    this.emit('auipc', { rd, imm: (distance - low) | 0 });
    this.emit('addi', { rd, rs1: rd, imm: low });
  }
}

function emitBlock(assembly: Assembly, record: number, words: readonly number[]): void {
  const slot = (index: number): number => 8 * index;
  assembly.address(RECORD_POINTER, record);
  assembly.emit('ld', { rd: 1, rs1: RECORD_POINTER, imm: slot(FCSR_SLOT) });
  assembly.emit('csrrw', { rd: 0, imm: CSR_FCSR, rs1: 1 });
  for (let f = 0; f < 32; f += 1) assembly.emit('fld', { rd: f, rs1: RECORD_POINTER, imm: slot(32 + f) });
  for (let x = 1; x < RECORD_POINTER; x += 1) assembly.emit('ld', { rd: x, rs1: RECORD_POINTER, imm: slot(x) });
  for (const word of words) assembly.word(word);
  for (let x = 1; x < RECORD_POINTER; x += 1) assembly.emit('sd', { rs2: x, rs1: RECORD_POINTER, imm: slot(x) });
  for (let f = 0; f < 32; f += 1) assembly.emit('fsd', { rs2: f, rs1: RECORD_POINTER, imm: slot(32 + f) });
  assembly.emit('csrrs', { rd: 1, imm: CSR_FCSR, rs1: 0 });
  assembly.emit('sd', { rs2: 1, rs1: RECORD_POINTER, imm: slot(FCSR_SLOT) });
}

const SYS_WRITE = 64;
const SYS_EXIT = 93;

function emitSystemCalls(assembly: Assembly, resultAddress: number, resultBytes: number): number {
  assembly.emit('addi', { rd: 10, imm: 1 });
  assembly.address(11, resultAddress);
  assembly.emit('lui', { rd: 12, imm: resultBytes & ~0xfff });
  assembly.emit('addi', { rd: 17, imm: SYS_WRITE });
  const endPc = assembly.pc;
  assembly.emit('ecall', {});
  assembly.emit('addi', { rd: 10, imm: 0 });
  assembly.emit('addi', { rd: 17, imm: SYS_EXIT });
  assembly.emit('ecall', {});
  return endPc;
}

/** A program of `blockCount` blocks, each of `blockInstructions` instructions of `rows`. */
export function randomProgram(
  rows: readonly Row[],
  { blockCount, blockInstructions }: { readonly blockCount: number; readonly blockInstructions: number },
  random: RandomSource,
): RandomProgram {
  const blocks = Array.from({ length: blockCount }, () =>
    Array.from({ length: blockInstructions }, () => randomWord(random.pick(rows), random, CHOICES)),
  );
  const codeBytesMax = blockCount * 4 * (2 + 2 * 64 + blockInstructions) + 64;
  const pageUp = (bytes: number): number => Math.ceil(bytes / PAGE_BYTES) * PAGE_BYTES;
  const scratchAddress = PROGRAM_BASE + pageUp(codeBytesMax);
  const recordsAddress = scratchAddress + SCRATCH_BYTES;
  const resultBytes = SCRATCH_BYTES + pageUp(blockCount * RECORD_BYTES);

  const assembly = new Assembly();
  for (const [index, words] of blocks.entries()) emitBlock(assembly, recordsAddress + index * RECORD_BYTES, words);
  const endPc = emitSystemCalls(assembly, scratchAddress, resultBytes);
  if (assembly.pc > scratchAddress) throw new RangeError(`code ends at ${assembly.pc}, beyond ${scratchAddress}`);

  const bytes = new Uint8Array(scratchAddress + resultBytes - PROGRAM_BASE);
  const view = new DataView(bytes.buffer);
  for (const [index, half] of assembly.halves.entries()) view.setUint16(2 * index, half, true);
  for (let offset = scratchAddress; offset < recordsAddress; offset += 4) {
    view.setInt32(offset - PROGRAM_BASE, random.word(), true);
  }
  for (let index = 0; index < blockCount; index += 1) {
    const record = recordsAddress + index * RECORD_BYTES - PROGRAM_BASE;
    for (let register = 0; register < 64; register += 1) {
      const value = initialValue(register, scratchAddress + SCRATCH_BYTES / 2, random);
      view.setBigUint64(record + 8 * register, value, true);
    }
  }
  // The last two instructions before endPc's ecall belong to the system call; all of them count.
  const instructions = assembly.instructions - 4;
  return { bytes, instructions, endPc, resultAddress: scratchAddress, resultBytes, blocks };
}

function initialValue(register: number, scratchMiddle: number, random: RandomSource): bigint {
  if (POINTERS.includes(register)) return BigInt(scratchMiddle);
  if (register === 0) return 0n;
  if (register === FCSR_SLOT) return BigInt((random.below(5) << 5) | random.below(32));
  return register < FCSR_SLOT ? random.integerPattern() : random.floatPattern();
}
