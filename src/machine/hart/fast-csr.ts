/**
 * CSR instructions that generated code executes by itself, because they are used all the time: S-mode's plain
 * registers, bits of sstatus set or cleared, and fflags around a comparison. All else, and whatever has side effects, goes
 * to the control plane.
 */
import type { Operands } from '../isa/operand.ts';
import { choose, type Expr, i32, i64, type Local, nothing, type Stmt, seq, when } from '../wasm/code.ts';
import { FFLAG_NX } from './float-state.ts';
import type { OwnHandler } from './handlers.ts';
import { type CsrRegister, csrOffset, TLB_CLASS } from './layout.ts';
import { MSTATUS, MSTATUS_SD, SSTATUS_UXL, SSTATUS_WRITABLE } from './mstatus.ts';
import type { StateAccess } from './state-access.ts';

const FFLAGS = 0x001;
const FFLAGS_MASK = 0x1f;
const SSTATUS = 0x100;
/** S-mode registers that hold whatever is written, but sepc, which loses bit 0: CSRs 0x140 to 0x143 in this order. */
const PLAIN: readonly CsrRegister[] = ['sscratch', 'sepc', 'scause', 'stval'];
const PLAIN_FIRST = 0x140;
const SEPC = 0x141;

/** `csrrw` of sstatus, which has no handler of its own: what the word is but for its registers. */
export const SSTATUS_WRITE = { mask: ~0x000f_8f80, word: (SSTATUS << 20) | 0x1073 } as const;

/** Fields of the word. */
const CSR_SHIFT = 20;
const ZIMM_SHIFT = 15;
/** funct3 bit 2: the immediate form, whose operand takes the place of rs1. */
const IMMEDIATE_FORM = 1 << 14;

/** The handler of a CSR instruction that needs no control plane, as far as its word tells. Its record's imm is the word. */
export function fastCsr(name: string, { rd, rs1, imm: csr }: Operands): OwnHandler | undefined {
  const isPlain = csr >= PLAIN_FIRST && csr < PLAIN_FIRST + PLAIN.length;
  switch (name) {
    case 'csrrw':
      if (csr === FFLAGS) return 'flagsSwap';
      return isPlain ? 'csrSwap' : undefined;
    case 'csrrs':
      if (csr === SSTATUS) return 'sstatusSet';
      if (csr === FFLAGS && rs1 === 0) return rd === 0 ? undefined : 'flagsRead';
      return isPlain && rs1 === 0 && rd !== 0 ? 'csrRead' : undefined;
    case 'csrrsi':
      return csr === SSTATUS ? 'sstatusSet' : undefined;
    case 'csrrc':
    case 'csrrci':
      return csr === SSTATUS ? 'sstatusClear' : undefined;
    default:
      return undefined;
  }
}

export interface FastCsrContext {
  readonly state: StateAccess;
  readonly dataBank: Local<'i32'>;
  readonly scratch: <T extends 'i32' | 'i64'>(type: T, index: number) => Local<T>;
  /** Address of the data bank of a class. */
  readonly bankOf: (tlbClass: number) => Expr<'i32'>;
  /** The instruction's word. */
  readonly word: Expr<'i32'>;
  /** rs1; zero in an immediate form. */
  readonly rs1: Expr<'i64'>;
  readonly rd: (value: Expr<'i64'>) => Stmt;
  /** Address of the hart's area, and what is added to it as an offset. */
  readonly area: Expr<'i32'>;
  readonly areaOffset: number;
  /** Leaves the handler: the control plane executes the instruction. */
  readonly slow: Stmt;
  /** Whether FS may change here. */
  readonly changesFloatStatus: boolean;
}

const SUPERVISOR = 1;

/** (registers S-mode may access) Goes on only in S-mode or above. */
const needsSupervisor = ({ state, slow }: FastCsrContext): Stmt =>
  when(i32.lt_u(state.load32('privilege'), i32.const(SUPERVISOR)), slow, undefined, 'unlikely');

/** Address of the plain register less PLAIN_OFFSET: they lie one after the other. */
const plainAddress = ({ word, area }: FastCsrContext): Expr<'i32'> =>
  i32.add(area, i32.shl(i32.and(i32.shr_u(word, i32.const(CSR_SHIFT)), i32.const(PLAIN.length - 1)), i32.const(3)));
const PLAIN_OFFSET = csrOffset('sscratch');
if (PLAIN.some((name, i) => csrOffset(name) !== PLAIN_OFFSET + 8 * i)) throw new Error('plain CSRs lie in a row');

export function csrRead(c: FastCsrContext): Stmt {
  return seq(needsSupervisor(c), c.rd(i64.load(plainAddress(c), c.areaOffset + PLAIN_OFFSET)));
}

export function csrSwap(c: FastCsrContext): Stmt {
  const written = c.scratch('i64', 1);
  const old = c.scratch('i64', 2);
  const address = c.scratch('i32', 1);
  const isSepc = i32.eq(i32.shr_u(c.word, i32.const(CSR_SHIFT)), i32.const(SEPC));
  return seq(
    needsSupervisor(c),
    address.set(plainAddress(c)),
    written.set(i64.and(c.rs1, i64.xor(i64.extend_u(isSepc), i64.const(-1)))),
    old.set(i64.load(address.get, c.areaOffset + PLAIN_OFFSET)),
    i64.store(address.get, written.get, c.areaOffset + PLAIN_OFFSET),
    c.rd(old.get),
  );
}

export function flagsRead({ state, slow, rd }: FastCsrContext): Stmt {
  return seq(
    when(i32.eqz(state.load32('floatOn')), slow, undefined, 'unlikely'),
    rd(i64.extend_u(state.load32('fflags'))),
  );
}

/** Where FS stays dirty and NX as it is, nothing changes that floating-point code was told. */
export function flagsSwap({ state, slow, rd, rs1, scratch }: FastCsrContext): Stmt {
  const written = scratch('i32', 1);
  const old = scratch('i32', 2);
  const staysInexact = i32.eqz(i32.and(i32.xor(written.get, old.get), i32.const(FFLAG_NX)));
  return seq(
    written.set(i32.and(i32.wrap(rs1), i32.const(FFLAGS_MASK))),
    old.set(state.load32('fflags')),
    when(i32.eqz(i32.and(state.load32('floatDirty'), staysInexact)), slow, undefined, 'unlikely'),
    state.store32('fflags', written.get),
    rd(i64.extend_u(old.get)),
  );
}

/** What generated code asks before it takes a native path, as FloatState.statusChanged has it. */
function floatStatusChanged({ state }: FastCsrContext, status: Expr<'i32'>): Stmt {
  const fs = i32.and(status, i32.const(MSTATUS.FS));
  const isDirty = state.load32('floatDirty');
  return seq(
    state.store32('floatOn', i32.ne(fs, i32.const(0))),
    state.store32('floatDirty', i32.eq(fs, i32.const(MSTATUS.FS))),
    state.store32('inexactAccrued', i32.and(isDirty, state.load32('accruedInexact'))),
    state.store32('inexactSilently', i32.and(isDirty, state.load32('accruedInexactNearest'))),
  );
}

export function sstatusModify(c: FastCsrContext, kind: 'set' | 'clear' | 'write'): Stmt {
  const { state, slow } = c;
  const old = c.scratch('i32', 1);
  const changed = c.scratch('i32', 2);
  const now = c.scratch('i32', 3);
  // The record of an immediate form names x0 as rs1.
  const zimm = i32.and(i32.shr_u(c.word, i32.const(ZIMM_SHIFT)), i32.const(31));
  const operand = choose(i32.and(c.word, i32.const(IMMEDIATE_FORM)), zimm, i32.wrap(c.rs1));
  const changing = {
    set: i32.and(operand, i32.xor(old.get, i32.const(-1))),
    clear: i32.and(operand, old.get),
    write: i32.xor(operand, old.get),
  };
  const slowly = c.changesFloatStatus ? MSTATUS.MXR : MSTATUS.MXR | MSTATUS.FS;
  const bank = choose(
    i32.and(now.get, i32.const(MSTATUS.SUM)),
    c.bankOf(TLB_CLASS.supervisorUserMemory),
    c.bankOf(TLB_CLASS.supervisor),
  );
  const value = i64.or(
    i64.or(i64.extend_u(i32.and(old.get, i32.const(SSTATUS_WRITABLE))), i64.const(SSTATUS_UXL)),
    choose(i32.eq(i32.and(old.get, i32.const(MSTATUS.FS)), i32.const(MSTATUS.FS)), i64.const(MSTATUS_SD), i64.const(0)),
  );
  return seq(
    // M-mode may have MPRV set, U-mode may not come here.
    when(i32.ne(state.load32('privilege'), i32.const(SUPERVISOR)), slow, undefined, 'unlikely'),
    old.set(state.load32('mstatus')),
    changed.set(i32.and(changing[kind], i32.const(SSTATUS_WRITABLE))),
    now.set(i32.xor(old.get, changed.get)),
    when(i32.and(changed.get, i32.const(slowly)), slow, undefined, 'unlikely'),
    // Interrupts on, and something may be waiting for that.
    when(
      i32.and(
        i32.and(changed.get, now.get),
        choose(state.load32('interruptsPending'), i32.const(MSTATUS.SIE), i32.const(0)),
      ),
      slow,
      undefined,
      'unlikely',
    ),
    when(
      i32.and(changed.get, i32.const(MSTATUS.SUM)),
      seq(c.dataBank.set(bank), state.store32('dataBank', c.dataBank.get)),
    ),
    state.store32('mstatus', now.get),
    c.changesFloatStatus ? when(i32.and(changed.get, i32.const(MSTATUS.FS)), floatStatusChanged(c, now.get)) : nothing,
    c.rd(value),
  );
}
