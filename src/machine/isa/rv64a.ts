/** A extension: [Unpriv] "A" Extension for Atomic Instructions. The aq and rl bits change nothing: memory is in order. */
import { type Expr, i64, select } from '../wasm/code.ts';
import type { AtomicWidth, InstructionRow } from './instruction.ts';
import { OPCODE, opcode, row } from './row.ts';

type Update = (old: Expr<'i64'>, operand: Expr<'i64'>) => Expr<'i64'>;
type Compare = (left: Expr<'i64'>, right: Expr<'i64'>) => Expr<'i32'>;

const choosing =
  (compare: Compare): Update =>
  (old, operand) =>
    select(compare(old, operand), old, operand);

const FUNCT3: Readonly<Record<AtomicWidth, number>> = { w: 2, d: 3 };
const WIDTHS: readonly AtomicWidth[] = ['w', 'd'];

/** `old` and `operand` come sign-extended from the width; so do unsigned comparisons keep their order. */
const amo = (name: string, funct5: number, update: Update): readonly InstructionRow[] =>
  WIDTHS.map((width) =>
    row(`${name}.${width}`, 'rd, rs2, (rs1)', opcode(OPCODE.AMO, { funct3: FUNCT3[width], funct5 }), (c) =>
      c.atomic(width, update),
    ),
  );

export const RV64A: readonly InstructionRow[] = [
  ...WIDTHS.map((width) =>
    row(`lr.${width}`, 'rd, (rs1)', opcode(OPCODE.AMO, { funct3: FUNCT3[width], funct5: 0x02, rs2: 0 }), (c) =>
      c.loadReserved(width),
    ),
  ),
  ...WIDTHS.map((width) =>
    row(`sc.${width}`, 'rd, rs2, (rs1)', opcode(OPCODE.AMO, { funct3: FUNCT3[width], funct5: 0x03 }), (c) =>
      c.storeConditional(width),
    ),
  ),
  ...amo('amoswap', 0x01, (_old, operand) => operand),
  ...amo('amoadd', 0x00, i64.add),
  ...amo('amoxor', 0x04, i64.xor),
  ...amo('amoand', 0x0c, i64.and),
  ...amo('amoor', 0x08, i64.or),
  ...amo('amomin', 0x10, choosing(i64.lt_s)),
  ...amo('amomax', 0x14, choosing(i64.gt_s)),
  ...amo('amominu', 0x18, choosing(i64.lt_u)),
  ...amo('amomaxu', 0x1c, choosing(i64.gt_u)),
];
