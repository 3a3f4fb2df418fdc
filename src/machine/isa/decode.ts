/** Instruction words to rows and operands, derived from the table. */
import type { CompressedRow, InstructionRow } from './instruction.ts';
import { extract, noOperands, type Operands } from './operand.ts';
import { COMPRESSED, INSTRUCTION_BY_NAME, INSTRUCTIONS } from './table.ts';

export interface Decoded {
  readonly row: InstructionRow;
  readonly operands: Operands;
  /** 2 or 4. */
  readonly bytes: 2 | 4;
  /** The row of the 16-bit writing, when it is one. */
  readonly compressed: CompressedRow | undefined;
}

/** The low two bits of a 32-bit instruction are 11. */
const isCompressed = (word: number): boolean => (word & 3) !== 3;

/** Rows by major opcode, so that decoding looks at a handful. */
const BY_OPCODE: ReadonlyMap<number, readonly InstructionRow[]> = Map.groupBy(INSTRUCTIONS, (r) => r.match & 0x7f);
/** Rows by quadrant and funct3. */
const COMPRESSED_BY_KEY: ReadonlyMap<number, readonly CompressedRow[]> = Map.groupBy(
  COMPRESSED,
  (r) => r.match & 0xe003,
);

function findRow(word: number): InstructionRow | undefined {
  return BY_OPCODE.get(word & 0x7f)?.find((r) => (word & r.mask) === r.match);
}

export function findCompressedRow(word: number): CompressedRow | undefined {
  return COMPRESSED_BY_KEY.get(word & 0xe003)?.find(
    (r) => (word & r.mask) === r.match && r.unless.every((u) => (word & u.mask) !== u.value),
  );
}

/** Decodes the instruction at the low end of `word`; undefined for a word that is no instruction of this hart. */
export function decode(word: number): Decoded | undefined {
  const operands = noOperands();
  if (!isCompressed(word)) {
    const row = findRow(word);
    if (row === undefined) return undefined;
    fill(operands, row, word);
    return { row, operands, bytes: 4, compressed: undefined };
  }
  const compressed = findCompressedRow(word & 0xffff);
  if (compressed === undefined) return undefined;
  const row = INSTRUCTION_BY_NAME.get(compressed.base);
  if (row === undefined) throw new Error(`${compressed.name} expands to no row: ${compressed.base}`);
  fill(operands, compressed, word & 0xffff);
  Object.assign(operands, compressed.fixed);
  return { row, operands, bytes: 2, compressed };
}

function fill(operands: Operands, row: InstructionRow | CompressedRow, word: number): void {
  for (const operand of row.operands) {
    const value = extract(operand, word);
    for (const slot of operand.slots) operands[slot] = value;
  }
}
