/** C extension: [Unpriv] "C" Extension for Compressed Instructions, the listing of RVC instructions. */
import type { CompressedRow } from './instruction.ts';
import { operandsOfSyntax } from './operand.ts';

/** Word with named fields: quadrant is bits 1..0, funct3 bits 15..13, and extra fixed fields as [low, width, value]. */
function compressed(
  name: string,
  syntax: string,
  [funct3, quadrant]: readonly [number, number],
  base: string,
  {
    fields = [],
    fixed = {},
    unless = [],
  }: {
    readonly fields?: readonly (readonly [low: number, width: number, value: number])[];
    readonly fixed?: CompressedRow['fixed'];
    readonly unless?: CompressedRow['unless'];
  } = {},
): CompressedRow {
  let match = (funct3 << 13) | quadrant;
  let mask = 0xe003;
  for (const [low, width, value] of fields) {
    match |= value << low;
    mask |= ((1 << width) - 1) << low;
  }
  return { name, syntax, operands: operandsOfSyntax(syntax), match, mask, unless, base, fixed };
}

const RD = 0x0f80; // bits 11..7
const RS2 = 0x007c; // bits 6..2
const IMM6 = 0x107c; // bits 12 and 6..2
const IMM8 = 0x1fe0; // bits 12..5
const zero = (mask: number) => ({ mask, value: 0 });

const arithmetic = (name: string, word: number, funct2: number): CompressedRow =>
  compressed(`c.${name}`, 'cRdRs1Short, cRs2Short', [4, 1], name, {
    fields: [
      [10, 2, 3],
      [12, 1, word],
      [5, 2, funct2],
    ],
  });

export const RV64C: readonly CompressedRow[] = [
  // quadrant 0
  compressed('c.addi4spn', 'cRdShort, cAddi4spnImm', [0, 0], 'addi', { fixed: { rs1: 2 }, unless: [zero(IMM8)] }),
  compressed('c.fld', 'cFrdShort, cLdImm(cRs1Short)', [1, 0], 'fld'),
  compressed('c.lw', 'cRdShort, cLwImm(cRs1Short)', [2, 0], 'lw'),
  compressed('c.ld', 'cRdShort, cLdImm(cRs1Short)', [3, 0], 'ld'),
  compressed('c.fsd', 'cFrs2Short, cLdImm(cRs1Short)', [5, 0], 'fsd'),
  compressed('c.sw', 'cRs2Short, cLwImm(cRs1Short)', [6, 0], 'sw'),
  compressed('c.sd', 'cRs2Short, cLdImm(cRs1Short)', [7, 0], 'sd'),
  // quadrant 1
  compressed('c.addi', 'cRdRs1, cImm6', [0, 1], 'addi'), // rd = x0: c.nop
  compressed('c.addiw', 'cRdRs1, cImm6', [1, 1], 'addiw', { unless: [zero(RD)] }),
  compressed('c.li', 'cRd, cImm6', [2, 1], 'addi', { fixed: { rs1: 0 } }),
  compressed('c.addi16sp', 'cAddi16spImm', [3, 1], 'addi', {
    fields: [[7, 5, 2]],
    fixed: { rd: 2, rs1: 2 },
    unless: [zero(IMM6)],
  }),
  compressed('c.lui', 'cRd, cLuiImm', [3, 1], 'lui', { unless: [{ mask: RD, value: 2 << 7 }, zero(IMM6)] }),
  compressed('c.srli', 'cRdRs1Short, cShamt6', [4, 1], 'srli', { fields: [[10, 2, 0]] }),
  compressed('c.srai', 'cRdRs1Short, cShamt6', [4, 1], 'srai', { fields: [[10, 2, 1]] }),
  compressed('c.andi', 'cRdRs1Short, cImm6', [4, 1], 'andi', { fields: [[10, 2, 2]] }),
  arithmetic('sub', 0, 0),
  arithmetic('xor', 0, 1),
  arithmetic('or', 0, 2),
  arithmetic('and', 0, 3),
  arithmetic('subw', 1, 0),
  arithmetic('addw', 1, 1),
  compressed('c.j', 'cJImm', [5, 1], 'jal', { fixed: { rd: 0 } }),
  compressed('c.beqz', 'cRs1Short, cBImm', [6, 1], 'beq', { fixed: { rs2: 0 } }),
  compressed('c.bnez', 'cRs1Short, cBImm', [7, 1], 'bne', { fixed: { rs2: 0 } }),
  // quadrant 2
  compressed('c.slli', 'cRdRs1, cShamt6', [0, 2], 'slli'),
  compressed('c.fldsp', 'cFrd, cLdspImm', [1, 2], 'fld', { fixed: { rs1: 2 } }),
  compressed('c.lwsp', 'cRd, cLwspImm', [2, 2], 'lw', { fixed: { rs1: 2 }, unless: [zero(RD)] }),
  compressed('c.ldsp', 'cRd, cLdspImm', [3, 2], 'ld', { fixed: { rs1: 2 }, unless: [zero(RD)] }),
  compressed('c.jr', 'cRs1', [4, 2], 'jalr', {
    fields: [
      [12, 1, 0],
      [2, 5, 0],
    ],
    fixed: { rd: 0, imm: 0 },
    unless: [zero(RD)],
  }),
  compressed('c.mv', 'cRd, cRs2', [4, 2], 'add', { fields: [[12, 1, 0]], fixed: { rs1: 0 }, unless: [zero(RS2)] }),
  compressed('c.ebreak', '', [4, 2], 'ebreak', {
    fields: [
      [12, 1, 1],
      [2, 10, 0],
    ],
  }),
  compressed('c.jalr', 'cRs1', [4, 2], 'jalr', {
    fields: [
      [12, 1, 1],
      [2, 5, 0],
    ],
    fixed: { rd: 1, imm: 0 },
    unless: [zero(RD)],
  }),
  compressed('c.add', 'cRdRs1, cRs2', [4, 2], 'add', { fields: [[12, 1, 1]], unless: [zero(RS2)] }),
  compressed('c.fsdsp', 'cFrs2, cSdspImm', [5, 2], 'fsd', { fixed: { rs1: 2 } }),
  compressed('c.swsp', 'cRs2, cSwspImm', [6, 2], 'sw', { fixed: { rs1: 2 } }),
  compressed('c.sdsp', 'cRs2, cSdspImm', [7, 2], 'sd', { fixed: { rs1: 2 } }),
];
