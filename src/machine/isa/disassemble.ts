/** Instruction words as assembly text, derived from the rows' syntax. */
import { decode } from './decode.ts';
import type { Operand } from './operand.ts';
import { extract, OPERANDS } from './operand.ts';
import { F_NAMES, ROUNDING_NAMES, X_NAMES } from './register-names.ts';

const hex = (value: number | bigint): string => `0x${value.toString(16)}`;

/** The instruction at `pc`; only the low 16 bits of `word` count when it is compressed. */
export function disassemble(word: number, pc: bigint): string {
  const decoded = decode(word);
  if (decoded === undefined) {
    return (word & 3) === 3 ? `.word ${hex(word >>> 0)}` : `.half ${hex(word & 0xffff)}`;
  }
  const row = decoded.compressed ?? decoded.row;
  const text = row.syntax.replace(/\w+/g, (name) => {
    const operand = (OPERANDS as Readonly<Record<string, Operand>>)[name];
    return operand === undefined ? name : operandText(operand, extract(operand, word), pc);
  });
  return text === '' ? row.name : `${row.name} ${text}`;
}

function operandText(operand: Operand, value: number, pc: bigint): string {
  switch (operand.kind) {
    case 'x':
      return X_NAMES[value] ?? `x${value}`;
    case 'f':
      return F_NAMES[value] ?? `f${value}`;
    case 'rm':
      return ROUNDING_NAMES[value] ?? `${value}`;
    case 'csr':
      return hex(value);
    case 'target':
      return hex(BigInt.asUintN(64, pc + BigInt(value)));
    case 'signed':
      // The upper immediates are written as the field they fill.
      return operand.pieces.some((p) => p.valueLow === 12 && p.width > 1) ? hex((value >>> 12) & 0xf_ffff) : `${value}`;
    case 'unsigned':
      return `${value}`;
  }
}
