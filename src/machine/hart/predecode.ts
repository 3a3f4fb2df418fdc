/** Turns instruction words into records of the interpreter. */
import { decode } from '../isa/decode.ts';
import type { InstructionRow } from '../isa/instruction.ts';
import { INSTRUCTIONS } from '../isa/table.ts';
import { fastCsr } from './fast-csr.ts';
import { isRelative, isSystem, ownOp, type RdPlace, rdPlace, rowOp, writesInteger } from './handlers.ts';
import { PAGE_BYTES, RECORD_BYTES, SINK_REGISTER } from './layout.ts';

/** What the record of a word is made of, wherever the word lies. */
interface Template {
  /** op, rs1, rd, rs2 as they lie in a record's first four bytes; of a relative one, op is the far form. Never 0. */
  readonly head: number;
  readonly imm: number;
  /** Distance to the target and head for targets in the page. */
  readonly near: { readonly distance: number; readonly head: number } | undefined;
}

/** Templates are kept by word, since code repeats itself: in the slot that a hash of the word names, the latest one. */
const SLOTS_LOG2 = 16;
const SLOT = { word: 0, head: 1, imm: 2, nearHead: 3, distance: 4, words: 8 } as const;
const slots = new Int32Array(SLOT.words << SLOTS_LOG2);
const slotOf = (word: number): number => (Math.imul(word, 0x9e37_79b1) >>> (32 - SLOTS_LOG2)) * SLOT.words;

function fillSlot(slot: number, word: number): void {
  const { head, imm, near } = makeTemplate(word);
  slots[slot + SLOT.word] = word;
  slots[slot + SLOT.head] = head;
  slots[slot + SLOT.imm] = imm;
  slots[slot + SLOT.nearHead] = near?.head ?? 0;
  slots[slot + SLOT.distance] = near?.distance ?? 0;
}

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
  const slot = slotOf(word);
  if (slots[slot + SLOT.word] !== word || slots[slot + SLOT.head] === 0) fillSlot(slot, word);
  let head = slots[slot + SLOT.head] as number;
  let imm = slots[slot + SLOT.imm] as number;
  const nearHead = slots[slot + SLOT.nearHead] as number;
  if (nearHead !== 0 && nearAllowed) {
    const distance = slots[slot + SLOT.distance] as number;
    const target = pageOffset + distance;
    if (target >= 0 && target < PAGE_BYTES) {
      head = nearHead;
      imm = (distance / 2) * RECORD_BYTES;
    }
  }
  memory.setInt32(record, head, true);
  memory.setInt32(record + 4, imm, true);
}

/** What of a row's operands and kind a template needs, told once. */
interface RowFacts {
  readonly writesInteger: boolean;
  readonly isRelative: boolean;
  readonly isSystem: boolean;
  readonly place: RdPlace;
}
const FACTS: ReadonlyMap<InstructionRow, RowFacts> = new Map(
  INSTRUCTIONS.map((row) => [
    row,
    { writesInteger: writesInteger(row), isRelative: isRelative(row), isSystem: isSystem(row), place: rdPlace(row) },
  ]),
);

const headOf = (op: number, rs1: number, rd: number, rs2: number): number => op | (rs1 << 8) | (rd << 16) | (rs2 << 24);

function makeTemplate(word: number): Template {
  const decoded = decode(word);
  if (decoded === undefined) return { head: headOf(ownOp('illegal'), 0, 0, 0), imm: word, near: undefined };
  const { row, operands, bytes } = decoded;
  if (row.pure && operands.rd === 0) {
    return { head: headOf(ownOp(bytes === 2 ? 'nop2' : 'nop4'), 0, 0, 0), imm: 0, near: undefined };
  }
  const facts = FACTS.get(row);
  if (facts === undefined) throw new Error(`${row.name} is no row of the table`);
  const { place } = facts;
  const rd = facts.writesInteger && operands.rd === 0 ? SINK_REGISTER : operands.rd;
  const rs1 = operands.rs1 * 8;
  const rs2 = operands.rs2 * 8;
  const fast = facts.isSystem ? fastCsr(row.name, operands) : undefined;
  if (fast !== undefined) {
    const source = row.name.endsWith('i') ? 0 : rs1;
    return { head: headOf(ownOp(fast), source, rd * 8, 0), imm: word, near: undefined };
  }
  if (facts.isSystem) {
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
  const near = facts.isRelative
    ? { distance: operands.imm, head: headOf(rowOp(row, bytes, true), rs1, rdField, rs2) }
    : undefined;
  return { head: headOf(op, rs1, rdField, rs2), imm, near };
}
