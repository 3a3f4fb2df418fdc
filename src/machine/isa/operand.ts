/**
 * Operands of instructions: where their bits lie in the word and which slot of a decoded instruction they fill.
 * Source: [Unpriv] "RV32/RV64 instruction formats" and the tables of the "C" chapter.
 */

/** `width` bits of the word from `wordLow` hold the bits of the value from `valueLow`. */
export interface Piece {
  readonly wordLow: number;
  readonly width: number;
  readonly valueLow: number;
}

type Slot = 'rd' | 'rs1' | 'rs2' | 'rs3' | 'imm' | 'rm';
/** How an operand is written: x register, f register, signed or unsigned number, CSR number, pc-relative target. */
type OperandKind = 'x' | 'f' | 'signed' | 'unsigned' | 'csr' | 'target' | 'rm';

export interface Operand {
  readonly slots: readonly Slot[];
  readonly kind: OperandKind;
  readonly pieces: readonly Piece[];
  /** Added to the bits to get the value: 8 for the three-bit registers of the C extension. */
  readonly bias: number;
}

/** Operand values of one decoded instruction; a slot the instruction lacks is 0. */
export interface Operands {
  rd: number;
  rs1: number;
  rs2: number;
  rs3: number;
  /** Sign-extended 32-bit value. */
  imm: number;
  /** Rounding mode field, 7 is dynamic. */
  rm: number;
}

export const noOperands = (): Operands => ({ rd: 0, rs1: 0, rs2: 0, rs3: 0, imm: 0, rm: 0 });

const bitMask = (width: number): number => (width === 32 ? -1 : (1 << width) - 1);

/** Number of bits the value has. */
export function valueBits(operand: Operand): number {
  return Math.max(...operand.pieces.map((p) => p.valueLow + p.width));
}

export function extract(operand: Operand, word: number): number {
  let value = 0;
  for (const { wordLow, width, valueLow } of operand.pieces) {
    value |= ((word >>> wordLow) & bitMask(width)) << valueLow;
  }
  if (operand.kind === 'signed' || operand.kind === 'target') {
    const unused = 32 - valueBits(operand);
    value = (value << unused) >> unused;
  }
  return value + operand.bias;
}

/** The word's bits for `value`. Throws `RangeError` when the operand cannot hold it. */
export function insert(operand: Operand, value: number): number {
  const bits = value - operand.bias;
  let word = 0;
  for (const { wordLow, width, valueLow } of operand.pieces) {
    word |= ((bits >> valueLow) & bitMask(width)) << wordLow;
  }
  const back = extract(operand, word);
  if (back !== value) throw new RangeError(`operand ${operand.slots.join('=')} cannot hold ${value}`);
  return word;
}

const piece = (wordLow: number, width: number, valueLow = 0): Piece => ({ wordLow, width, valueLow });
const register = (slots: readonly Slot[], kind: 'x' | 'f', wordLow: number): Operand => ({
  slots,
  kind,
  pieces: [piece(wordLow, 5)],
  bias: 0,
});
const shortRegister = (slots: readonly Slot[], kind: 'x' | 'f', wordLow: number): Operand => ({
  slots,
  kind,
  pieces: [piece(wordLow, 3)],
  bias: 8,
});
/** Pieces as triples [wordLow, width, valueLow]. */
const number = (kind: OperandKind, ...pieces: readonly (readonly [number, number, number])[]): Operand => ({
  slots: [kind === 'rm' ? 'rm' : 'imm'],
  kind,
  pieces: pieces.map(([wordLow, width, valueLow]) => piece(wordLow, width, valueLow)),
  bias: 0,
});

export const OPERANDS = {
  rd: register(['rd'], 'x', 7),
  rs1: register(['rs1'], 'x', 15),
  rs2: register(['rs2'], 'x', 20),
  frd: register(['rd'], 'f', 7),
  frs1: register(['rs1'], 'f', 15),
  frs2: register(['rs2'], 'f', 20),
  frs3: register(['rs3'], 'f', 27),
  rm: number('rm', [12, 3, 0]),
  immI: number('signed', [20, 12, 0]),
  immS: number('signed', [25, 7, 5], [7, 5, 0]),
  immB: number('target', [31, 1, 12], [7, 1, 11], [25, 6, 5], [8, 4, 1]),
  /** The 20 bits as a 32-bit value with 12 zero bits below. */
  immU: number('signed', [12, 20, 12]),
  immJ: number('target', [31, 1, 20], [12, 8, 12], [20, 1, 11], [21, 10, 1]),
  shamt6: number('unsigned', [20, 6, 0]),
  shamt5: number('unsigned', [20, 5, 0]),
  csr: number('csr', [20, 12, 0]),
  /** Five-bit immediate of csrrwi and friends; it takes the place of rs1. */
  zimm: { slots: ['rs1'], kind: 'unsigned', pieces: [piece(15, 5)], bias: 0 },

  // C extension
  cRdRs1: register(['rd', 'rs1'], 'x', 7),
  cRd: register(['rd'], 'x', 7),
  cRs1: register(['rs1'], 'x', 7),
  cFrd: register(['rd'], 'f', 7),
  cRs2: register(['rs2'], 'x', 2),
  cFrs2: register(['rs2'], 'f', 2),
  cRdRs1Short: shortRegister(['rd', 'rs1'], 'x', 7),
  cRs1Short: shortRegister(['rs1'], 'x', 7),
  cRdShort: shortRegister(['rd'], 'x', 2),
  cRs2Short: shortRegister(['rs2'], 'x', 2),
  cFrdShort: shortRegister(['rd'], 'f', 2),
  cFrs2Short: shortRegister(['rs2'], 'f', 2),
  cImm6: number('signed', [12, 1, 5], [2, 5, 0]),
  cShamt6: number('unsigned', [12, 1, 5], [2, 5, 0]),
  cLuiImm: number('signed', [12, 1, 17], [2, 5, 12]),
  cAddi16spImm: number('signed', [12, 1, 9], [3, 2, 7], [5, 1, 6], [2, 1, 5], [6, 1, 4]),
  cAddi4spnImm: number('unsigned', [7, 4, 6], [11, 2, 4], [5, 1, 3], [6, 1, 2]),
  cLwImm: number('unsigned', [5, 1, 6], [10, 3, 3], [6, 1, 2]),
  cLdImm: number('unsigned', [5, 2, 6], [10, 3, 3]),
  cLwspImm: number('unsigned', [2, 2, 6], [12, 1, 5], [4, 3, 2]),
  cLdspImm: number('unsigned', [2, 3, 6], [12, 1, 5], [5, 2, 3]),
  cSwspImm: number('unsigned', [7, 2, 6], [9, 4, 2]),
  cSdspImm: number('unsigned', [7, 3, 6], [10, 3, 3]),
  cJImm: number('target', [12, 1, 11], [8, 1, 10], [9, 2, 8], [6, 1, 7], [7, 1, 6], [2, 1, 5], [11, 1, 4], [3, 3, 1]),
  cBImm: number('target', [12, 1, 8], [5, 2, 6], [2, 1, 5], [10, 2, 3], [3, 2, 1]),
} as const satisfies Readonly<Record<string, Operand>>;

/** The operands a syntax such as `rd, immI(rs1)` names, in its order. */
export function operandsOfSyntax(syntax: string): readonly Operand[] {
  return (syntax.match(/\w+/g) ?? []).map((name) => {
    const operand = (OPERANDS as Readonly<Record<string, Operand>>)[name];
    if (operand === undefined) throw new Error(`syntax '${syntax}' names an unknown operand ${name}`);
    return operand;
  });
}
