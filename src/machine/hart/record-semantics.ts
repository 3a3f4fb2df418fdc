/** The interpreter's side of `Semantics`: operands come from the record at `ip`, registers live in hart state. */
import { BOX } from '../isa/float-width.ts';
import type { AtomicWidth, LoadOp, Semantics, StoreOp } from '../isa/instruction.ts';
import {
  call,
  callFor,
  choose,
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
import { advance, type Engine } from './engine.ts';
import { type RdPlace, type RowHandler, rdPlace } from './handlers.ts';
import { DATA_ENTRY, DATA_ENTRY_SHIFT, PAGE_BYTES, PAGE_SHIFT, RECORD, STATE, TLB_ENTRIES } from './layout.ts';
import { ACCESS } from './page-walk.ts';
import { LOAD_BYTES, STORE_BYTES } from './slow-access.ts';

const HIGH_WORD_OFFSET = 4;

export class RecordSemantics implements Semantics {
  readonly rs1: Expr<'i64'>;
  readonly rs2: Expr<'i64'>;
  readonly rs1w: Expr<'i32'>;
  readonly rs2w: Expr<'i32'>;
  readonly imm: Expr<'i64'>;
  readonly immw: Expr<'i32'>;
  readonly pc: Expr<'i64'>;
  readonly nextPc: Expr<'i64'>;
  readonly frs1: Expr<'i64'>;
  readonly frs2: Expr<'i64'>;
  readonly single1: Expr<'f32'>;
  readonly single2: Expr<'f32'>;
  readonly double1: Expr<'f64'>;
  readonly double2: Expr<'f64'>;
  readonly single3: Expr<'f32'>;
  readonly double3: Expr<'f64'>;
  readonly boxed1: Expr<'i32'>;
  readonly boxed2: Expr<'i32'>;
  readonly boxed3: Expr<'i32'>;
  readonly inexactSilently: Expr<'i32'>;
  readonly inexactAccrued: Expr<'i32'>;
  readonly none: Stmt = nothing;

  readonly #engine: Engine;
  readonly #handler: RowHandler;
  readonly #rdPlace: RdPlace;
  readonly #x: number;
  readonly #f: number;
  /** Scratch locals in use by this handler; the first of each type are the memory access's own. */
  #scratchUsed = 1;
  #ended = false;
  #fallsThrough = false;

  constructor(engine: Engine, handler: RowHandler) {
    this.#engine = engine;
    this.#handler = handler;
    this.#rdPlace = rdPlace(handler.row);
    this.#x = engine.state.base + STATE.x;
    this.#f = engine.state.base + STATE.f;
    const { ip } = engine;
    const rs1 = i32.load8_u(ip.get, RECORD.rs1);
    const rs2 = i32.load8_u(ip.get, RECORD.rs2);
    this.rs1 = i64.load(rs1, this.#x);
    this.rs2 = i64.load(rs2, this.#x);
    this.rs1w = i32.load(rs1, this.#x);
    this.rs2w = i32.load(rs2, this.#x);
    this.imm = i64.load32_s(ip.get, RECORD.imm);
    this.immw = i32.load(ip.get, RECORD.imm);
    this.pc = engine.pc;
    this.nextPc = i64.add(engine.pc, i64.const(handler.bytes));
    this.frs1 = i64.load(rs1, this.#f);
    this.frs2 = i64.load(rs2, this.#f);
    this.single1 = f32.load(rs1, this.#f);
    this.single2 = f32.load(rs2, this.#f);
    this.double1 = f64.load(rs1, this.#f);
    this.double2 = f64.load(rs2, this.#f);
    // rs3 is in the word: bits 31..27, scaled like the others.
    const rs3 = i32.and(i32.shr_u(this.immw, i32.const(24)), i32.const(0xf8));
    this.single3 = f32.load(rs3, this.#f);
    this.double3 = f64.load(rs3, this.#f);
    this.boxed3 = i32.eq(i32.load(rs3, this.#f + HIGH_WORD_OFFSET), i32.const(-1));
    this.boxed1 = i32.eq(i32.load(rs1, this.#f + HIGH_WORD_OFFSET), i32.const(-1));
    this.boxed2 = i32.eq(i32.load(rs2, this.#f + HIGH_WORD_OFFSET), i32.const(-1));
    this.inexactSilently = engine.state.load32('inexactSilently');
    this.inexactAccrued = engine.state.load32('inexactAccrued');
  }

  /** The code goes on with the next instruction by itself: a branch that is not taken ends nothing. */
  fallingThrough(): this {
    this.#ended = true;
    this.#fallsThrough = true;
    return this;
  }

  /** What follows the row's own code: on to the next record, unless the row has left already. */
  finish(): Stmt {
    return this.#ended ? nothing : this.#goOn();
  }

  #goOn(): Stmt {
    return seq(advance(this.#engine.ip, this.#handler.bytes), this.#engine.nextRecord);
  }

  // ------------------------------------------------------------------------------------------------------ registers

  rd(value: Expr<'i64'>): Stmt {
    return i64.store(this.#rdOffset(), value, this.#x);
  }

  #rdOffset(): Expr<'i32'> {
    const { ip } = this.#engine;
    switch (this.#rdPlace) {
      case 'byte':
        return i32.load8_u(ip.get, RECORD.rd);
      case 'wide':
        return i32.load16_u(ip.get, RECORD.rd);
      case 'imm':
        return i32.load(ip.get, RECORD.imm);
    }
  }

  #frd(value: Expr<'i64'>): Stmt {
    return i64.store(this.#frdOffset(), value, this.#f);
  }

  #frdOffset(): Expr<'i32'> {
    return i32.load8_u(this.#engine.ip.get, RECORD.rd);
  }

  bind<T extends ValueType, R extends ValueType>(value: Expr<T>, body: (v: Expr<T>) => Expr<R>): Expr<R> {
    const local = this.local(value.type);
    return valueAfter(local.set(value), body(local.get));
  }

  local<T extends ValueType>(type: T): Local<T> {
    return this.#engine.scratch(type, this.#scratchUsed++);
  }

  // --------------------------------------------------------------------------------------------------------- memory

  load(op: LoadOp, address: Expr<'i64'>): Expr<'i64'> {
    const { slow, state, spill, refresh, reload, scratch } = this.#engine;
    const a = scratch('i64', 0);
    const value = this.local('i64');
    return this.#translated(address, DATA_ENTRY.loadTag, LOAD_BYTES[op], {
      fast: (linear) => i64[op](linear),
      slow: valueAfter(
        seq(spill, value.set(callFor(slow.load[op], a.get)), when(state.load32('trapped'), reload), refresh),
        value.get,
      ),
    });
  }

  store(op: StoreOp, address: Expr<'i64'>, value: Expr<'i64'>): Stmt {
    const { slow, state, spill, refresh, reload, scratch } = this.#engine;
    const a = scratch('i64', 0);
    return this.#withEntry(address, DATA_ENTRY.storeTag, STORE_BYTES[op], {
      hit: (linear) => i64[op](linear, value),
      miss: seq(spill, call(slow.store[op], a.get, value), when(state.load32('trapped'), reload), refresh),
    });
  }

  /** Looks an address up; the slow value is for what the TLB cannot answer. */
  #translated(
    address: Expr<'i64'>,
    tag: number,
    bytes: number,
    { fast, slow }: { readonly fast: (linear: Expr<'i32'>) => Expr<'i64'>; readonly slow: Expr<'i64'> },
  ): Expr<'i64'> {
    const { check, linear } = this.#lookup(address, tag, bytes);
    return choose(check, fast(linear), slow, 'likely');
  }

  #withEntry(
    address: Expr<'i64'>,
    tag: number,
    bytes: number,
    { hit, miss }: { readonly hit: (linear: Expr<'i32'>) => Stmt; readonly miss: Stmt },
  ): Stmt {
    const { check, linear } = this.#lookup(address, tag, bytes);
    return when(check, hit(linear), miss, 'likely');
  }

  /** True when the whole access lies in the page of the TLB entry; leaves the address in the first i64 scratch. */
  #lookup(address: Expr<'i64'>, tag: number, bytes: number) {
    const { dataBank, scratch } = this.#engine;
    const a = scratch('i64', 0);
    const before = scratch('i64', 1_000);
    const entry = scratch('i32', 0);
    const index = i32.and(
      i32.shr_u(i32.wrap(a.tee(address)), i32.const(PAGE_SHIFT - DATA_ENTRY_SHIFT)),
      i32.const((TLB_ENTRIES - 1) << DATA_ENTRY_SHIFT),
    );
    const check = valueAfter(
      entry.set(i32.add(index, dataBank.get)),
      i64.ge_u(before.tee(i64.sub(i64.load(entry.get, tag), a.get)), i64.const(bytes - 1 - PAGE_BYTES)),
    );
    const linear = i32.sub(i32.load(entry.get, DATA_ENTRY.memory), i32.wrap(before.get));
    return { check, linear };
  }

  // ------------------------------------------------------------------------------------------------------- jumps

  branch(condition: Expr<'i32'>): Stmt {
    const taken = when(condition, this.#goRelative());
    return this.#fallsThrough ? taken : seq(taken, this.#goOnAndEnd());
  }

  jumpAndLink(): Stmt {
    this.#ended = true;
    return seq(this.rd(this.nextPc), this.#goRelative());
  }

  jumpAndLinkTo(target: Expr<'i64'>): Stmt {
    this.#ended = true;
    const to = this.local('i64');
    return seq(to.set(i64.and(target, i64.const(-2))), this.rd(this.nextPc), this.#engine.goTo(to.get));
  }

  #goRelative(): Stmt {
    const { ip, nextRecord, goTo } = this.#engine;
    if (!this.#handler.near) return goTo(i64.add(this.pc, this.imm));
    return seq(ip.set(i32.add(ip.get, i32.load(ip.get, RECORD.imm))), nextRecord);
  }

  #goOnAndEnd(): Stmt {
    this.#ended = true;
    return this.#goOn();
  }

  // -------------------------------------------------------------------------------------------------------- atomics

  atomic(width: AtomicWidth, update: (old: Expr<'i64'>, operand: Expr<'i64'>) => Expr<'i64'>): Stmt {
    const linear = this.local('i32');
    const old = this.local('i64');
    const operand = this.local('i64');
    const source = width === 'w' ? i64.extend_s(this.rs2w) : this.rs2;
    const rdAt = this.local('i32');
    return seq(
      // A store into this very instruction drops the record.
      operand.set(source),
      rdAt.set(this.#rdOffset()),
      linear.set(this.#atomicAddress(width, ACCESS.store)),
      old.set(memoryLoad(width, linear.get)),
      memoryStore(width, linear.get, update(old.get, operand.get)),
      i64.store(rdAt.get, old.get, this.#x),
    );
  }

  loadReserved(width: AtomicWidth): Stmt {
    const { state } = this.#engine;
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

  /** Succeeds when the reserved location still holds the value that was loaded. */
  storeConditional(width: AtomicWidth): Stmt {
    const { state } = this.#engine;
    const linear = this.local('i32');
    const failed = this.local('i32');
    const source = this.local('i64');
    const rdAt = this.local('i32');
    return seq(
      source.set(this.rs2),
      rdAt.set(this.#rdOffset()),
      linear.set(this.#atomicAddress(width, ACCESS.store)),
      failed.set(i32.const(1)),
      when(
        i32.eq(linear.get, state.load32('reservation')),
        when(
          i64.eq(memoryLoad(width, linear.get), state.load64('reservedValue')),
          seq(memoryStore(width, linear.get, source.get), failed.set(i32.const(0))),
        ),
      ),
      state.store32('reservation', i32.const(0)),
      i64.store(rdAt.get, i64.extend_u(failed.get), this.#x),
    );
  }

  /** Linear address of the naturally aligned location at rs1; leaves the handler on a trap. */
  #atomicAddress(width: AtomicWidth, access: number): Expr<'i32'> {
    const { slow, spill, refresh, reload, scratch } = this.#engine;
    const bytes = width === 'w' ? 4 : 8;
    const tag = access === ACCESS.load ? DATA_ENTRY.loadTag : DATA_ENTRY.storeTag;
    const a = scratch('i64', 0);
    const result = this.local('i32');
    const { check, linear } = this.#lookup(this.rs1, tag, bytes);
    const aligned = i32.eqz(i32.and(i32.wrap(a.get), i32.const(bytes - 1)));
    return choose(
      i32.and(check, aligned),
      linear,
      valueAfter(
        seq(
          spill,
          result.set(callFor(slow.atomic, a.get, i32.const(bytes), i32.const(access))),
          when(i32.eqz(result.get), reload),
          refresh,
        ),
        result.get,
      ),
      'likely',
    );
  }

  // ------------------------------------------------------------------------------------------------- floating point

  assumeInexactSilently(): boolean {
    return false;
  }

  doubleTo(certain: Expr<'i32'>, value: Expr<'f64'>): Stmt {
    return this.#nativeFloat(certain, f64.store(this.#frdOffset(), value, this.#f));
  }

  singleTo(certain: Expr<'i32'>, value: Expr<'f32'>): Stmt {
    return this.floatTo(certain, i64.or(i64.extend_u(i32.reinterpret(value)), BOX));
  }

  floatTo(certain: Expr<'i32'>, bits: Expr<'i64'>): Stmt {
    return this.#nativeFloat(certain, this.#frd(bits));
  }

  #nativeFloat(certain: Expr<'i32'>, native: Stmt): Stmt {
    return this.#nativeOrExact(choose(this.#engine.state.load32('floatDirty'), certain, i32.const(0)), native);
  }

  floatToInteger(certain: Expr<'i32'>, value: Expr<'i64'>): Stmt {
    const { state } = this.#engine;
    return this.#nativeOrExact(choose(state.load32('floatOn'), certain, i32.const(0)), this.rd(value));
  }

  #nativeOrExact(certain: Expr<'i32'>, native: Stmt): Stmt {
    const { imports, spill, refresh, reload } = this.#engine;
    return when(certain, native, seq(spill, when(callFor(imports.floatExact, this.immw), reload), refresh), 'likely');
  }

  floatLoad(op: LoadOp, address: Expr<'i64'>): Stmt {
    const value = this.load(op, address);
    return seq(this.#useFloat('floatDirty', 1), this.#frd(op === 'load' ? value : i64.or(value, BOX)));
  }

  floatStore(op: StoreOp, address: Expr<'i64'>): Stmt {
    return seq(this.#useFloat('floatOn', 0), this.store(op, address, this.frs2));
  }

  #useFloat(ready: 'floatOn' | 'floatDirty', write: number): Stmt {
    const { state, imports, spill, reload } = this.#engine;
    return when(
      i32.eqz(state.load32(ready)),
      seq(spill, when(callFor(imports.floatUse, i32.const(write)), reload)),
      undefined,
      'unlikely',
    );
  }

  // ------------------------------------------------------------------------------------------------- control plane

  environment(): Stmt {
    return this.#notHere();
  }

  floatExact(): Stmt {
    return this.#notHere();
  }

  #notHere(): never {
    throw new Error(`${this.#handler.row.name} is executed by a handler that all such rows share`);
  }
}

const memoryLoad = (width: AtomicWidth, linear: Expr<'i32'>): Expr<'i64'> =>
  width === 'w' ? i64.load32_s(linear) : i64.load(linear);
const memoryStore = (width: AtomicWidth, linear: Expr<'i32'>, value: Expr<'i64'>): Stmt =>
  width === 'w' ? i64.store32(linear, value) : i64.store(linear, value);
