/** A random word of a row: every operand any value its field can hold; registers and CSRs as the caller chooses. */
import { findCompressedRow } from '../../../src/machine/isa/decode.ts';
import { encode } from '../../../src/machine/isa/encode.ts';
import type { CompressedRow, InstructionRow } from '../../../src/machine/isa/instruction.ts';
import { noOperands, type Operand, valueBits } from '../../../src/machine/isa/operand.ts';
import { INSTRUCTION_BY_NAME } from '../../../src/machine/isa/table.ts';
import type { RandomSource } from './random-source.ts';

export type Row = InstructionRow | CompressedRow;

export interface OperandChoices {
  /** A register the operand can name. */
  readonly register: (row: Row, operand: Operand, random: RandomSource) => number;
  readonly csr: (random: RandomSource) => number;
}

export const baseOf = (row: Row): InstructionRow =>
  'base' in row ? (INSTRUCTION_BY_NAME.get(row.base) as InstructionRow) : row;
export const isMemory = (row: Row): boolean => baseOf(row).syntax.includes('(');

export function randomWord(row: Row, random: RandomSource, choices: OperandChoices): number {
  for (;;) {
    const operands = noOperands();
    for (const operand of row.operands) {
      const value = randomOperand(row, operand, random, choices);
      for (const slot of operand.slots) operands[slot] = value;
    }
    const word = encode(row, operands);
    if (!('base' in row) || findCompressedRow(word) === row) return word;
  }
}

function randomOperand(row: Row, operand: Operand, random: RandomSource, choices: OperandChoices): number {
  const bits = valueBits(operand);
  switch (operand.kind) {
    case 'rm':
      return random.pick([0, 1, 2, 3, 4, 7]);
    case 'csr':
      return choices.csr(random);
    case 'x':
      return choices.register(row, operand, random);
    default:
      return randomBits(operand, bits, random);
  }
}

/** Any value of the operand's field: its lowest piece says what it is a multiple of. */
function randomBits(operand: Operand, bits: number, random: RandomSource): number {
  const lowest = Math.min(...operand.pieces.map((piece) => piece.valueLow));
  const raw = (random.word() >>> 0) % 2 ** (bits - lowest);
  const value = raw * 2 ** lowest;
  const signed = operand.kind === 'signed' && value >= 2 ** (bits - 1) ? value - 2 ** bits : value;
  return operand.kind === 'f' ? signed + operand.bias : signed;
}
