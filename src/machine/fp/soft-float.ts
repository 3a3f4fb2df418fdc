/**
 * Exact IEEE 754 binary32 and binary64 with the semantics of F and D: what the hart uses wherever the processor's own
 * arithmetic is not certain to give the same bits and flags.
 *
 * Bit patterns in and out, as unsigned `bigint` (narrow a signed i64 with `BigInt.asUintN(64, …)`, unbox a binary32
 * with `nanUnbox`). Each operation takes a {@link FpEnvironment}, rounds by its `rm` and sets bits of its `flags`.
 */

export { add, div, mul, mulAdd, sqrt, sub } from './arithmetic.ts';
export { classify, eq, FCLASS, le, lt, max, min } from './compare.ts';
export {
  fromInteger,
  INT32,
  INT64,
  type IntegerRange,
  toFormat,
  toInteger,
  UINT32,
  UINT64,
} from './convert.ts';
export { FFLAG, type FpEnvironment, ROUNDING, type RoundingMode } from './environment.ts';
export { BINARY32, BINARY64, type FloatFormat, nanBox, nanUnbox, negate } from './format.ts';
