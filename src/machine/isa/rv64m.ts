/** M extension: [Unpriv] "M" Extension for Integer Multiplication and Division. */
import { choose, type Expr, i32, i64 } from '../wasm/code.ts';
import type { InstructionRow, Semantics } from './instruction.ts';
import { OPCODE, opcode, row } from './row.ts';

const LOW_WORD = i64.const(0xffff_ffffn);
const low = (v: Expr<'i64'>): Expr<'i64'> => i64.and(v, LOW_WORD);
const high = (v: Expr<'i64'>): Expr<'i64'> => i64.shr_u(v, i64.const(32));
/** All ones when negative. */
const sign = (v: Expr<'i64'>): Expr<'i64'> => i64.shr_s(v, i64.const(63));

/** Upper half of the unsigned product, out of four 32 × 32 products. */
function multiplyHighUnsigned(c: Semantics, a: Expr<'i64'>, b: Expr<'i64'>): Expr<'i64'> {
  return c.bind(i64.add(i64.mul(high(a), low(b)), high(i64.mul(low(a), low(b)))), (middle) =>
    i64.add(i64.add(i64.mul(high(a), high(b)), high(middle)), high(i64.add(i64.mul(low(a), high(b)), low(middle)))),
  );
}

/** A negative factor was taken as 2^64 more than it is: the other factor must be taken off the upper half again. */
const correction = (signed: Expr<'i64'>, other: Expr<'i64'>): Expr<'i64'> => i64.and(sign(signed), other);

const mulhu = (c: Semantics): Expr<'i64'> => c.bind(c.rs1, (a) => c.bind(c.rs2, (b) => multiplyHighUnsigned(c, a, b)));
const mulh = (c: Semantics): Expr<'i64'> =>
  c.bind(c.rs1, (a) =>
    c.bind(c.rs2, (b) => i64.sub(i64.sub(multiplyHighUnsigned(c, a, b), correction(a, b)), correction(b, a))),
  );
const mulhsu = (c: Semantics): Expr<'i64'> =>
  c.bind(c.rs1, (a) => c.bind(c.rs2, (b) => i64.sub(multiplyHighUnsigned(c, a, b), correction(a, b))));

// Division by zero gives all ones and the dividend as remainder; overflow gives the dividend and remainder 0.
// WebAssembly traps where RISC-V does not, hence the guards.

const divide64 = (c: Semantics): Expr<'i64'> =>
  c.bind(c.rs1, (a) =>
    c.bind(c.rs2, (b) =>
      choose(
        i64.eqz(b),
        i64.const(-1),
        choose(i64.eq(b, i64.const(-1)), i64.sub(i64.const(0), a), i64.div_s(a, b), 'unlikely'),
        'unlikely',
      ),
    ),
  );
const remainder64 = (c: Semantics): Expr<'i64'> =>
  c.bind(c.rs1, (a) => c.bind(c.rs2, (b) => choose(i64.eqz(b), a, i64.rem_s(a, b), 'unlikely')));
const divideUnsigned64 = (c: Semantics): Expr<'i64'> =>
  c.bind(c.rs1, (a) => c.bind(c.rs2, (b) => choose(i64.eqz(b), i64.const(-1), i64.div_u(a, b), 'unlikely')));
const remainderUnsigned64 = (c: Semantics): Expr<'i64'> =>
  c.bind(c.rs1, (a) => c.bind(c.rs2, (b) => choose(i64.eqz(b), a, i64.rem_u(a, b), 'unlikely')));

const divide32 = (c: Semantics): Expr<'i32'> =>
  c.bind(c.rs1w, (a) =>
    c.bind(c.rs2w, (b) =>
      choose(
        i32.eqz(b),
        i32.const(-1),
        choose(i32.eq(b, i32.const(-1)), i32.sub(i32.const(0), a), i32.div_s(a, b), 'unlikely'),
        'unlikely',
      ),
    ),
  );
const remainder32 = (c: Semantics): Expr<'i32'> =>
  c.bind(c.rs1w, (a) => c.bind(c.rs2w, (b) => choose(i32.eqz(b), a, i32.rem_s(a, b), 'unlikely')));
const divideUnsigned32 = (c: Semantics): Expr<'i32'> =>
  c.bind(c.rs1w, (a) => c.bind(c.rs2w, (b) => choose(i32.eqz(b), i32.const(-1), i32.div_u(a, b), 'unlikely')));
const remainderUnsigned32 = (c: Semantics): Expr<'i32'> =>
  c.bind(c.rs1w, (a) => c.bind(c.rs2w, (b) => choose(i32.eqz(b), a, i32.rem_u(a, b), 'unlikely')));

const MULDIV = 0x01;
const row64 = (name: string, funct3: number, value: (c: Semantics) => Expr<'i64'>): InstructionRow =>
  row(name, 'rd, rs1, rs2', opcode(OPCODE.OP, { funct3, funct7: MULDIV }), (c) => c.rd(value(c)), { pure: true });
const row32 = (name: string, funct3: number, value: (c: Semantics) => Expr<'i32'>): InstructionRow =>
  row(name, 'rd, rs1, rs2', opcode(OPCODE.OP_32, { funct3, funct7: MULDIV }), (c) => c.rd(i64.extend_s(value(c))), {
    pure: true,
  });

export const RV64M: readonly InstructionRow[] = [
  row64('mul', 0, (c) => i64.mul(c.rs1, c.rs2)),
  row64('mulh', 1, mulh),
  row64('mulhsu', 2, mulhsu),
  row64('mulhu', 3, mulhu),
  row64('div', 4, divide64),
  row64('divu', 5, divideUnsigned64),
  row64('rem', 6, remainder64),
  row64('remu', 7, remainderUnsigned64),
  row32('mulw', 0, (c) => i32.mul(c.rs1w, c.rs2w)),
  row32('divw', 4, divide32),
  row32('divuw', 5, divideUnsigned32),
  row32('remw', 6, remainder32),
  row32('remuw', 7, remainderUnsigned32),
];
