/**
 * Fused multiply-add, rounded to nearest: the computer's own where WebAssembly can have it, else out of ordinary native
 * arithmetic as if by one rounding.
 *
 * Source: [BoldoMelquiond08], algorithm Fmac: error-free product and sums, and the low parts added with rounding to odd,
 * so that the final rounding sees on which side of a tie the exact value lies.
 */
import { type Expr, f32, f64, i32, i64, type Stmt, select, seq } from '../wasm/code.ts';
import { type ErrorFree, exactProduct, exactSum, exponentWithin, FACTOR_EXPONENT_MAX, isZero } from './error-free.ts';
import { fusesNatively } from './fused-hardware.ts';
import type { Semantics } from './instruction.ts';

type Double = Expr<'f64'>;
const TRUE = i32.const(1);
const FALSE = i32.const(0);

/** Twice the significand below such an exponent there still are numbers. */
const ORDINARY_EXPONENT_MAX = { f32: 60, f64: 600 } as const;

/** By the fused multiply-add of the computer, which has no range of its own. */
function byHardware<T extends 'f32' | 'f64'>(
  c: Semantics,
  multiplyAdd: (a: Expr<T>, b: Expr<T>, addend: Expr<T>) => Expr<T>,
  a: Expr<T>,
  b: Expr<T>,
  addend: Expr<T>,
  type: T,
  toDouble: (value: Expr<T>) => Double,
): FusedResult<T> {
  const [x, y, z] = [c.local(type), c.local(type), c.local(type)];
  // A product that is zero is exact; what an addend of ordinary size leaves of a product is too large to vanish.
  const isTrueZero = i32.or(
    i32.or(isZero(toDouble(x.get)), isZero(toDouble(y.get))),
    exponentWithin(toDouble(z.get), ORDINARY_EXPONENT_MAX[type]),
  );
  const statement = seq(x.set(a), y.set(b), z.set(addend));
  return { statement, isCovered: TRUE, value: multiplyAdd(x.get, y.get, z.get), isTrueZero };
}

/** The sum rounded to odd: of the two neighbours of an inexact sum, the one with an odd significand. */
function roundedToOdd(c: Semantics, { result, error }: ErrorFree): Double {
  const bits = c.local('i64');
  const zero = f64.convert_i32_s(i32.const(0));
  const towards = select(i32.eq(f64.lt(zero, error.get), f64.lt(zero, result.get)), i64.const(1), i64.const(-1));
  const isEvenAndInexact = i32.and(
    i32.eqz(i32.and(i32.wrap(bits.tee(i64.reinterpret(result.get))), i32.const(1))),
    i32.eqz(f64.eq(error.get, zero)),
  );
  return f64.reinterpret(
    c.bind(isEvenAndInexact, (adjust) => i64.add(bits.get, select(adjust, towards, i64.const(0)))),
  );
}

/** a × b + addend of singles: the product is exact as a double. */
export function fusedSingle(c: Semantics, a: Expr<'f32'>, b: Expr<'f32'>, addend: Expr<'f32'>): FusedResult<'f32'> {
  if (fusesNatively()) return byHardware(c, f32.relaxedMultiplyAdd, a, b, addend, 'f32', f64.promote);
  const product = c.local('f64');
  const third = c.local('f64');
  const sum = exactSum(c, product.get, third.get);
  const statement = seq(
    product.set(f64.mul(f64.promote(a), f64.promote(b))),
    third.set(f64.promote(addend)),
    sum.statement,
  );
  return { statement, isCovered: TRUE, value: f32.demote(roundedToOdd(c, sum)), isTrueZero: FALSE };
}

export interface FusedResult<T extends 'f32' | 'f64'> {
  readonly statement: Stmt;
  /** Exponents are where no intermediate result over- or underflows, and no zero has a sign to be found. */
  readonly isCovered: Expr<'i32'>;
  readonly value: Expr<T>;
  /** Whether a result that is zero is exact, with the sign it should have. */
  readonly isTrueZero: Expr<'i32'>;
}

/** Exponents of the addend that the algorithm is used for. */
const ADDEND_EXPONENT_MAX = 600;

/** a × b + addend of doubles. */
export function fusedDouble(c: Semantics, a: Double, b: Double, addend: Double): FusedResult<'f64'> {
  if (fusesNatively()) return byHardware(c, f64.relaxedMultiplyAdd, a, b, addend, 'f64', (v) => v);
  const [x, y, z] = [c.local('f64'), c.local('f64'), c.local('f64')];
  const product = exactProduct(c, x.get, y.get);
  const low = exactSum(c, z.get, product.error.get);
  const high = exactSum(c, product.result.get, low.result.get);
  const rest = exactSum(c, low.error.get, high.error.get);
  const statement = seq(
    x.set(a),
    y.set(b),
    z.set(addend),
    product.statement,
    low.statement,
    high.statement,
    rest.statement,
  );
  const areFactorsWithin = i32.and(
    exponentWithin(x.get, FACTOR_EXPONENT_MAX),
    exponentWithin(y.get, FACTOR_EXPONENT_MAX),
  );
  // Sums begin at zero: then the product is the result, as long as it is not zero too, which is a matter of signs.
  const isCovered = i32.and(areFactorsWithin, i32.or(exponentWithin(z.get, ADDEND_EXPONENT_MAX), isZero(z.get)));
  return { statement, isCovered, value: f64.add(high.result.get, roundedToOdd(c, rest)), isTrueZero: FALSE };
}
