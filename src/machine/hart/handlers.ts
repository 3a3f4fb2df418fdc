/**
 * The handlers of the predecoded interpreter: one per row and length, branches and jumps also by whether the target is
 * in the same page, and a few of the interpreter's own. A handler's index is the op byte of a record.
 */
import type { InstructionRow } from '../isa/instruction.ts';
import { COMPRESSIBLE, INSTRUCTIONS } from '../isa/table.ts';

/** What is not an instruction of its own. `undecoded` is op 0, so that zeroed records decode themselves. */
export const OWN_HANDLERS = [
  'undecoded',
  'pageEnd',
  'crossing',
  'illegal',
  'nop4',
  'nop2',
  'exact4',
  // CSR instructions that need no control plane, see fast-csr.ts.
  'csrSwap',
  'csrRead',
  'sstatusSet',
  'sstatusClear',
] as const;
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

if (OWN_HANDLERS.length + ROW_HANDLERS.length > 256) throw new Error('an op is one byte');

/** Ops of a row by length and nearness. */
interface RowOps {
  readonly 2: { readonly near: number; readonly far: number };
  readonly 4: { readonly near: number; readonly far: number };
}
const OPS: ReadonlyMap<InstructionRow, RowOps> = new Map(
  INSTRUCTIONS.map((row) => {
    const op = (bytes: 2 | 4, near: boolean): number => {
      const index = ROW_HANDLERS.findIndex((h) => h.row === row && h.bytes === bytes && h.near === near);
      return index < 0 ? ownOp('illegal') : index + OWN_HANDLERS.length;
    };
    return [row, { 2: { near: op(2, true), far: op(2, false) }, 4: { near: op(4, true), far: op(4, false) } }];
  }),
);

export function rowOp(row: InstructionRow, bytes: 2 | 4, near: boolean): number {
  const ops = OPS.get(row);
  if (ops === undefined) throw new Error(`${row.name} is no row of the table`);
  return ops[bytes][near ? 'near' : 'far'];
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
