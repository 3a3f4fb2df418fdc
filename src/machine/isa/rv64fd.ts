/**
 * F and D extensions: [Unpriv] "F" Extension for Single-Precision Floating-Point, "D" Extension for Double-Precision
 * Floating-Point. Rows are written once for both formats. Native WebAssembly arithmetic is used where value and flags
 * are certain; `exact` is the whole truth.
 */
import {
  add,
  BINARY32,
  BINARY64,
  classify,
  div,
  eq,
  type FloatFormat,
  type FpEnvironment,
  fromInteger,
  INT32,
  INT64,
  type IntegerRange,
  le,
  lt,
  max,
  min,
  mul,
  mulAdd,
  nanBox,
  nanUnbox,
  negate,
  ROUNDING,
  sqrt,
  sub,
  toFormat,
  toInteger,
  UINT32,
  UINT64,
} from '../fp/soft-float.ts';
import { choose, type Expr, f32, f64, i32, i64, select, type ValueType, valueAfter } from '../wasm/code.ts';
import { BOX, DOUBLE, type Float, type FloatOps, SINGLE, type Width } from './float-width.ts';
import type { ExactOperands, InstructionRow, Semantics } from './instruction.ts';
import { OPCODE, opcode, row } from './row.ts';

const DYNAMIC = 7;
const NEAREST: readonly number[] = [ROUNDING.RNE, DYNAMIC];
const TRUE = i32.const(1);

/**
 * Native arithmetic: certain when the result is plain, so that at most NX could be raised, and NX is set already or the
 * result is known to be exact. A zero is certain when it comes of a zero, or of a difference rounded to nearest.
 */
function arithmetic<T extends Float>(
  w: Width<T>,
  native: (c: Semantics) => Expr<T>,
  valid: (c: Semantics) => Expr<'i32'>,
  { isExact = () => i32.const(0), isTrueZero }: Certainty,
) {
  return (c: Semantics) => {
    const result = c.local(w.type);
    const raisesNothing = c.assumeInexactSilently() ? TRUE : choose(c.inexactSilently, TRUE, isExact(c), 'likely');
    const certain = choose(
      valid(c),
      choose(w.isPlain(result.tee(native(c))), raisesNothing, i32.and(w.isZero(result.get), isTrueZero(c)), 'likely'),
      i32.const(0),
    );
    return w.to(c, certain, result.get);
  };
}

interface Certainty {
  /** Whether a plain result is exact; absent: nobody knows. */
  readonly isExact?: (c: Semantics) => Expr<'i32'>;
  /** Whether a result that is zero is exact, with the sign it should have. */
  readonly isTrueZero: (c: Semantics) => Expr<'i32'>;
}

type Exact2 = (format: FloatFormat, a: bigint, b: bigint, env: FpEnvironment) => bigint;

function arithmeticRows<T extends Float>(w: Width<T>): readonly InstructionRow[] {
  const two = (
    name: string,
    funct5: number,
    native: FloatOps<T>['add'],
    exact: Exact2,
    certainty: Certainty,
  ): InstructionRow =>
    row(
      `${name}.${w.suffix}`,
      'frd, frs1, frs2, rm',
      opcode(OPCODE.OP_FP, { funct5, fmt: w.fmt }),
      arithmetic(w, (c) => native(w.value1(c), w.value2(c)), w.valid2, certainty),
      {
        exact: (o) => w.box(exact(w.format, w.unbox(o.frs1), w.unbox(o.frs2), o.env)),
        nativeRounding: NEAREST,
      },
    );
  // A sum of zero has the sign that rounding to nearest gives it.
  const isTrueZero = (c: Semantics): Expr<'i32'> => c.inexactSilently;
  return [
    two('fadd', 0x00, w.ops.add, add, { isExact: (c) => w.isExactSum(c, w.value1(c), w.value2(c)), isTrueZero }),
    two('fsub', 0x01, w.ops.sub, sub, {
      isExact: (c) => w.isExactSum(c, w.value1(c), w.ops.neg(w.value2(c))),
      isTrueZero,
    }),
    two('fmul', 0x02, w.ops.mul, mul, {
      isExact: (c) => w.isExactProduct(c, w.value1(c), w.value2(c)),
      isTrueZero: (c) => i32.or(w.isZero(w.value1(c)), w.isZero(w.value2(c))),
    }),
    two('fdiv', 0x03, w.ops.div, div, { isTrueZero: (c) => w.isZero(w.value1(c)) }),
    row(
      `fsqrt.${w.suffix}`,
      'frd, frs1, rm',
      opcode(OPCODE.OP_FP, { funct5: 0x0b, fmt: w.fmt, rs2: 0 }),
      arithmetic(w, (c) => w.ops.sqrt(w.value1(c)), w.valid1, { isTrueZero: () => TRUE }),
      { exact: (o) => w.box(sqrt(w.format, w.unbox(o.frs1), o.env)), nativeRounding: NEAREST },
    ),
  ];
}

/** fmadd and its sign variants: negation of product or addend is exact, so it happens on the operands. */
function fusedRows<T extends Float>(w: Width<T>): readonly InstructionRow[] {
  const fused = (name: string, major: number, negateProduct: boolean, negateAddend: boolean): InstructionRow =>
    row(
      `${name}.${w.suffix}`,
      'frd, frs1, frs2, frs3, rm',
      opcode(major, { fmt: w.fmt }),
      (c) => {
        const result = c.local(w.type);
        const isSilent = c.assumeInexactSilently() ? TRUE : c.inexactSilently;
        const a = negateProduct ? w.ops.neg(w.value1(c)) : w.value1(c);
        const addend = negateAddend ? w.ops.neg(w.value3(c)) : w.value3(c);
        const { statement, isCovered, value, isTrueZero } = w.fused(c, a, w.value2(c), addend);
        const isCertain = choose(
          w.isPlain(result.tee(value)),
          TRUE,
          i32.and(w.isZero(result.get), isTrueZero),
          'likely',
        );
        const certain = choose(
          i32.and(isSilent, w.valid3(c)),
          valueAfter(statement, choose(isCovered, isCertain, i32.const(0))),
          i32.const(0),
        );
        return w.to(c, certain, result.get);
      },
      {
        exact: (o) => {
          const a = w.unbox(o.frs1);
          const addend = w.unbox(o.frs3);
          return w.box(
            mulAdd(
              w.format,
              negateProduct ? negate(w.format, a) : a,
              w.unbox(o.frs2),
              negateAddend ? negate(w.format, addend) : addend,
              o.env,
            ),
          );
        },
        nativeRounding: NEAREST,
      },
    );
  return [
    fused('fmadd', OPCODE.MADD, false, false),
    fused('fmsub', OPCODE.MSUB, false, true),
    fused('fnmsub', OPCODE.NMSUB, true, false),
    fused('fnmadd', OPCODE.NMADD, true, true),
  ];
}

function signRows<T extends Float>(w: Width<T>): readonly InstructionRow[] {
  const magnitude = (v: Expr<'i64'>): Expr<'i64'> => i64.and(v, i64.xor(w.sign, i64.const(-1)));
  const signOf = (v: Expr<'i64'>): Expr<'i64'> => i64.and(v, w.sign);
  const s = w.format.signBit;
  const inject = (
    name: string,
    funct3: number,
    native: (a: Expr<'i64'>, b: Expr<'i64'>) => Expr<'i64'>,
    exactSign: (a: bigint, b: bigint) => bigint,
  ): InstructionRow =>
    row(
      `${name}.${w.suffix}`,
      'frd, frs1, frs2',
      opcode(OPCODE.OP_FP, { funct5: 0x04, fmt: w.fmt, funct3 }),
      (c) => c.floatTo(w.valid2(c), native(c.frs1, c.frs2)),
      {
        exact: (o) => {
          const a = w.unbox(o.frs1);
          return w.box((a & (s - 1n)) | (exactSign(a, w.unbox(o.frs2)) & s));
        },
      },
    );
  return [
    inject(
      'fsgnj',
      0,
      (a, b) => i64.or(magnitude(a), signOf(b)),
      (_a, b) => b,
    ),
    inject(
      'fsgnjn',
      1,
      (a, b) => i64.or(magnitude(a), i64.xor(signOf(b), w.sign)),
      (_a, b) => ~b,
    ),
    inject(
      'fsgnjx',
      2,
      (a, b) => i64.xor(a, signOf(b)),
      (a, b) => a ^ b,
    ),
  ];
}

function compareRows<T extends Float>(w: Width<T>): readonly InstructionRow[] {
  const ordered = (c: Semantics): Expr<'i32'> =>
    i32.and(w.valid2(c), i32.and(w.ops.eq(w.value1(c), w.value1(c)), w.ops.eq(w.value2(c), w.value2(c))));
  const compare = (
    name: string,
    funct3: number,
    native: FloatOps<T>['eq'],
    exact: (format: FloatFormat, a: bigint, b: bigint, env: FpEnvironment) => boolean,
  ): InstructionRow =>
    row(
      `${name}.${w.suffix}`,
      'rd, frs1, frs2',
      opcode(OPCODE.OP_FP, { funct5: 0x14, fmt: w.fmt, funct3 }),
      (c) => c.floatToInteger(ordered(c), i64.extend_u(native(w.value1(c), w.value2(c)))),
      { exact: (o) => (exact(w.format, w.unbox(o.frs1), w.unbox(o.frs2), o.env) ? 1n : 0n) },
    );
  const extreme = (name: string, funct3: number, exact: Exact2): InstructionRow =>
    row(
      `${name}.${w.suffix}`,
      'frd, frs1, frs2',
      opcode(OPCODE.OP_FP, { funct5: 0x05, fmt: w.fmt, funct3 }),
      (c) => {
        const less = w.ops.lt(w.value1(c), w.value2(c));
        const greater = w.ops.lt(w.value2(c), w.value1(c));
        const firstWins = name === 'fmin' ? less : greater;
        // Equal operands may be zeros of different sign: left to the exact form, as are NaNs.
        return c.floatTo(i32.and(w.valid2(c), i32.or(less, greater)), select(firstWins, c.frs1, c.frs2));
      },
      { exact: (o) => w.box(exact(w.format, w.unbox(o.frs1), w.unbox(o.frs2), o.env)) },
    );
  return [
    compare('feq', 2, w.ops.eq, eq),
    compare('flt', 1, w.ops.lt, lt),
    compare('fle', 0, w.ops.le, le),
    extreme('fmin', 0, min),
    extreme('fmax', 1, max),
    row(
      `fclass.${w.suffix}`,
      'rd, frs1',
      opcode(OPCODE.OP_FP, { funct5: 0x1c, fmt: w.fmt, funct3: 1, rs2: 0 }),
      (c) => c.floatExact(),
      { exact: (o) => BigInt(classify(w.format, w.unbox(o.frs1))), nativeRounding: [] },
    ),
  ];
}

/** One integer type of the conversions: `code` is the rs2 field. */
interface IntegerType {
  readonly name: 'w' | 'wu' | 'l' | 'lu';
  readonly code: number;
  readonly range: IntegerRange;
  readonly signExtended: (value: bigint) => bigint;
  readonly fromRegister: (value: bigint) => bigint;
}
const INTEGERS: readonly IntegerType[] = [
  {
    name: 'w',
    code: 0,
    range: INT32,
    signExtended: (v) => v,
    fromRegister: (v) => BigInt.asIntN(32, v),
  },
  {
    name: 'wu',
    code: 1,
    range: UINT32,
    signExtended: (v) => BigInt.asIntN(32, v),
    fromRegister: (v) => BigInt.asUintN(32, v),
  },
  { name: 'l', code: 2, range: INT64, signExtended: (v) => v, fromRegister: (v) => BigInt.asIntN(64, v) },
  { name: 'lu', code: 3, range: UINT64, signExtended: (v) => v, fromRegister: (v) => BigInt.asUintN(64, v) },
];

function conversionRows<T extends Float>(w: Width<T>): readonly InstructionRow[] {
  return INTEGERS.flatMap((integer) => {
    const wide = integer.name === 'l' || integer.name === 'lu';
    const unsigned = integer.name === 'wu' || integer.name === 'lu';
    const toIntegerRow = row(
      `fcvt.${integer.name}.${w.suffix}`,
      'rd, frs1, rm',
      opcode(OPCODE.OP_FP, { funct5: 0x18, fmt: w.fmt, rs2: integer.code }),
      (c) => {
        // Truncation of a number well inside the range; a fraction raises NX, which must be set already.
        const limit = f64.convert_i64_s(i64.const(wide ? 1n << 62n : 1n << 30n));
        const value = w.toDouble(w.value1(c));
        const inRange = unsigned
          ? i32.and(f64.lt(value, limit), f64.le(f64.convert_i32_s(i32.const(0)), value))
          : f64.lt(f64.abs(value), limit);
        const certain = i32.and(
          w.valid1(c),
          i32.and(inRange, i32.or(c.inexactAccrued, f64.eq(f64.trunc(value), value))),
        );
        return c.floatToInteger(certain, i64.trunc_f64_s(value));
      },
      {
        exact: (o) => integer.signExtended(toInteger(w.format, w.unbox(o.frs1), integer.range, o.env)),
        nativeRounding: [ROUNDING.RTZ],
      },
    );
    const fromIntegerRow = row(
      `fcvt.${w.suffix}.${integer.name}`,
      'frd, rs1, rm',
      opcode(OPCODE.OP_FP, { funct5: 0x1a, fmt: w.fmt, rs2: integer.code }),
      (c) => {
        const value: Expr<'i64'> = wide ? c.rs1 : unsigned ? i64.extend_u(c.rs1w) : i64.extend_s(c.rs1w);
        const native = integer.name === 'lu' ? w.ops.convert_i64_u(value) : w.ops.convert_i64_s(value);
        // Exact when it fits the significand; otherwise inexact at worst, since no integer is out of range.
        const bound = i64.const(1n << BigInt(w.precision));
        const fits = unsigned
          ? i64.lt_u(value, bound)
          : i64.lt_u(i64.add(value, bound), i64.const(2n << BigInt(w.precision)));
        return w.to(c, i32.or(fits, c.inexactSilently), native);
      },
      {
        exact: (o) => w.box(fromInteger(w.format, integer.fromRegister(o.rs1), o.env)),
        nativeRounding: NEAREST,
      },
    );
    return [toIntegerRow, fromIntegerRow];
  });
}

function memoryRows<T extends Float>(w: Width<T>): readonly InstructionRow[] {
  const [loadName, loadFunct3, loadOp] = w.load;
  const [storeName, storeFunct3, storeOp] = w.store;
  return [
    row(loadName, 'frd, immI(rs1)', opcode(OPCODE.LOAD_FP, { funct3: loadFunct3 }), (c) =>
      c.floatLoad(loadOp, i64.add(c.rs1, c.imm)),
    ),
    row(storeName, 'frs2, immS(rs1)', opcode(OPCODE.STORE_FP, { funct3: storeFunct3 }), (c) =>
      c.floatStore(storeOp, i64.add(c.rs1, c.imm)),
    ),
  ];
}

const CERTAIN: Expr<'i32'> = TRUE;
const asSigned32 = (v: bigint): bigint => BigInt.asUintN(64, BigInt.asIntN(32, v));
const move = (
  name: string,
  syntax: string,
  fields: { readonly funct5: number; readonly fmt: number },
  semantics: InstructionRow['semantics'],
  exact: (o: ExactOperands) => bigint,
): InstructionRow => row(name, syntax, opcode(OPCODE.OP_FP, { ...fields, funct3: 0, rs2: 0 }), semantics, { exact });

const MOVES: readonly InstructionRow[] = [
  move(
    'fmv.x.w',
    'rd, frs1',
    { funct5: 0x1c, fmt: 0 },
    (c) => c.floatToInteger(CERTAIN, i64.extend32_s(c.frs1)),
    (o) => asSigned32(o.frs1),
  ),
  move(
    'fmv.x.d',
    'rd, frs1',
    { funct5: 0x1c, fmt: 1 },
    (c) => c.floatToInteger(CERTAIN, c.frs1),
    (o) => o.frs1,
  ),
  move(
    'fmv.w.x',
    'frd, rs1',
    { funct5: 0x1e, fmt: 0 },
    (c) => c.floatTo(CERTAIN, i64.or(c.rs1, BOX)),
    (o) => nanBox(BigInt.asUintN(32, o.rs1)),
  ),
  move(
    'fmv.d.x',
    'frd, rs1',
    { funct5: 0x1e, fmt: 1 },
    (c) => c.floatTo(CERTAIN, c.rs1),
    (o) => o.rs1,
  ),
];

const isNumber = <T extends ValueType>(compare: (a: Expr<T>, b: Expr<T>) => Expr<'i32'>, v: Expr<T>): Expr<'i32'> =>
  compare(v, v);

const BETWEEN_FORMATS: readonly InstructionRow[] = [
  row(
    'fcvt.s.d',
    'frd, frs1, rm',
    opcode(OPCODE.OP_FP, { funct5: 0x08, fmt: SINGLE.fmt, rs2: DOUBLE.fmt }),
    arithmetic(
      SINGLE,
      (c) => f32.demote(c.double1),
      () => TRUE,
      { isTrueZero: (c) => DOUBLE.isZero(c.double1) },
    ),
    { exact: (o) => nanBox(toFormat(BINARY64, BINARY32, o.frs1, o.env)), nativeRounding: NEAREST },
  ),
  row(
    'fcvt.d.s',
    'frd, frs1, rm',
    opcode(OPCODE.OP_FP, { funct5: 0x08, fmt: DOUBLE.fmt, rs2: SINGLE.fmt }),
    // Every single is a double; only NaNs need more than that.
    (c) => c.doubleTo(i32.and(c.boxed1, isNumber(f32.eq, c.single1)), f64.promote(c.single1)),
    { exact: (o) => toFormat(BINARY32, BINARY64, nanUnbox(o.frs1), o.env), nativeRounding: [0, 1, 2, 3, 4, DYNAMIC] },
  ),
];

const formatRows = <T extends Float>(w: Width<T>): readonly InstructionRow[] => [
  ...memoryRows(w),
  ...arithmeticRows(w),
  ...fusedRows(w),
  ...signRows(w),
  ...compareRows(w),
  ...conversionRows(w),
];

export const RV64FD: readonly InstructionRow[] = [
  ...formatRows(SINGLE),
  ...formatRows(DOUBLE),
  ...MOVES,
  ...BETWEEN_FORMATS,
];
