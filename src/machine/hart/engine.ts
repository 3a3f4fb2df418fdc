/** What the code of a handler is written against: registers of the interpreter, and ways on. */
import { type Expr, i32, type Local, type Stmt } from '../wasm/code.ts';
import type { ImportedFunctions } from './hart-imports.ts';
import { RECORD_BYTES } from './layout.ts';
import type { SlowAccess } from './slow-access.ts';
import type { StateAccess } from './state-access.ts';

/** The registers of the interpreter itself, and where its handlers go when they are done. */
export interface Engine {
  readonly state: StateAccess;
  readonly imports: ImportedFunctions;
  readonly slow: SlowAccess;
  readonly ip: Local<'i32'>;
  readonly pc: Expr<'i64'>;
  readonly dataBank: Local<'i32'>;
  readonly scratch: <T extends 'i32' | 'i64' | 'f32' | 'f64'>(type: T, index: number) => Local<T>;
  /** Writes pc and budget to state: what follows may look at the hart. */
  readonly spill: Stmt;
  /** Reads budget and banks back. */
  readonly refresh: Stmt;
  /** Goes on where state says. */
  readonly reload: Stmt;
  /** Ends this instruction and goes on with the record at ip. */
  readonly nextRecord: Stmt;
  /** Ends this instruction and goes on at an address. */
  readonly goTo: (target: Expr<'i64'>) => Stmt;
}

export const advance = (ip: Local<'i32'>, bytes: number): Stmt =>
  ip.set(i32.add(ip.get, i32.const((bytes / 2) * RECORD_BYTES)));
