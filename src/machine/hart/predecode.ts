/** Turns instruction words into records of the interpreter. */
import { decode } from '../isa/decode.ts';
import { isRelative, ownOp, rdPlace, rowOp, writesInteger } from './handlers.ts';
import { PAGE_BYTES, RECORD, RECORD_BYTES, SINK_REGISTER } from './layout.ts';

/**
 * Writes the record of `word`, which lies at `pageOffset` of its page, to address `record`. `nearAllowed` is false for
 * a record outside the page's own (its in-page distances would be wrong).
 */
export function predecode(
  memory: DataView,
  record: number,
  word: number,
  pageOffset: number,
  nearAllowed: boolean,
): void {
  const decoded = decode(word);
  if (decoded === undefined) {
    write(memory, record, ownOp('illegal'), 0, 0, 0, (word & 3) === 3 ? word : word & 0xffff);
    return;
  }
  const { row, operands, bytes } = decoded;
  if (row.pure && operands.rd === 0) {
    write(memory, record, ownOp(bytes === 2 ? 'nop2' : 'nop4'), 0, 0, 0, 0);
    return;
  }
  const rd = writesInteger(row) && operands.rd === 0 ? SINK_REGISTER : operands.rd;
  const place = rdPlace(row);
  let op: number;
  let { imm } = operands;
  if (isRelative(row)) {
    const target = pageOffset + imm;
    const near = nearAllowed && target >= 0 && target < PAGE_BYTES;
    op = rowOp(row, bytes, near);
    if (near) imm = (imm / 2) * RECORD_BYTES;
  } else {
    op = rowOp(row, bytes, false);
  }
  if (row.exact !== undefined) {
    const native = row.nativeRounding?.includes(operands.rm) ?? true;
    if (!native || (place === 'byte' && rd === SINK_REGISTER)) op = ownOp('exact4');
    imm = word;
  } else if (place === 'imm') {
    imm = rd * 8;
  } else if (takesWord(row.match)) {
    imm = word;
  }
  // Without rd the field is 0, and rs2 may lie in its upper byte.
  const rdBytes = place === 'imm' || (place === 'byte' && rd === SINK_REGISTER) ? 0 : rd * 8;
  write(memory, record, op, operands.rs1 * 8, rdBytes, operands.rs2 * 8, imm);
}

/** SYSTEM instructions go to the control plane with their word. */
const takesWord = (match: number): boolean => (match & 0x7f) === 0x73;

function write(memory: DataView, record: number, op: number, rs1: number, rd: number, rs2: number, imm: number): void {
  memory.setUint8(record + RECORD.op, op);
  memory.setUint8(record + RECORD.rs1, rs1);
  memory.setUint16(record + RECORD.rd, rd | (rs2 << 8), true);
  memory.setInt32(record + RECORD.imm, imm, true);
}
