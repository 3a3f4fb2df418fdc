/** What differs between the single and the double format: the rows of F and D are written once for both. */
import { BINARY32, BINARY64, type FloatFormat, nanBox, nanUnbox } from '../fp/soft-float.ts';
import { type Expr, f32, f64, i32, i64, type Stmt } from '../wasm/code.ts';
import { isExactDoubleProduct, isExactDoubleSum, isExactSingleProduct, isExactSingleSum } from './error-free.ts';
import { type FusedResult, fusedDouble, fusedSingle } from './fused-multiply-add.ts';
import type { LoadOp, Semantics, StoreOp } from './instruction.ts';

/** Upper half of an f register that holds a single. */
export const BOX = i64.const(0xffff_ffff_0000_0000n);
const TRUE = i32.const(1);
const SIGN32 = i64.const(0x8000_0000n);
const SIGN64 = i64.const(1n << 63n);

export type Float = 'f32' | 'f64';
export interface FloatOps<T extends Float> {
  readonly add: (a: Expr<T>, b: Expr<T>) => Expr<T>;
  readonly sub: (a: Expr<T>, b: Expr<T>) => Expr<T>;
  readonly mul: (a: Expr<T>, b: Expr<T>) => Expr<T>;
  readonly div: (a: Expr<T>, b: Expr<T>) => Expr<T>;
  readonly sqrt: (a: Expr<T>) => Expr<T>;
  readonly neg: (a: Expr<T>) => Expr<T>;
  readonly eq: (a: Expr<T>, b: Expr<T>) => Expr<'i32'>;
  readonly lt: (a: Expr<T>, b: Expr<T>) => Expr<'i32'>;
  readonly le: (a: Expr<T>, b: Expr<T>) => Expr<'i32'>;
  readonly convert_i32_s: (v: Expr<'i32'>) => Expr<T>;
  readonly convert_i32_u: (v: Expr<'i32'>) => Expr<T>;
  readonly convert_i64_s: (v: Expr<'i64'>) => Expr<T>;
  readonly convert_i64_u: (v: Expr<'i64'>) => Expr<T>;
}

/** All that differs between the formats. */
export interface Width<T extends Float> {
  readonly suffix: 's' | 'd';
  readonly fmt: number;
  readonly type: T;
  readonly format: FloatFormat;
  readonly ops: FloatOps<T>;
  readonly load: readonly [name: string, funct3: number, op: LoadOp];
  readonly store: readonly [name: string, funct3: number, op: StoreOp];
  readonly unbox: (raw: bigint) => bigint;
  readonly box: (pattern: bigint) => bigint;
  readonly value1: (c: Semantics) => Expr<T>;
  readonly value2: (c: Semantics) => Expr<T>;
  readonly value3: (c: Semantics) => Expr<T>;
  /** frs1, or both operands, hold a value of this format. */
  readonly valid1: (c: Semantics) => Expr<'i32'>;
  readonly valid2: (c: Semantics) => Expr<'i32'>;
  readonly valid3: (c: Semantics) => Expr<'i32'>;
  /** Whether the sum or product of two values is exact; the operands are evaluated several times. */
  readonly isExactSum: (c: Semantics, a: Expr<T>, b: Expr<T>) => Expr<'i32'>;
  readonly isExactProduct: (c: Semantics, a: Expr<T>, b: Expr<T>) => Expr<'i32'>;
  readonly fused: (c: Semantics, a: Expr<T>, b: Expr<T>, addend: Expr<T>) => FusedResult<T>;
  /** As `Semantics.doubleTo`. */
  readonly to: (c: Semantics, certain: Expr<'i32'>, value: Expr<T>) => Stmt;
  /** Neither zero, subnormal, infinite, NaN nor so small that rounding may have come from below the normal range. */
  readonly isPlain: (value: Expr<T>) => Expr<'i32'>;
  /** A zero of either sign. */
  readonly isZero: (value: Expr<T>) => Expr<'i32'>;
  readonly sign: Expr<'i64'>;
  /** Integers of up to this many bits are exact. */
  readonly precision: number;
  readonly toDouble: (value: Expr<T>) => Expr<'f64'>;
}

export const SINGLE: Width<'f32'> = {
  suffix: 's',
  fmt: 0,
  type: 'f32',
  format: BINARY32,
  ops: f32,
  load: ['flw', 2, 'load32_u'],
  store: ['fsw', 2, 'store32'],
  unbox: nanUnbox,
  box: nanBox,
  value1: (c) => c.single1,
  value2: (c) => c.single2,
  value3: (c) => c.single3,
  valid1: (c) => c.boxed1,
  valid2: (c) => i32.and(c.boxed1, c.boxed2),
  valid3: (c) => i32.and(i32.and(c.boxed1, c.boxed2), c.boxed3),
  isExactSum: isExactSingleSum,
  isExactProduct: isExactSingleProduct,
  fused: fusedSingle,
  to: (c, certain, value) => c.singleTo(certain, value),
  isPlain: (value) =>
    i32.lt_u(
      i32.sub(i32.and(i32.shr_u(i32.reinterpret(value), i32.const(23)), i32.const(0xff)), i32.const(2)),
      i32.const(252),
    ),
  isZero: (value) => i32.eqz(i32.shl(i32.reinterpret(value), i32.const(1))),
  sign: SIGN32,
  precision: 24,
  toDouble: f64.promote,
};

export const DOUBLE: Width<'f64'> = {
  suffix: 'd',
  fmt: 1,
  type: 'f64',
  format: BINARY64,
  ops: f64,
  load: ['fld', 3, 'load'],
  store: ['fsd', 3, 'store'],
  unbox: (raw) => raw,
  box: (pattern) => pattern,
  value1: (c) => c.double1,
  value2: (c) => c.double2,
  value3: (c) => c.double3,
  valid1: () => TRUE,
  valid2: () => TRUE,
  valid3: () => TRUE,
  isExactSum: isExactDoubleSum,
  isExactProduct: isExactDoubleProduct,
  fused: fusedDouble,
  to: (c, certain, value) => c.doubleTo(certain, value),
  isPlain: (value) =>
    i32.lt_u(
      i32.sub(i32.and(i32.wrap(i64.shr_u(i64.reinterpret(value), i64.const(52))), i32.const(0x7ff)), i32.const(2)),
      i32.const(2044),
    ),
  isZero: (value) => i64.eqz(i64.shl(i64.reinterpret(value), i64.const(1))),
  sign: SIGN64,
  precision: 53,
  toDouble: (value) => value,
};
