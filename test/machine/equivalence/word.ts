/** One instruction by name, 32-bit or compressed. */
import { encode } from '../../../src/machine/isa/encode.ts';
import type { Operands } from '../../../src/machine/isa/operand.ts';
import { COMPRESSED_BY_NAME, INSTRUCTION_BY_NAME } from '../../../src/machine/isa/table.ts';

export function word(name: string, operands: Partial<Operands>): number {
  const row = INSTRUCTION_BY_NAME.get(name) ?? COMPRESSED_BY_NAME.get(name);
  if (row === undefined) throw new Error(`no instruction ${name}`);
  return encode(row, operands);
}
