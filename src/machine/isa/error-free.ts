/**
 * Error-free transformations: the sum or product of two doubles as rounded result and what rounding lost.
 * Source: [BoldoMelquiond08], Error-Free Transformations (Møller, Knuth; Dekker, Veltkamp).
 */
import { type Expr, f32, f64, i32, i64, type Local, type Stmt, seq, valueAfter } from '../wasm/code.ts';
import type { Semantics } from './instruction.ts';

type Double = Expr<'f64'>;
type Single = Expr<'f32'>;

export interface ErrorFree {
  readonly statement: Stmt;
  /** Rounded result and what rounding lost; result + error is exact. */
  readonly result: Local<'f64'>;
  readonly error: Local<'f64'>;
}

/** Operands are evaluated several times. */
export function exactSum(c: Semantics, a: Double, b: Double): ErrorFree {
  const result = c.local('f64');
  const error = c.local('f64');
  const b1 = c.local('f64');
  const statement = seq(
    result.set(f64.add(a, b)),
    b1.set(f64.sub(result.get, a)),
    error.set(f64.add(f64.sub(a, f64.sub(result.get, b1.get)), f64.sub(b, b1.get))),
  );
  return { statement, result, error };
}

/** 2^27 + 1 splits a significand of 53 bits in halves whose products are exact. */
const SPLITTER = f64.convert_i32_s(i32.const(0x800_0001));

export function exactProduct(c: Semantics, a: Double, b: Double): ErrorFree {
  const result = c.local('f64');
  const error = c.local('f64');
  const halves = (v: Double): { readonly statement: Stmt; readonly high: Double; readonly low: Double } => {
    const scaled = c.local('f64');
    const high = c.local('f64');
    const statement = seq(scaled.set(f64.mul(v, SPLITTER)), high.set(f64.sub(scaled.get, f64.sub(scaled.get, v))));
    return { statement, high: high.get, low: f64.sub(v, high.get) };
  };
  const [ah, bh] = [halves(a), halves(b)];
  const statement = seq(
    result.set(f64.mul(a, b)),
    ah.statement,
    bh.statement,
    error.set(
      f64.add(
        f64.add(
          f64.add(f64.sub(f64.mul(ah.high, bh.high), result.get), f64.mul(ah.high, bh.low)),
          f64.mul(ah.low, bh.high),
        ),
        f64.mul(ah.low, bh.low),
      ),
    ),
  );
  return { statement, result, error };
}

const BIAS = 1023;
/** Factors up to this exponent have products whose error does not underflow. */
export const FACTOR_EXPONENT_MAX = 300;

export const exponentWithin = (v: Double, max: number): Expr<'i32'> =>
  i32.lt_u(
    i32.sub(i32.and(i32.wrap(i64.shr_u(i64.reinterpret(v), i64.const(52))), i32.const(0x7ff)), i32.const(BIAS - max)),
    i32.const(2 * max),
  );

export const isZero = (v: Double): Expr<'i32'> => f64.eq(v, f64.convert_i32_s(i32.const(0)));

/** Whether nothing is lost when a and b are added; both are evaluated several times. */
export function isExactDoubleSum(c: Semantics, a: Double, b: Double): Expr<'i32'> {
  const sum = exactSum(c, a, b);
  return valueAfter(sum.statement, isZero(sum.error.get));
}

export function isExactDoubleProduct(c: Semantics, a: Double, b: Double): Expr<'i32'> {
  const product = exactProduct(c, a, b);
  return valueAfter(
    product.statement,
    i32.and(
      isZero(product.error.get),
      i32.and(exponentWithin(a, FACTOR_EXPONENT_MAX), exponentWithin(b, FACTOR_EXPONENT_MAX)),
    ),
  );
}

/** As doubles singles have exact products, and sums that are exact when the double sum is. */
export function isExactSingleSum(c: Semantics, a: Single, b: Single): Expr<'i32'> {
  const sum = exactSum(c, f64.promote(a), f64.promote(b));
  return valueAfter(sum.statement, i32.and(isZero(sum.error.get), f64.eq(f64.promote(f32.add(a, b)), sum.result.get)));
}

export const isExactSingleProduct = (_: Semantics, a: Single, b: Single): Expr<'i32'> =>
  f64.eq(f64.promote(f32.mul(a, b)), f64.mul(f64.promote(a), f64.promote(b)));
