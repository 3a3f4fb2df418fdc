/**
 * The handlers of the predecoded interpreter: one per row and length, branches and jumps also by whether the target is
 * in the same page, and a few of the interpreter's own. A handler's index is the op byte of a record.
 */
import type { InstructionRow } from '../isa/instruction.ts';
import { COMPRESSIBLE, INSTRUCTIONS } from '../isa/table.ts';

/** What is not an instruction of its own. `undecoded` is op 0, so that zeroed records decode themselves. */
export const OWN_HANDLERS = ['undecoded', 'pageEnd', 'crossing', 'illegal', 'nop4', 'nop2', 'exact4'] as const;
export type OwnHandler = (typeof OWN_HANDLERS)[number];

export interface RowHandler {
  readonly row: InstructionRow;
  readonly bytes: 2 | 4;
  /** The target is in the page: imm is the distance in record bytes; otherwise imm is the distance in bytes. */
  readonly near: boolean;
}

export const isRelative = (row: InstructionRow): boolean => row.operands.some((o) => o.kind === 'target');

export const ROW_HANDLERS: readonly RowHandler[] = INSTRUCTIONS.flatMap((row) => {
  const lengths: readonly (2 | 4)[] = COMPRESSIBLE.has(row.name) ? [4, 2] : [4];
  return lengths.flatMap((bytes) => (isRelative(row) ? [true, false] : [false]).map((near) => ({ row, bytes, near })));
});

export const ownOp = (name: OwnHandler): number => OWN_HANDLERS.indexOf(name);

const key = (name: string, bytes: number, near: boolean): string => `${name}/${bytes}/${near}`;
const OP_BY_KEY: ReadonlyMap<string, number> = new Map(
  ROW_HANDLERS.map((h, i) => [key(h.row.name, h.bytes, h.near), i + OWN_HANDLERS.length]),
);
if (OWN_HANDLERS.length + ROW_HANDLERS.length > 256) throw new Error('an op is one byte');

export function rowOp(row: InstructionRow, bytes: 2 | 4, near: boolean): number {
  const op = OP_BY_KEY.get(key(row.name, bytes, near));
  if (op === undefined) throw new Error(`no handler for ${row.name} of ${bytes} bytes`);
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
