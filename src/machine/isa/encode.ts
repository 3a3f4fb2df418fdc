/** Rows and operands to instruction words: the inverse of `decode`. */
import type { CompressedRow, InstructionRow } from './instruction.ts';
import { insert, type Operands } from './operand.ts';

/** The word of an instruction. Throws `RangeError` when an operand does not fit its field. */
export function encode(row: InstructionRow | CompressedRow, operands: Partial<Operands>): number {
  let word = row.match;
  for (const operand of row.operands) {
    const slot = operand.slots[0];
    if (slot !== undefined) word |= insert(operand, operands[slot] ?? 0);
  }
  return word;
}
