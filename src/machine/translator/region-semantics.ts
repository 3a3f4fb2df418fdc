/** The translator's side of `Semantics`: operands are known, x registers are locals of the region's function. */

import {
  csrRead,
  csrSwap,
  type FastCsrContext,
  fastCsr,
  flagsRead,
  flagsSwap,
  sstatusModify,
} from '../hart/fast-csr.ts';
import { isSystem } from '../hart/handlers.ts';
import { DATA_ENTRY, DATA_ENTRY_SHIFT, dataBankOffset, PAGE_BYTES, PAGE_SHIFT, TLB_ENTRIES } from '../hart/layout.ts';
import { ACCESS } from '../hart/page-walk.ts';
import { LOAD_BYTES, STORE_BYTES } from '../hart/slow-access.ts';
import type { StateAccess } from '../hart/state-access.ts';
import { BOX } from '../isa/float-width.ts';
import type { AtomicWidth, LoadOp, Semantics, StoreOp } from '../isa/instruction.ts';
import type { Operands } from '../isa/operand.ts';
import {
  drop,
  type Expr,
  f32,
  f64,
  i32,
  i64,
  type Local,
  nothing,
  type Stmt,
  seq,
  type ValueType,
  valueAfter,
  when,
} from '../wasm/code.ts';
import type { AccessGroup } from './access-groups.ts';
import type { RegionInstruction } from './basic-blocks.ts';
import type { RegisterKind } from './register-flow.ts';

/** What the code of an instruction is written against. */
export interface RegionFrame {
  readonly state: StateAccess;
  /** Address of the hart's area. */
  readonly hart: Expr<'i32'>;
  /** Virtual address of the page. */
  readonly base: Local<'i64'>;
  readonly dataBank: Local<'i32'>;
  /** Target of an indirect jump. */
  readonly target: Local<'i64'>;
  register(x: number): Local<'i64'>;
  float(f: number): Local<'f64'>;
  /** Stores of those locals to hart state. */
  storeRegister(x: number): Stmt;
  storeFloat(f: number): Stmt;
  /** Truth of a fact when the region was entered; nothing that a region does changes it. */
  floatFact(fact: FloatFact): Expr<'i32'>;
  scratch<T extends ValueType>(type: T, index: number): Local<T>;
}

/** Fields of hart state, each of which implies those before it; and what only conversions ask. */
const FLOAT_FACTS = ['floatOn', 'floatDirty', 'inexactSilently'] as const;
export type FloatFact = (typeof FLOAT_FACTS)[number] | 'inexactAccrued';

/** What is known about floating point at a place in a block. */
export interface BlockFloats {
  /** The furthest of FLOAT_FACTS that holds; -1: none. */
  known: number;
  /** Registers that hold a boxed single, and the single. */
  readonly boxed: Map<number, Local<'f32'>>;
}

export const unknownFloats = (): BlockFloats => ({ known: -1, boxed: new Map() });

/** Ways out of an instruction. */
export interface RegionExits {
  /** Leaves the region; the interpreter executes this instruction. */
  readonly side: Stmt;
  branch(condition: Expr<'i32'>): Stmt;
  jump(): Stmt;
  /** To the address in `target`. */
  readonly indirect: Stmt;
}

/** Whether hart state gets what the instruction writes at once. */
export type RegionStores = Readonly<Record<RegisterKind, boolean>>;

/** Scratch locals from here on hold the addresses of access groups; no instruction needs so many. */
const FIRST_GROUP_LOCAL = 64;
/** And the singles in f registers. */
const FIRST_SINGLE_LOCAL = 64;

export class RegionSemantics implements Semantics {
  readonly #frame: RegionFrame;
  readonly #exits: RegionExits;
  readonly #instruction: RegionInstruction;
  readonly #operands: Operands;
  readonly #group: { readonly group: AccessGroup; readonly isFirst: boolean } | undefined;
  readonly #floats: BlockFloats;
  readonly #stores: RegionStores;
  #assumed: 'inexactSilently' | undefined;
  /** Scratch locals in use; the first of each type are the memory access's own. */
  #scratchUsed = 4;
  readonly none: Stmt = nothing;

  constructor(
    frame: RegionFrame,
    exits: RegionExits,
    instruction: RegionInstruction,
    group: { readonly group: AccessGroup; readonly isFirst: boolean } | undefined,
    floats: BlockFloats,
    stores: RegionStores,
  ) {
    this.#floats = floats;
    this.#stores = stores;
    this.#frame = frame;
    this.#group = group;
    this.#exits = exits;
    this.#instruction = instruction;
    this.#operands = instruction.decoded.operands;
  }

  /** Code of the whole instruction. */
  code(): Stmt {
    const { row, operands } = this.#instruction.decoded;
    if (row.pure && operands.rd === 0) return nothing;
    return isSystem(row) ? this.#csr() : row.semantics(this);
  }

  // ------------------------------------------------------------------------------------------------------ operands

  #x(register: number): Expr<'i64'> {
    return register === 0 ? i64.const(0) : this.#frame.register(register).get;
  }

  #xw(register: number): Expr<'i32'> {
    return register === 0 ? i32.const(0) : i32.wrap(this.#frame.register(register).get);
  }

  get rs1(): Expr<'i64'> {
    return this.#x(this.#operands.rs1);
  }
  get rs2(): Expr<'i64'> {
    return this.#x(this.#operands.rs2);
  }
  get rs1w(): Expr<'i32'> {
    return this.#xw(this.#operands.rs1);
  }
  get rs2w(): Expr<'i32'> {
    return this.#xw(this.#operands.rs2);
  }
  get imm(): Expr<'i64'> {
    return i64.const(this.#operands.imm);
  }
  get immw(): Expr<'i32'> {
    return i32.const(this.#operands.imm);
  }
  get pc(): Expr<'i64'> {
    return i64.add(this.#frame.base.get, i64.const(this.#instruction.offset));
  }
  get nextPc(): Expr<'i64'> {
    return i64.add(this.#frame.base.get, i64.const(this.#instruction.offset + this.#instruction.decoded.bytes));
  }

  rd(value: Expr<'i64'>): Stmt {
    const { rd } = this.#operands;
    if (rd === 0) return drop(value);
    return seq(this.#frame.register(rd).set(value), this.#stores.x ? this.#frame.storeRegister(rd) : nothing);
  }

  bind<T extends ValueType, R extends ValueType>(value: Expr<T>, body: (v: Expr<T>) => Expr<R>): Expr<R> {
    const local = this.local(value.type);
    return valueAfter(local.set(value), body(local.get));
  }

  local<T extends ValueType>(type: T): Local<T> {
    return this.#frame.scratch(type, this.#scratchUsed++);
  }

  // -------------------------------------------------------------------------------------------------------- memory

  load(op: LoadOp, address: Expr<'i64'>): Expr<'i64'> {
    const { base, offset } = this.#address(address, LOAD_BYTES[op], ACCESS.load);
    return i64[op](base, offset);
  }

  store(op: StoreOp, address: Expr<'i64'>, value: Expr<'i64'>): Stmt {
    const { base, offset } = this.#address(address, STORE_BYTES[op], ACCESS.store);
    return i64[op](base, value, offset);
  }

  /** Linear address of the lowest byte of the access's group, or of the access itself, and where this access is from there. */
  #address(
    address: Expr<'i64'>,
    bytes: number,
    access: number,
  ): { readonly base: Expr<'i32'>; readonly offset: number } {
    if (this.#group === undefined) return { base: this.#linear(address, bytes, access), offset: 0 };
    const { group, isFirst } = this.#group;
    const { scratch } = this.#frame;
    const linear = scratch('i32', FIRST_GROUP_LOCAL + group.index);
    const offset = this.#operands.imm - group.low;
    if (!isFirst) return { base: linear.get, offset };
    const low = scratch('i64', 0);
    const before = scratch('i64', 1);
    const entry = scratch('i32', 0);
    const range = group.high - group.low;
    const tag = group.hasStore ? DATA_ENTRY.storeTag : DATA_ENTRY.loadTag;
    const base = valueAfter(
      seq(
        low.set(i64.add(this.rs1, i64.const(group.low))),
        entry.set(this.#entry(low.get)),
        when(
          i64.lt_u(before.tee(i64.sub(i64.load(entry.get, tag), low.get)), i64.const(range - 1 - PAGE_BYTES)),
          this.#exits.side,
          undefined,
          'unlikely',
        ),
        linear.set(i32.sub(i32.load(entry.get, DATA_ENTRY.memory), i32.wrap(before.get))),
      ),
      linear.get,
    );
    return { base, offset };
  }

  /** Linear address of an access; leaves the region when it is not to plain RAM inside one page. */
  #linear(address: Expr<'i64'>, bytes: number, access: number): Expr<'i32'> {
    const { scratch } = this.#frame;
    const a = scratch('i64', 0);
    const before = scratch('i64', 1);
    const entry = scratch('i32', 0);
    const tag = access === ACCESS.store ? DATA_ENTRY.storeTag : DATA_ENTRY.loadTag;
    return valueAfter(
      seq(
        a.set(address),
        entry.set(this.#entry(a.get)),
        when(
          i64.lt_u(before.tee(i64.sub(i64.load(entry.get, tag), a.get)), i64.const(bytes - 1 - PAGE_BYTES)),
          this.#exits.side,
          undefined,
          'unlikely',
        ),
      ),
      i32.sub(i32.load(entry.get, DATA_ENTRY.memory), i32.wrap(before.get)),
    );
  }

  #entry(address: Expr<'i64'>): Expr<'i32'> {
    return i32.add(
      i32.and(
        i32.shr_u(i32.wrap(address), i32.const(PAGE_SHIFT - DATA_ENTRY_SHIFT)),
        i32.const((TLB_ENTRIES - 1) << DATA_ENTRY_SHIFT),
      ),
      this.#frame.dataBank.get,
    );
  }

  // --------------------------------------------------------------------------------------------------------- jumps

  branch(condition: Expr<'i32'>): Stmt {
    return this.#exits.branch(condition);
  }

  jumpAndLink(): Stmt {
    return this.#operands.rd === 0 ? this.#exits.jump() : seq(this.rd(this.nextPc), this.#exits.jump());
  }

  jumpAndLinkTo(target: Expr<'i64'>): Stmt {
    const link = this.#operands.rd === 0 ? nothing : this.rd(this.nextPc);
    if (this.#instruction.target !== undefined) return seq(link, this.#exits.jump());
    return seq(this.#frame.target.set(i64.and(target, i64.const(-2))), link, this.#exits.indirect);
  }

  // ------------------------------------------------------------------------------------------------------- atomics

  atomic(width: AtomicWidth, update: (old: Expr<'i64'>, operand: Expr<'i64'>) => Expr<'i64'>): Stmt {
    const linear = this.local('i32');
    const old = this.local('i64');
    const operand = this.local('i64');
    const source = width === 'w' ? i64.extend_s(this.rs2w) : this.rs2;
    return seq(
      linear.set(this.#atomicAddress(width, ACCESS.store)),
      old.set(memoryLoad(width, linear.get)),
      operand.set(source),
      memoryStore(width, linear.get, update(old.get, operand.get)),
      this.rd(old.get),
    );
  }

  loadReserved(width: AtomicWidth): Stmt {
    const { state } = this.#frame;
    const linear = this.local('i32');
    const value = this.local('i64');
    return seq(
      linear.set(this.#atomicAddress(width, ACCESS.load)),
      value.set(memoryLoad(width, linear.get)),
      state.store32('reservation', linear.get),
      state.store64('reservedValue', value.get),
      this.rd(value.get),
    );
  }

  storeConditional(width: AtomicWidth): Stmt {
    const { state } = this.#frame;
    const linear = this.local('i32');
    const failed = this.local('i32');
    return seq(
      linear.set(this.#atomicAddress(width, ACCESS.store)),
      failed.set(i32.const(1)),
      when(
        i32.eq(linear.get, state.load32('reservation')),
        when(
          i64.eq(memoryLoad(width, linear.get), state.load64('reservedValue')),
          seq(memoryStore(width, linear.get, this.rs2), failed.set(i32.const(0))),
        ),
      ),
      state.store32('reservation', i32.const(0)),
      this.rd(i64.extend_u(failed.get)),
    );
  }

  #atomicAddress(width: AtomicWidth, access: number): Expr<'i32'> {
    const bytes = width === 'w' ? 4 : 8;
    const misaligned = i32.and(this.rs1w, i32.const(bytes - 1));
    return valueAfter(when(misaligned, this.#exits.side, undefined, 'unlikely'), this.#linear(this.rs1, bytes, access));
  }

  // ------------------------------------------------------------------------------------------------- floating point

  #f(register: number): Expr<'f64'> {
    return this.#frame.float(register).get;
  }
  #bits(register: number): Expr<'i64'> {
    return i64.reinterpret(this.#f(register));
  }
  #single(register: number): Expr<'f32'> {
    return this.#floats.boxed.get(register)?.get ?? f32.reinterpret(i32.wrap(this.#bits(register)));
  }
  #boxed(register: number): Expr<'i32'> {
    if (this.#floats.boxed.has(register)) return i32.const(1);
    return i32.eq(i32.wrap(i64.shr_u(this.#bits(register), i64.const(32))), i32.const(-1));
  }

  get frs1(): Expr<'i64'> {
    return this.#bits(this.#operands.rs1);
  }
  get frs2(): Expr<'i64'> {
    return this.#bits(this.#operands.rs2);
  }
  get single1(): Expr<'f32'> {
    return this.#single(this.#operands.rs1);
  }
  get single2(): Expr<'f32'> {
    return this.#single(this.#operands.rs2);
  }
  get single3(): Expr<'f32'> {
    return this.#single(this.#operands.rs3);
  }
  get double1(): Expr<'f64'> {
    return this.#f(this.#operands.rs1);
  }
  get double2(): Expr<'f64'> {
    return this.#f(this.#operands.rs2);
  }
  get double3(): Expr<'f64'> {
    return this.#f(this.#operands.rs3);
  }
  get boxed1(): Expr<'i32'> {
    return this.#boxed(this.#operands.rs1);
  }
  get boxed2(): Expr<'i32'> {
    return this.#boxed(this.#operands.rs2);
  }
  get boxed3(): Expr<'i32'> {
    return this.#boxed(this.#operands.rs3);
  }
  get inexactSilently(): Expr<'i32'> {
    return this.#frame.floatFact('inexactSilently');
  }
  get inexactAccrued(): Expr<'i32'> {
    return this.#frame.floatFact('inexactAccrued');
  }

  assumeInexactSilently(): boolean {
    this.#assumed = 'inexactSilently';
    return true;
  }

  #unless(certain: Expr<'i32'>): Stmt {
    return when(i32.eqz(certain), this.#exits.side, undefined, 'unlikely');
  }

  /** Leaves the region unless what the instruction needs holds: once in a block, since nothing in a region changes it. */
  #needs(needed: 'floatOn' | 'floatDirty'): Stmt {
    const fact = this.#assumed ?? needed;
    if (this.#floats.known >= FLOAT_FACTS.indexOf(fact)) return nothing;
    this.#floats.known = FLOAT_FACTS.indexOf(fact);
    return this.#unless(this.#frame.floatFact(fact));
  }

  doubleTo(certain: Expr<'i32'>, value: Expr<'f64'>): Stmt {
    const { rd } = this.#operands;
    const code = seq(this.#needs('floatDirty'), this.#unless(certain), this.#setFloat(value));
    this.#floats.boxed.delete(rd);
    return code;
  }

  singleTo(certain: Expr<'i32'>, value: Expr<'f32'>): Stmt {
    return seq(this.#needs('floatDirty'), this.#unless(certain), this.#setSingle(value));
  }

  /** The single is kept as such for what follows in the block, beside the boxed one. */
  #setSingle(value: Expr<'f32'>): Stmt {
    const { rd } = this.#operands;
    const single = this.#frame.scratch('f32', FIRST_SINGLE_LOCAL + rd);
    this.#floats.boxed.set(rd, single);
    const bits = i64.or(i64.extend_u(i32.reinterpret(single.get)), BOX);
    return seq(single.set(value), this.#setFloat(f64.reinterpret(bits)));
  }

  #setFloat(value: Expr<'f64'>): Stmt {
    const { rd } = this.#operands;
    return seq(this.#frame.float(rd).set(value), this.#stores.f ? this.#frame.storeFloat(rd) : nothing);
  }

  floatTo(certain: Expr<'i32'>, bits: Expr<'i64'>): Stmt {
    return this.doubleTo(certain, f64.reinterpret(bits));
  }

  floatToInteger(certain: Expr<'i32'>, value: Expr<'i64'>): Stmt {
    return seq(this.#needs('floatOn'), this.#unless(certain), this.rd(value));
  }

  floatLoad(op: LoadOp, address: Expr<'i64'>): Stmt {
    const needs = this.#needs('floatDirty');
    const { base, offset } = this.#address(address, LOAD_BYTES[op], ACCESS.load);
    if (op === 'load') {
      this.#floats.boxed.delete(this.#operands.rd);
      return seq(needs, this.#setFloat(f64.load(base, offset)));
    }
    return seq(needs, this.#setSingle(f32.load(base, offset)));
  }

  floatStore(op: StoreOp, address: Expr<'i64'>): Stmt {
    const needs = this.#needs('floatOn');
    const { base, offset } = this.#address(address, STORE_BYTES[op], ACCESS.store);
    return seq(needs, op === 'store' ? f64.store(base, this.double2, offset) : i64[op](base, this.frs2, offset));
  }

  // -------------------------------------------------------------------------------------------------- control plane

  #csr(): Stmt {
    const { row, operands } = this.#instruction.decoded;
    const { state, dataBank, scratch, hart } = this.#frame;
    const isImmediate = row.name.endsWith('i');
    const context: FastCsrContext = {
      state,
      dataBank,
      scratch,
      bankOf: (tlbClass) => i32.add(state.load32('tlbContext'), i32.const(dataBankOffset(tlbClass))),
      word: i32.const(this.#instruction.word),
      rs1: isImmediate ? i64.const(0) : this.rs1,
      rd: (value) => (operands.rd === 0 ? nothing : this.rd(value)),
      area: hart,
      areaOffset: 0,
      slow: this.#exits.side,
      changesFloatStatus: false,
    };
    switch (fastCsr(row.name, operands)) {
      case 'csrRead':
        return csrRead(context);
      case 'csrSwap':
        return csrSwap(context);
      case 'sstatusSet':
        return sstatusModify(context, 'set');
      case 'sstatusClear':
        return sstatusModify(context, 'clear');
      case 'flagsRead':
        return flagsRead(context);
      case 'flagsSwap':
        return flagsSwap(context);
      default:
        return this.environment();
    }
  }

  environment(): never {
    throw new Error(`${this.#instruction.decoded.row.name} is executed by the interpreter`);
  }

  floatExact(): never {
    return this.environment();
  }
}

const memoryLoad = (width: AtomicWidth, linear: Expr<'i32'>): Expr<'i64'> =>
  width === 'w' ? i64.load32_s(linear) : i64.load(linear);
const memoryStore = (width: AtomicWidth, linear: Expr<'i32'>, value: Expr<'i64'>): Stmt =>
  width === 'w' ? i64.store32(linear, value) : i64.store(linear, value);
