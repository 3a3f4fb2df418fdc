/** Reading and writing hart state from generated code: fixed addresses in linear memory. */
import { type Expr, i32, i64, type Stmt } from '../wasm/code.ts';
import type { STATE } from './layout.ts';

type Field = keyof typeof STATE;

export interface StateAccess {
  readonly base: number;
  load32(field: Field): Expr<'i32'>;
  store32(field: Field, value: Expr<'i32'>): Stmt;
  load64(field: Field): Expr<'i64'>;
  store64(field: Field, value: Expr<'i64'>): Stmt;
}

/** State of the hart whose area is at `base`. */
export function stateAccess(base: number, offsets: typeof STATE): StateAccess {
  const zero = i32.const(0);
  return {
    base,
    load32: (field) => i32.load(zero, base + offsets[field]),
    store32: (field, value) => i32.store(zero, value, base + offsets[field]),
    load64: (field) => i64.load(zero, base + offsets[field]),
    store64: (field, value) => i64.store(zero, value, base + offsets[field]),
  };
}
