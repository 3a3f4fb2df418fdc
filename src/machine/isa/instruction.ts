/**
 * What a row of the instruction table is. Semantics are written once against `Semantics`, which says nothing about
 * where registers live: an interpreter reads them from hart state through a predecoded record, a translator keeps them
 * in WebAssembly locals.
 */

import type { FpEnvironment } from '../fp/soft-float.ts';
import type { Expr, Local, Stmt, ValueType } from '../wasm/code.ts';
import type { Operand } from './operand.ts';

export type LoadOp = 'load8_s' | 'load8_u' | 'load16_s' | 'load16_u' | 'load32_s' | 'load32_u' | 'load';
export type StoreOp = 'store8' | 'store16' | 'store32' | 'store';
export type AtomicWidth = 'w' | 'd';

export interface Semantics {
  readonly rs1: Expr<'i64'>;
  readonly rs2: Expr<'i64'>;
  /** Low words of rs1 and rs2. */
  readonly rs1w: Expr<'i32'>;
  readonly rs2w: Expr<'i32'>;
  readonly imm: Expr<'i64'>;
  readonly immw: Expr<'i32'>;
  /** Address of this instruction, and of the one after it. */
  readonly pc: Expr<'i64'>;
  readonly nextPc: Expr<'i64'>;
  rd(value: Expr<'i64'>): Stmt;
  /** Evaluates `value` once for a body that uses it several times. */
  bind<T extends ValueType, R extends ValueType>(value: Expr<T>, body: (v: Expr<T>) => Expr<R>): Expr<R>;

  /** A scratch local, free for this instruction. */
  local<T extends ValueType>(type: T): Local<T>;

  load(op: LoadOp, address: Expr<'i64'>): Expr<'i64'>;
  store(op: StoreOp, address: Expr<'i64'>, value: Expr<'i64'>): Stmt;
  /** Goes to pc + imm when the condition is non-zero. */
  branch(condition: Expr<'i32'>): Stmt;
  /** rd := nextPc, then goes to pc + imm. */
  jumpAndLink(): Stmt;
  /** rd := nextPc, then goes to `target` (computed before rd is written), bit 0 cleared. */
  jumpAndLinkTo(target: Expr<'i64'>): Stmt;

  /** rd := memory[rs1] (sign-extended); memory[rs1] := update(old, rs2); atomic. */
  atomic(width: AtomicWidth, update: (old: Expr<'i64'>, operand: Expr<'i64'>) => Expr<'i64'>): Stmt;
  loadReserved(width: AtomicWidth): Stmt;
  storeConditional(width: AtomicWidth): Stmt;

  /** Raw f register bits. */
  readonly frs1: Expr<'i64'>;
  readonly frs2: Expr<'i64'>;
  /** f registers as values; a single counts only where `boxed` holds. */
  readonly single1: Expr<'f32'>;
  readonly single2: Expr<'f32'>;
  readonly double1: Expr<'f64'>;
  readonly double2: Expr<'f64'>;
  readonly single3: Expr<'f32'>;
  readonly double3: Expr<'f64'>;
  /** The single in frs1 is NaN-boxed properly. */
  readonly boxed1: Expr<'i32'>;
  readonly boxed2: Expr<'i32'>;
  readonly boxed3: Expr<'i32'>;
  /** Rounding is to nearest even and NX is set already: an inexact result raises nothing new. */
  readonly inexactSilently: Expr<'i32'>;
  /** NX is set already. */
  readonly inexactAccrued: Expr<'i32'>;
  /**
   * Asks for code that is executed only where `inexactSilently` holds; false when the row's code must look itself. Asked
   * before anything else.
   */
  assumeInexactSilently(): boolean;
  /** frd := value when `certain` (value and flags are right), otherwise by the row's `exact`. FS on is checked here. */
  doubleTo(certain: Expr<'i32'>, value: Expr<'f64'>): Stmt;
  /** As `doubleTo`; boxes. */
  singleTo(certain: Expr<'i32'>, value: Expr<'f32'>): Stmt;
  /** As `doubleTo`, with the raw bits of the register. */
  floatTo(certain: Expr<'i32'>, bits: Expr<'i64'>): Stmt;
  /** rd := value when `certain`, otherwise by the row's `exact`. */
  floatToInteger(certain: Expr<'i32'>, value: Expr<'i64'>): Stmt;
  /** By the row's `exact`, always. */
  floatExact(): Stmt;
  floatLoad(op: LoadOp, address: Expr<'i64'>): Stmt;
  floatStore(op: StoreOp, address: Expr<'i64'>): Stmt;

  /** What the hart's control plane does: CSRs, traps, returns, fences. Named by the row. */
  environment(): Stmt;
  /** No effect at all: fence on a hart whose memory is in order. */
  readonly none: Stmt;
}

/** What the exact form of a floating-point instruction sees. */
export interface ExactOperands {
  /** Raw f registers (unsigned 64 bits). */
  readonly frs1: bigint;
  readonly frs2: bigint;
  readonly frs3: bigint;
  /** Integer register rs1, unsigned 64 bits. */
  readonly rs1: bigint;
  readonly env: FpEnvironment;
}

/** 32-bit instruction. */
export interface InstructionRow {
  readonly name: string;
  /** The word is this instruction when `(word & mask) === match`. */
  readonly match: number;
  readonly mask: number;
  /** Assembly syntax: operand names and punctuation. */
  readonly syntax: string;
  readonly operands: readonly Operand[];
  /** Only effect is the write of rd, so that with rd = x0 it does nothing. */
  readonly pure: boolean;
  readonly semantics: (c: Semantics) => Stmt;
  /** Exact form: gives the 64 bits of rd (f or x register) and sets flags in `env`. */
  readonly exact?: (o: ExactOperands) => bigint;
  /** Values of the rm field the semantics are right for; with others the exact form is used. Absent: no rm, or any;
   * empty: there is no native form. */
  readonly nativeRounding?: readonly number[];
}

/** 16-bit instruction: another writing of a 32-bit one. */
export interface CompressedRow {
  readonly name: string;
  readonly match: number;
  readonly mask: number;
  /** Not this instruction when `(word & mask) === value` for one of these. */
  readonly unless: readonly { readonly mask: number; readonly value: number }[];
  readonly syntax: string;
  readonly operands: readonly Operand[];
  /** Name of the row it expands to, and the slots its word does not hold. */
  readonly base: string;
  readonly fixed: Partial<Readonly<Record<'rd' | 'rs1' | 'rs2' | 'imm', number>>>;
}
