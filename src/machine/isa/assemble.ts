/**
 * A small assembler for test programs, derived from the rows' syntax: instructions (no automatic compression: write
 * `c.addi` to get it), labels, a few pseudo-instructions and data directives.
 */
import { encode } from './encode.ts';
import type { CompressedRow, InstructionRow } from './instruction.ts';
import { noOperands, OPERANDS, type Operand, type Operands } from './operand.ts';
import { F_BY_NAME, ROUNDING_NAMES, X_BY_NAME } from './register-names.ts';
import { COMPRESSED_BY_NAME, INSTRUCTION_BY_NAME } from './table.ts';

export interface AssembleOptions {
  /** Address of the first byte. */
  readonly base: number;
  /** Names besides the labels, e.g. CSRs. */
  readonly symbols?: ReadonlyMap<string, number>;
}

export interface Assembled {
  readonly bytes: Uint8Array;
  /** Addresses of the labels. */
  readonly labels: ReadonlyMap<string, number>;
}

/** What was written is not assembly of this hart. */
class AssemblyError extends Error {
  override readonly name = 'AssemblyError';
  constructor(line: number, message: string) {
    super(`line ${line}: ${message}`);
  }
}

type Names = ReadonlyMap<string, number>;
interface Statement {
  readonly line: number;
  readonly name: string;
  readonly args: readonly string[];
}

/** Assembles line by line in two passes: sizes first, so that labels may be used before they are defined. */
export function assemble(source: string, { base, symbols = new Map() }: AssembleOptions): Assembled {
  const labels = new Map<string, number>();
  const placed: { readonly address: number; readonly statement: Statement }[] = [];
  let address = base;
  for (const [index, text] of source.split(/\n|;/).entries()) {
    let rest = text.replace(/#.*$/, '').trim();
    for (let label = /^([\w.$]+):/.exec(rest); label !== null; label = /^([\w.$]+):/.exec(rest)) {
      labels.set(label[1] ?? '', address);
      rest = rest.slice(label[0].length).trim();
    }
    if (rest === '') continue;
    for (const statement of expand(parseStatement(rest, index + 1), symbols)) {
      placed.push({ address, statement });
      address += sizeOf(statement, address);
    }
  }
  const names = new Map([...symbols, ...labels]);
  const bytes = new Uint8Array(address - base);
  for (const { address: at, statement } of placed) bytes.set(contentOf(statement, at, names), at - base);
  return { bytes, labels };
}

function parseStatement(text: string, line: number): Statement {
  const [, name = '', rest = ''] = /^(\S+)\s*(.*)$/.exec(text) ?? [];
  return { line, name, args: rest === '' ? [] : rest.split(',').map((a) => a.trim()) };
}

// ------------------------------------------------------------------------------------------------ pseudo-instructions

const PSEUDO: Readonly<Record<string, (a: readonly string[]) => readonly string[]>> = {
  nop: () => ['addi zero, zero, 0'],
  mv: ([rd, rs]) => [`addi ${rd}, ${rs}, 0`],
  not: ([rd, rs]) => [`xori ${rd}, ${rs}, -1`],
  neg: ([rd, rs]) => [`sub ${rd}, zero, ${rs}`],
  seqz: ([rd, rs]) => [`sltiu ${rd}, ${rs}, 1`],
  snez: ([rd, rs]) => [`sltu ${rd}, zero, ${rs}`],
  beqz: ([rs, to]) => [`beq ${rs}, zero, ${to}`],
  bnez: ([rs, to]) => [`bne ${rs}, zero, ${to}`],
  j: ([to]) => [`jal zero, ${to}`],
  call: ([to]) => [`jal ra, ${to}`],
  jr: ([rs]) => [`jalr zero, 0(${rs})`],
  ret: () => ['jalr zero, 0(ra)'],
  csrr: ([rd, csr]) => [`csrrs ${rd}, ${csr}, zero`],
  csrw: ([csr, rs]) => [`csrrw zero, ${csr}, ${rs}`],
  csrs: ([csr, rs]) => [`csrrs zero, ${csr}, ${rs}`],
  csrc: ([csr, rs]) => [`csrrc zero, ${csr}, ${rs}`],
  csrwi: ([csr, n]) => [`csrrwi zero, ${csr}, ${n}`],
  csrsi: ([csr, n]) => [`csrrsi zero, ${csr}, ${n}`],
  csrci: ([csr, n]) => [`csrrci zero, ${csr}, ${n}`],
  // Position-independent address of a label, always two instructions.
  la: ([rd, to]) => [`auipc ${rd}, %hi(${to})`, `addi ${rd}, ${rd}, %lo(${to})`],
};

function expand(statement: Statement, symbols: Names): readonly Statement[] {
  const { name, args, line } = statement;
  if (name === 'li') {
    const value = BigInt(parseNumber(args[1] ?? '') ?? symbols.get(args[1] ?? '') ?? fail(line, 'li needs a number'));
    return loadImmediate(args[0] ?? '', BigInt.asIntN(64, value)).map((t) => parseStatement(t, line));
  }
  const pseudo = PSEUDO[name];
  if (pseudo === undefined) return [statement];
  return pseudo(args).map((t) => parseStatement(t, line));
}

/** Shortest usual sequence: addi, or lui and addiw, or the upper part, a shift and the lower twelve bits. */
function loadImmediate(rd: string, value: bigint): readonly string[] {
  const low = BigInt.asIntN(12, value);
  if (value === low) return [`addi ${rd}, zero, ${value}`];
  if (value === BigInt.asIntN(32, value)) {
    const upper = BigInt.asUintN(20, (value - low) >> 12n);
    return [`lui ${rd}, ${upper}`, ...(low === 0n ? [] : [`addiw ${rd}, ${rd}, ${low}`])];
  }
  const rest = loadImmediate(rd, BigInt.asIntN(64, value - low) >> 12n);
  return [...rest, `slli ${rd}, ${rd}, 12`, ...(low === 0n ? [] : [`addi ${rd}, ${rd}, ${low}`])];
}

// ---------------------------------------------------------------------------------------------------------- encoding

const DATA_BYTES: Readonly<Record<string, number>> = { '.byte': 1, '.half': 2, '.word': 4, '.dword': 8 };

function sizeOf({ name, args, line }: Statement, address: number): number {
  const unit = DATA_BYTES[name];
  if (unit !== undefined) return unit * args.length;
  if (name === '.space') return Number(parseNumber(args[0] ?? '') ?? fail(line, '.space needs a number'));
  if (name === '.balign') {
    const to = Number(parseNumber(args[0] ?? '') ?? fail(line, '.balign needs a number'));
    return (to - (address % to)) % to;
  }
  if (COMPRESSED_BY_NAME.has(name)) return 2;
  if (INSTRUCTION_BY_NAME.has(name)) return 4;
  return fail(line, `no instruction or directive ${name}`);
}

function contentOf(statement: Statement, address: number, names: Names): Uint8Array {
  const { name, args, line } = statement;
  const bytes = new Uint8Array(sizeOf(statement, address));
  const view = new DataView(bytes.buffer);
  const unit = DATA_BYTES[name];
  if (unit !== undefined) {
    for (const [i, arg] of args.entries()) {
      let value = BigInt.asUintN(64, BigInt(numberOf(arg, names, line)));
      for (let b = 0; b < unit; b++, value >>= 8n) bytes[i * unit + b] = Number(value & 0xffn);
    }
    return bytes;
  }
  const compressed = COMPRESSED_BY_NAME.get(name);
  const row = compressed ?? INSTRUCTION_BY_NAME.get(name);
  if (row === undefined) return bytes;
  const word = encodeStatement(row, statement, address, names);
  if (compressed === undefined) view.setUint32(0, word >>> 0, true);
  else view.setUint16(0, word, true);
  return bytes;
}

function encodeStatement(row: InstructionRow | CompressedRow, s: Statement, address: number, names: Names): number {
  const given = s.args.join(',');
  const pattern = row.syntax
    .replace(/\s/g, '')
    .replace(/[()]/g, '\\$&')
    .replace(/\w+/g, () => '([^,()]*(?:\\([^()]*\\))?[^,()]*)');
  const match = new RegExp(`^${pattern}$`).exec(given.replace(/\s/g, ''));
  const operandNames = row.syntax.match(/\w+/g) ?? [];
  if (match === null) return fail(s.line, `${s.name} is written '${s.name} ${row.syntax}', not '${given}'`);
  const operands: Operands = noOperands();
  for (const [i, operandName] of operandNames.entries()) {
    const operand = (OPERANDS as Readonly<Record<string, Operand>>)[operandName];
    if (operand === undefined) continue;
    const value = operandValue(operand, operandName, match[i + 1] ?? '', address, names, s.line);
    for (const slot of operand.slots) operands[slot] = value;
  }
  try {
    return encode(row, operands);
  } catch (error) {
    return fail(s.line, `${s.name}: ${error instanceof Error ? error.message : String(error)}`);
  }
}

const UPPER_BITS = 12;

function operandValue(
  operand: Operand,
  operandName: string,
  text: string,
  address: number,
  names: Names,
  line: number,
): number {
  switch (operand.kind) {
    case 'x':
      return X_BY_NAME.get(text) ?? fail(line, `no x register ${text}`);
    case 'f':
      return F_BY_NAME.get(text) ?? fail(line, `no f register ${text}`);
    case 'rm': {
      const mode = ROUNDING_NAMES.indexOf(text);
      return mode >= 0 ? mode : fail(line, `no rounding mode ${text}`);
    }
    case 'target':
      return numberOf(text, names, line) - address;
    default:
      break;
  }
  const relative = /^%(hi|lo)\((.+)\)$/.exec(text);
  if (relative !== null) {
    // %lo belongs to the auipc right before it.
    const from = relative[1] === 'hi' ? address : address - 4;
    const distance = numberOf(relative[2] ?? '', names, line) - from;
    return relative[1] === 'hi' ? ((distance + 0x800) >> UPPER_BITS) << UPPER_BITS : (distance << 20) >> 20;
  }
  const value = numberOf(text, names, line);
  const isUpper = operandName === 'immU' || operandName === 'cLuiImm';
  return isUpper ? (value << UPPER_BITS) | 0 : value;
}

function parseNumber(text: string): bigint | undefined {
  const match = /^(-?)(0x[0-9a-f_]+|[0-9_]+)$/i.exec(text);
  if (match === null) return undefined;
  const magnitude = BigInt((match[2] ?? '').replaceAll('_', ''));
  return match[1] === '-' ? -magnitude : magnitude;
}

function numberOf(text: string, names: Names, line: number): number {
  const number = parseNumber(text) ?? names.get(text);
  return number === undefined ? fail(line, `no number or name ${text}`) : Number(number);
}

function fail(line: number, message: string): never {
  throw new AssemblyError(line, message);
}
