/**
 * The handlers of the predecoded interpreter: one per row and length, branches and jumps also by whether the target is
 * in the same page, and a few of the interpreter's own. A handler's index is the op byte of a record.
 */
import type { InstructionRow } from '../isa/instruction.ts';
import { OPCODE } from '../isa/row.ts';
import { COMPRESSIBLE, INSTRUCTIONS } from '../isa/table.ts';
import { FREQUENT_PAIRS } from './frequent-pairs.ts';

/** What is not an instruction of its own. `undecoded` is op 0, so that zeroed records decode themselves. */
export const OWN_HANDLERS = [
  'undecoded',
  // An entry of a region (translator/); the entry word holds the op of the instruction itself.
  'translated',
  'pageEnd',
  'crossing',
  'illegal',
  'nop4',
  'nop2',
  // Executed by the control plane, which gets their word.
  'exact4',
  'environment4',
  'environment2',
  // CSR instructions that need no control plane, see fast-csr.ts.
  'csrSwap',
  'csrRead',
  'sstatusSet',
  'sstatusClear',
  'flagsRead',
  'flagsSwap',
] as const;
export type OwnHandler = (typeof OWN_HANDLERS)[number];

export interface RowHandler {
  readonly row: InstructionRow;
  readonly bytes: 2 | 4;
  /** The target is in the page: imm is the distance in record bytes; otherwise imm is the distance in bytes. */
  readonly near: boolean;
}

export const isRelative = (row: InstructionRow): boolean => row.operands.some((o) => o.kind === 'target');

/** SYSTEM instructions go to the control plane. */
export const isSystem = (row: InstructionRow): boolean => (row.match & 0x7f) === OPCODE.SYSTEM;
/** As do rows with no native form. */
const hasHandler = (row: InstructionRow): boolean => !isSystem(row) && row.nativeRounding?.length !== 0;

export const ROW_HANDLERS: readonly RowHandler[] = INSTRUCTIONS.filter(hasHandler).flatMap((row) => {
  const lengths: readonly (2 | 4)[] = COMPRESSIBLE.has(row.name) ? [4, 2] : [4];
  return lengths.flatMap((bytes) => (isRelative(row) ? [true, false] : [false]).map((near) => ({ row, bytes, near })));
});

export const ownOp = (name: OwnHandler): number => OWN_HANDLERS.indexOf(name);

const nameOf = ({ row, bytes, near }: RowHandler): string => `${row.name}${bytes}${near ? 'n' : ''}`;
const INDEX_BY_NAME: ReadonlyMap<string, number> = new Map(ROW_HANDLERS.map((h, i) => [nameOf(h), i]));

/** Two instructions one after the other, executed with one dispatch. */
export interface PairHandler {
  readonly first: RowHandler;
  readonly second: RowHandler;
}

export const PAIR_HANDLERS: readonly PairHandler[] = FREQUENT_PAIRS.map(([a, b]) => {
  const first = ROW_HANDLERS[INDEX_BY_NAME.get(a) ?? -1];
  const second = ROW_HANDLERS[INDEX_BY_NAME.get(b) ?? -1];
  if (first === undefined || second === undefined) throw new Error(`no handlers ${a} and ${b}`);
  return { first, second };
});

/** An op is one byte. */
const OPS_MAX = 256;
const OPS_USED = OWN_HANDLERS.length + ROW_HANDLERS.length + PAIR_HANDLERS.length;
if (OPS_USED > OPS_MAX) throw new Error(`${OPS_USED} handlers, but an op can name ${OPS_MAX}`);

const FIRST_PAIR_OP = OWN_HANDLERS.length + ROW_HANDLERS.length;

/** Op of the pair by op of the first and op of the second times OPS_MAX. */
const PAIR_OPS: ReadonlyMap<number, number> = new Map(
  PAIR_HANDLERS.map(({ first, second }, i) => {
    const op = (handler: RowHandler): number => OWN_HANDLERS.length + ROW_HANDLERS.indexOf(handler);
    return [op(first) + op(second) * OPS_MAX, FIRST_PAIR_OP + i];
  }),
);

/** By op: the op that executes only the first instruction of what it executes, and that instruction's length (0: none). */
const SINGLE_OP = Uint8Array.from({ length: OPS_MAX }, (_, op) => {
  const pair = op < FIRST_PAIR_OP ? undefined : PAIR_HANDLERS[op - FIRST_PAIR_OP];
  return pair === undefined ? op : OWN_HANDLERS.length + ROW_HANDLERS.indexOf(pair.first);
});
const OP_BYTES = SINGLE_OP.map((single) =>
  single < OWN_HANDLERS.length ? 0 : (ROW_HANDLERS[single - OWN_HANDLERS.length]?.bytes ?? 0),
);

/** The op of a record whose instruction has op `first`, with another of op `second` right behind it. */
export function opBefore(first: number, second: number): number {
  const single = SINGLE_OP[first] ?? first;
  return PAIR_OPS.get(single + (SINGLE_OP[second] ?? second) * OPS_MAX) ?? single;
}

/** Length of the first instruction an op executes; 0 for ops of the interpreter's own. */
export const opBytes = (op: number): number => OP_BYTES[op] ?? 0;

/** Ops of a row: four-byte near and far, two-byte near and far. */
const OPS: ReadonlyMap<InstructionRow, readonly number[]> = new Map(
  INSTRUCTIONS.map((row) => {
    const op = (bytes: 2 | 4, near: boolean): number => {
      const index = ROW_HANDLERS.findIndex((h) => h.row === row && h.bytes === bytes && h.near === near);
      return index < 0 ? ownOp('illegal') : index + OWN_HANDLERS.length;
    };
    return [row, [op(4, true), op(4, false), op(2, true), op(2, false)]];
  }),
);

export function rowOp(row: InstructionRow, bytes: 2 | 4, near: boolean): number {
  const op = OPS.get(row)?.[(bytes === 2 ? 2 : 0) + (near ? 0 : 1)];
  if (op === undefined) throw new Error(`${row.name} is no row of the table`);
  return op;
}

/** Where a record holds rd: beside rs2 as a byte, or as a u16 (which can name the sink), in place of rs2 or imm. */
export type RdPlace = 'byte' | 'wide' | 'imm';

export function rdPlace(row: InstructionRow): RdPlace {
  const slots = new Set(row.operands.flatMap((o) => o.slots));
  if (!slots.has('rs2') || !slots.has('rd')) return 'wide';
  return row.pure || row.exact !== undefined ? 'byte' : 'imm';
}

/** rd is an x register. */
export const writesInteger = (row: InstructionRow): boolean =>
  row.operands.some((o) => o.slots.includes('rd') && o.kind === 'x');
