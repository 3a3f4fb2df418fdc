/** How rows of the instruction table are written. Opcode map: [Unpriv] "RV32/64G Instruction Set Listings". */
import type { Stmt } from '../wasm/code.ts';
import type { InstructionRow, Semantics } from './instruction.ts';
import { operandsOfSyntax } from './operand.ts';

export const OPCODE = {
  LOAD: 0x03,
  LOAD_FP: 0x07,
  MISC_MEM: 0x0f,
  OP_IMM: 0x13,
  AUIPC: 0x17,
  OP_IMM_32: 0x1b,
  STORE: 0x23,
  STORE_FP: 0x27,
  AMO: 0x2f,
  OP: 0x33,
  LUI: 0x37,
  OP_32: 0x3b,
  MADD: 0x43,
  MSUB: 0x47,
  NMSUB: 0x4b,
  NMADD: 0x4f,
  OP_FP: 0x53,
  BRANCH: 0x63,
  JALR: 0x67,
  JAL: 0x6f,
  SYSTEM: 0x73,
} as const;

export interface Encoding {
  readonly match: number;
  readonly mask: number;
}

/** Fixed fields beside the opcode; `fmt` is the low two bits of funct7 (R4 format), `rs2` a fixed rs2 field. */
export interface FixedFields {
  readonly funct3?: number;
  readonly funct5?: number;
  readonly funct6?: number;
  readonly funct7?: number;
  readonly fmt?: number;
  readonly rs2?: number;
}

const FIELD: Readonly<Record<keyof FixedFields, { readonly low: number; readonly width: number }>> = {
  funct3: { low: 12, width: 3 },
  funct5: { low: 27, width: 5 },
  funct6: { low: 26, width: 6 },
  funct7: { low: 25, width: 7 },
  fmt: { low: 25, width: 2 },
  rs2: { low: 20, width: 5 },
};

export function opcode(major: number, fields: FixedFields = {}): Encoding {
  let match = major;
  let mask = 0x7f;
  for (const [name, value] of Object.entries(fields) as [keyof FixedFields, number][]) {
    const { low, width } = FIELD[name];
    match |= value << low;
    mask |= ((1 << width) - 1) << low;
  }
  return { match, mask };
}

export function row(
  name: string,
  syntax: string,
  encoding: Encoding,
  semantics: (c: Semantics) => Stmt,
  { pure = false, ...rest }: Partial<Pick<InstructionRow, 'pure' | 'exact' | 'nativeRounding'>> = {},
): InstructionRow {
  return { name, syntax, operands: operandsOfSyntax(syntax), ...encoding, pure, semantics, ...rest };
}
