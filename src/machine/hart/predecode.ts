/** Turns instruction words into records of the interpreter. */
import { decode } from '../isa/decode.ts';
import { fastCsr } from './fast-csr.ts';
import { isRelative, isSystem, ownOp, rdPlace, rowOp, writesInteger } from './handlers.ts';
import { PAGE_BYTES, RECORD_BYTES, SINK_REGISTER } from './layout.ts';

/** What the record of a word is made of, wherever the word lies. */
interface Template {
  /** op, rs1, rd, rs2 as they lie in a record's first four bytes; of a relative one, op is the far form. */
  readonly head: number;
  readonly imm: number;
  /** Distance to the target and op for targets in the page. */
  readonly near: { readonly distance: number; readonly head: number } | undefined;
}

/** Templates are kept by word, since code repeats itself. Emptied when full. */
const TEMPLATES_MAX = 0x1_0000;
const templates = new Map<number, Template>();

/**
 * Writes the record of `word`, which lies at `pageOffset` of its page, to address `record`. `nearAllowed` is false for
 * a record outside the page's own (its in-page distances would be wrong). Of a compressed word the upper half is 0.
 */
export function predecode(
  memory: DataView,
  record: number,
  word: number,
  pageOffset: number,
  nearAllowed: boolean,
): void {
  let template = templates.get(word);
  if (template === undefined) {
    if (templates.size === TEMPLATES_MAX) templates.clear();
    template = makeTemplate(word);
    templates.set(word, template);
  }
  let { head, imm } = template;
  if (template.near !== undefined && nearAllowed) {
    const target = pageOffset + template.near.distance;
    if (target >= 0 && target < PAGE_BYTES) {
      head = template.near.head;
      imm = (template.near.distance / 2) * RECORD_BYTES;
    }
  }
  memory.setInt32(record, head, true);
  memory.setInt32(record + 4, imm, true);
}

const headOf = (op: number, rs1: number, rd: number, rs2: number): number => op | (rs1 << 8) | (rd << 16) | (rs2 << 24);

function makeTemplate(word: number): Template {
  const decoded = decode(word);
  if (decoded === undefined) return { head: headOf(ownOp('illegal'), 0, 0, 0), imm: word, near: undefined };
  const { row, operands, bytes } = decoded;
  if (row.pure && operands.rd === 0) {
    return { head: headOf(ownOp(bytes === 2 ? 'nop2' : 'nop4'), 0, 0, 0), imm: 0, near: undefined };
  }
  const rd = writesInteger(row) && operands.rd === 0 ? SINK_REGISTER : operands.rd;
  const place = rdPlace(row);
  const rs1 = operands.rs1 * 8;
  const rs2 = operands.rs2 * 8;
  const fast = isSystem(row) ? fastCsr(row.name, operands) : undefined;
  if (fast !== undefined) {
    const source = row.name.endsWith('i') ? 0 : rs1;
    return { head: headOf(ownOp(fast), source, rd * 8, 0), imm: word, near: undefined };
  }
  if (isSystem(row)) {
    return { head: headOf(ownOp(bytes === 2 ? 'environment2' : 'environment4'), 0, 0, 0), imm: word, near: undefined };
  }
  let op = rowOp(row, bytes, false);
  let { imm } = operands;
  if (row.exact !== undefined) {
    const native = row.nativeRounding?.includes(operands.rm) ?? true;
    if (!native || (place === 'byte' && rd === SINK_REGISTER)) op = ownOp('exact4');
    imm = word;
  } else if (place === 'imm') {
    imm = rd * 8;
  }
  const rdField = place === 'imm' || (place === 'byte' && rd === SINK_REGISTER) ? 0 : rd * 8;
  const near = isRelative(row)
    ? { distance: operands.imm, head: headOf(rowOp(row, bytes, true), rs1, rdField, rs2) }
    : undefined;
  return { head: headOf(op, rs1, rdField, rs2), imm, near };
}
