/** RAM as generated code addresses it. */
import { type Expr, i32, i64 } from '../wasm/code.ts';

export interface GuestRam {
  readonly base: number;
  readonly bytes: number;
  readonly ramOffset: number;
  readonly pageRecordsOffset: number;
}

/** 1 when a physical address of u64 is in RAM. */
export const inRam = (ram: GuestRam, address: Expr<'i64'>): Expr<'i32'> =>
  i64.lt_u(i64.sub(address, i64.const(ram.base)), i64.const(ram.bytes));
export const toLinear = (ram: GuestRam, address: Expr<'i64'>): Expr<'i32'> =>
  i32.wrap(i64.add(address, i64.const(ram.ramOffset - ram.base)));
