/**
 * WebAssembly code as typed trees. An `Expr` leaves one value on the stack, a `Stmt` leaves none; both know how to emit
 * themselves, so that code is composed like ordinary functions and the TypeScript compiler checks operand types.
 * Binary format: [WASM] "Instructions".
 */
import { ByteWriter } from './byte-writer.ts';

export type ValueType = 'i32' | 'i64' | 'f32' | 'f64';
export const VALUE_TYPE_CODE: Readonly<Record<ValueType, number>> = { i32: 0x7f, i64: 0x7e, f32: 0x7d, f64: 0x7c };
const NO_RESULT = 0x40;

export interface Expr<T extends ValueType> {
  readonly type: T;
  emit(body: FunctionBody): void;
}
export interface Stmt {
  readonly type?: never;
  emit(body: FunctionBody): void;
}

/** A branch target; it is an identity, its depth is known where a branch to it is emitted. */
export class Label {
  readonly #brand = true;
  static isLabel(value: object): boolean {
    return #brand in value;
  }
}

/** How likely a condition is true ([WASM] branch hinting custom section). */
export type Hint = 'likely' | 'unlikely';

/** The code of one function while it is being written. */
export class FunctionBody {
  readonly code = new ByteWriter();
  readonly locals: ValueType[] = [];
  readonly hints: { readonly offset: number; readonly likely: boolean }[] = [];
  readonly #parameters: number;
  readonly #labels: (Label | undefined)[] = [];

  constructor(parameters: number) {
    this.#parameters = parameters;
  }

  addLocal(type: ValueType): number {
    this.locals.push(type);
    return this.#parameters + this.locals.length - 1;
  }

  enter(label: Label | undefined): void {
    this.#labels.push(label);
  }

  leave(): void {
    this.#labels.pop();
    this.code.byte(0x0b);
  }

  depthOf(label: Label): number {
    const at = this.#labels.lastIndexOf(label);
    if (at < 0) throw new Error('branch to a label that encloses nothing here');
    return this.#labels.length - 1 - at;
  }

  hint(hint: Hint | undefined): void {
    if (hint !== undefined) this.hints.push({ offset: this.code.length, likely: hint === 'likely' });
  }
}

const expr = <T extends ValueType>(type: T, emit: (body: FunctionBody) => void): Expr<T> => ({ type, emit });
const stmt = (emit: (body: FunctionBody) => void): Stmt => ({ emit });

// ------------------------------------------------------------------------------------------------------- operators

type Emittable = Expr<ValueType> | Stmt;

const binary =
  <A extends ValueType, R extends ValueType>(_operand: A, type: R, opcode: number) =>
  (left: Expr<A>, right: Expr<A>): Expr<R> =>
    expr(type, (body) => {
      left.emit(body);
      right.emit(body);
      body.code.byte(opcode);
    });

const unary =
  <A extends ValueType, R extends ValueType>(_operand: A, type: R, ...opcode: number[]) =>
  (operand: Expr<A>): Expr<R> =>
    expr(type, (body) => {
      operand.emit(body);
      body.code.bytes(opcode);
    });

const load =
  <T extends ValueType>(type: T, opcode: number) =>
  (address: Expr<'i32'>, offset = 0): Expr<T> =>
    expr(type, (body) => {
      address.emit(body);
      body.code.bytes([opcode, 0]); // alignment is a hint only; 0 promises nothing
      body.code.unsigned(offset);
    });

const store =
  <T extends ValueType>(_type: T, opcode: number) =>
  (address: Expr<'i32'>, value: Expr<T>, offset = 0): Stmt =>
    stmt((body) => {
      address.emit(body);
      value.emit(body);
      body.code.bytes([opcode, 0]);
      body.code.unsigned(offset);
    });

const SIMD_PREFIX = 0xfd;

/**
 * a × b + addend, which the machine may round once or twice ([WASM] "Relaxed SIMD"): only WebAssembly vectors have it, so
 * the operands become vectors of themselves. Opcodes: splat, relaxed_madd, extract_lane.
 */
const relaxedMultiplyAdd =
  <T extends ValueType>(type: T, splat: number, multiplyAdd: number, extractLane: number) =>
  (a: Expr<T>, b: Expr<T>, addend: Expr<T>): Expr<T> =>
    expr(type, (body) => {
      for (const operand of [a, b, addend]) {
        operand.emit(body);
        body.code.bytes([SIMD_PREFIX, splat]);
      }
      body.code.byte(SIMD_PREFIX);
      body.code.unsigned(multiplyAdd);
      body.code.bytes([SIMD_PREFIX, extractLane, 0]);
    });

export const i32 = {
  const: (value: number): Expr<'i32'> =>
    expr('i32', (body) => {
      body.code.byte(0x41);
      body.code.signed32(value);
    }),
  eqz: unary('i32', 'i32', 0x45),
  eq: binary('i32', 'i32', 0x46),
  ne: binary('i32', 'i32', 0x47),
  lt_s: binary('i32', 'i32', 0x48),
  lt_u: binary('i32', 'i32', 0x49),
  gt_s: binary('i32', 'i32', 0x4a),
  gt_u: binary('i32', 'i32', 0x4b),
  le_s: binary('i32', 'i32', 0x4c),
  le_u: binary('i32', 'i32', 0x4d),
  ge_s: binary('i32', 'i32', 0x4e),
  ge_u: binary('i32', 'i32', 0x4f),
  clz: unary('i32', 'i32', 0x67),
  ctz: unary('i32', 'i32', 0x68),
  add: binary('i32', 'i32', 0x6a),
  sub: binary('i32', 'i32', 0x6b),
  mul: binary('i32', 'i32', 0x6c),
  div_s: binary('i32', 'i32', 0x6d),
  div_u: binary('i32', 'i32', 0x6e),
  rem_s: binary('i32', 'i32', 0x6f),
  rem_u: binary('i32', 'i32', 0x70),
  and: binary('i32', 'i32', 0x71),
  or: binary('i32', 'i32', 0x72),
  xor: binary('i32', 'i32', 0x73),
  shl: binary('i32', 'i32', 0x74),
  shr_s: binary('i32', 'i32', 0x75),
  shr_u: binary('i32', 'i32', 0x76),
  wrap: unary('i64', 'i32', 0xa7),
  trunc_f64_s: unary('f64', 'i32', 0xaa),
  trunc_f64_u: unary('f64', 'i32', 0xab),
  reinterpret: unary('f32', 'i32', 0xbc),
  load: load('i32', 0x28),
  load8_s: load('i32', 0x2c),
  load8_u: load('i32', 0x2d),
  load16_s: load('i32', 0x2e),
  load16_u: load('i32', 0x2f),
  store: store('i32', 0x36),
  store8: store('i32', 0x3a),
  store16: store('i32', 0x3b),
} as const;

export const i64 = {
  const: (value: number | bigint): Expr<'i64'> =>
    expr('i64', (body) => {
      body.code.byte(0x42);
      if (typeof value === 'number' && value === (value | 0)) body.code.signed32(value);
      else body.code.signed64(BigInt(value));
    }),
  eqz: unary('i64', 'i32', 0x50),
  eq: binary('i64', 'i32', 0x51),
  ne: binary('i64', 'i32', 0x52),
  lt_s: binary('i64', 'i32', 0x53),
  lt_u: binary('i64', 'i32', 0x54),
  gt_s: binary('i64', 'i32', 0x55),
  gt_u: binary('i64', 'i32', 0x56),
  le_s: binary('i64', 'i32', 0x57),
  le_u: binary('i64', 'i32', 0x58),
  ge_s: binary('i64', 'i32', 0x59),
  ge_u: binary('i64', 'i32', 0x5a),
  add: binary('i64', 'i64', 0x7c),
  sub: binary('i64', 'i64', 0x7d),
  mul: binary('i64', 'i64', 0x7e),
  div_s: binary('i64', 'i64', 0x7f),
  div_u: binary('i64', 'i64', 0x80),
  rem_s: binary('i64', 'i64', 0x81),
  rem_u: binary('i64', 'i64', 0x82),
  and: binary('i64', 'i64', 0x83),
  or: binary('i64', 'i64', 0x84),
  xor: binary('i64', 'i64', 0x85),
  shl: binary('i64', 'i64', 0x86),
  shr_s: binary('i64', 'i64', 0x87),
  shr_u: binary('i64', 'i64', 0x88),
  extend_s: unary('i32', 'i64', 0xac),
  extend_u: unary('i32', 'i64', 0xad),
  extend32_s: unary('i64', 'i64', 0xc4),
  trunc_f64_s: unary('f64', 'i64', 0xb0),
  trunc_f64_u: unary('f64', 'i64', 0xb1),
  reinterpret: unary('f64', 'i64', 0xbd),
  load: load('i64', 0x29),
  load8_s: load('i64', 0x30),
  load8_u: load('i64', 0x31),
  load16_s: load('i64', 0x32),
  load16_u: load('i64', 0x33),
  load32_s: load('i64', 0x34),
  load32_u: load('i64', 0x35),
  store: store('i64', 0x37),
  store8: store('i64', 0x3c),
  store16: store('i64', 0x3d),
  store32: store('i64', 0x3e),
} as const;

export const f32 = {
  eq: binary('f32', 'i32', 0x5b),
  lt: binary('f32', 'i32', 0x5d),
  le: binary('f32', 'i32', 0x5f),
  add: binary('f32', 'f32', 0x92),
  sub: binary('f32', 'f32', 0x93),
  mul: binary('f32', 'f32', 0x94),
  div: binary('f32', 'f32', 0x95),
  sqrt: unary('f32', 'f32', 0x91),
  neg: unary('f32', 'f32', 0x8c),
  convert_i32_s: unary('i32', 'f32', 0xb2),
  convert_i32_u: unary('i32', 'f32', 0xb3),
  convert_i64_s: unary('i64', 'f32', 0xb4),
  convert_i64_u: unary('i64', 'f32', 0xb5),
  demote: unary('f64', 'f32', 0xb6),
  reinterpret: unary('i32', 'f32', 0xbe),
  relaxedMultiplyAdd: relaxedMultiplyAdd('f32', 0x13, 0x105, 0x1f),
  load: load('f32', 0x2a),
} as const;

export const f64 = {
  eq: binary('f64', 'i32', 0x61),
  lt: binary('f64', 'i32', 0x63),
  le: binary('f64', 'i32', 0x65),
  abs: unary('f64', 'f64', 0x99),
  trunc: unary('f64', 'f64', 0x9d),
  add: binary('f64', 'f64', 0xa0),
  sub: binary('f64', 'f64', 0xa1),
  mul: binary('f64', 'f64', 0xa2),
  div: binary('f64', 'f64', 0xa3),
  sqrt: unary('f64', 'f64', 0x9f),
  neg: unary('f64', 'f64', 0x9a),
  convert_i32_s: unary('i32', 'f64', 0xb7),
  convert_i32_u: unary('i32', 'f64', 0xb8),
  convert_i64_s: unary('i64', 'f64', 0xb9),
  convert_i64_u: unary('i64', 'f64', 0xba),
  promote: unary('f32', 'f64', 0xbb),
  reinterpret: unary('i64', 'f64', 0xbf),
  relaxedMultiplyAdd: relaxedMultiplyAdd('f64', 0x14, 0x107, 0x21),
  load: load('f64', 0x2b),
  store: store('f64', 0x39),
} as const;

// -------------------------------------------------------------------------------------------------------- control

export const nothing: Stmt = stmt(() => {});

export const seq = (...statements: readonly Stmt[]): Stmt =>
  stmt((body) => {
    for (const s of statements) s.emit(body);
  });

/** Statements, then the value of `value`. */
export const valueAfter = <T extends ValueType>(statement: Stmt, value: Expr<T>): Expr<T> =>
  expr(value.type, (body) => {
    statement.emit(body);
    value.emit(body);
  });

const enclosed = (opcode: number, resultType: number, label: Label | undefined, content: readonly Emittable[]): Stmt =>
  stmt((body) => {
    body.code.bytes([opcode, resultType]);
    body.enter(label);
    for (const c of content) c.emit(body);
    body.leave();
  });

/** `br(label)` inside leaves the block. */
export const block = (label: Label, ...content: readonly Stmt[]): Stmt => enclosed(0x02, NO_RESULT, label, content);

/** `brWith(label, value)` inside leaves the block with a value. The end of the content is never reached. */
export const blockFor = <T extends ValueType>(type: T, label: Label, ...content: readonly Stmt[]): Expr<T> =>
  expr(type, (body) => {
    body.code.bytes([0x02, VALUE_TYPE_CODE[type]]);
    body.enter(label);
    for (const c of content) c.emit(body);
    body.code.byte(0x00);
    body.leave();
  });

export const brWith = (label: Label, value: Expr<ValueType>): Stmt =>
  stmt((body) => {
    value.emit(body);
    body.code.byte(0x0c);
    body.code.unsigned(body.depthOf(label));
  });

/** Where code never comes. */
export const unreachable: Stmt = stmt((body) => body.code.byte(0x00));

/** `br(label)` inside starts the loop again. */
export const loop = (label: Label, ...content: readonly Stmt[]): Stmt => enclosed(0x03, NO_RESULT, label, content);

export const br = (label: Label): Stmt =>
  stmt((body) => {
    body.code.byte(0x0c);
    body.code.unsigned(body.depthOf(label));
  });

export const brIf = (label: Label, condition: Expr<'i32'>, hint?: Hint): Stmt =>
  stmt((body) => {
    condition.emit(body);
    body.hint(hint);
    body.code.byte(0x0d);
    body.code.unsigned(body.depthOf(label));
  });

export const brTable = (selector: Expr<'i32'>, targets: readonly Label[], otherwise: Label): Stmt =>
  stmt((body) => {
    selector.emit(body);
    body.code.byte(0x0e);
    body.code.unsigned(targets.length);
    for (const target of targets) body.code.unsigned(body.depthOf(target));
    body.code.unsigned(body.depthOf(otherwise));
  });

export const when = (condition: Expr<'i32'>, then: Stmt, otherwise?: Stmt, hint?: Hint): Stmt =>
  stmt((body) => {
    condition.emit(body);
    body.hint(hint);
    body.code.bytes([0x04, NO_RESULT]);
    body.enter(undefined);
    then.emit(body);
    if (otherwise !== undefined) {
      body.code.byte(0x05);
      otherwise.emit(body);
    }
    body.leave();
  });

/** Evaluates one branch only. */
export const choose = <T extends ValueType>(
  condition: Expr<'i32'>,
  then: Expr<T>,
  otherwise: Expr<T>,
  hint?: Hint,
): Expr<T> =>
  expr(then.type, (body) => {
    condition.emit(body);
    body.hint(hint);
    body.code.bytes([0x04, VALUE_TYPE_CODE[then.type]]);
    body.enter(undefined);
    then.emit(body);
    body.code.byte(0x05);
    otherwise.emit(body);
    body.leave();
  });

/** Evaluates both values, then picks one. */
export const select = <T extends ValueType>(condition: Expr<'i32'>, then: Expr<T>, otherwise: Expr<T>): Expr<T> =>
  expr(then.type, (body) => {
    then.emit(body);
    otherwise.emit(body);
    condition.emit(body);
    body.code.byte(0x1b);
  });

export const returns = (value?: Expr<ValueType>): Stmt =>
  stmt((body) => {
    value?.emit(body);
    body.code.byte(0x0f);
  });

export const drop = (value: Expr<ValueType>): Stmt =>
  stmt((body) => {
    value.emit(body);
    body.code.byte(0x1a);
  });

/** `memory.fill` of `bytes` bytes at `address` with `value`. */
export const memoryFill = (address: Expr<'i32'>, value: Expr<'i32'>, bytes: Expr<'i32'>): Stmt =>
  stmt((body) => {
    address.emit(body);
    value.emit(body);
    bytes.emit(body);
    body.code.bytes([0xfc, 0x0b, 0x00]);
  });

// --------------------------------------------------------------------------------------------- locals and calls

export class Local<T extends ValueType> {
  readonly index: number;
  readonly get: Expr<T>;

  constructor(type: T, index: number) {
    this.index = index;
    this.get = expr(type, (body) => {
      body.code.byte(0x20);
      body.code.unsigned(index);
    });
  }

  set(value: Expr<T>): Stmt {
    return stmt((body) => {
      value.emit(body);
      body.code.byte(0x21);
      body.code.unsigned(this.index);
    });
  }

  tee(value: Expr<T>): Expr<T> {
    return expr(value.type, (body) => {
      value.emit(body);
      body.code.byte(0x22);
      body.code.unsigned(this.index);
    });
  }
}

/** An imported global that never changes. */
export const globalGet = <T extends ValueType>(type: T, index: number): Expr<T> =>
  expr(type, (body) => {
    body.code.byte(0x23);
    body.code.unsigned(index);
  });

/** A function that can be called: its index in the module and its result. */
export interface Callable<R extends ValueType | undefined> {
  readonly index: number;
  readonly result: R;
}

const emitCall = (body: FunctionBody, index: number, args: readonly Expr<ValueType>[]): void => {
  for (const a of args) a.emit(body);
  body.code.byte(0x10);
  body.code.unsigned(index);
};

export const call = (callee: Callable<undefined>, ...args: readonly Expr<ValueType>[]): Stmt =>
  stmt((body) => emitCall(body, callee.index, args));

export const callFor = <R extends ValueType>(callee: Callable<R>, ...args: readonly Expr<ValueType>[]): Expr<R> =>
  expr(callee.result, (body) => emitCall(body, callee.index, args));

/** The type of functions in a table. */
export interface TableType<R extends ValueType> {
  readonly typeIndex: number;
  readonly result: R;
}

const emitIndirectCall = (
  body: FunctionBody,
  opcode: number,
  type: TableType<ValueType>,
  index: Expr<'i32'>,
  args: readonly Expr<ValueType>[],
): void => {
  for (const a of args) a.emit(body);
  index.emit(body);
  body.code.byte(opcode);
  body.code.unsigned(type.typeIndex);
  body.code.byte(0x00);
};

/** Calls the function at an index of the imported table. */
export const callIndirect = <R extends ValueType>(
  type: TableType<R>,
  index: Expr<'i32'>,
  ...args: readonly Expr<ValueType>[]
): Expr<R> => expr(type.result, (body) => emitIndirectCall(body, 0x11, type, index, args));

/** Returns what the function at an index of the imported table returns; it takes the place of the caller on the stack. */
export const returnCallIndirect = (
  type: TableType<ValueType>,
  index: Expr<'i32'>,
  ...args: readonly Expr<ValueType>[]
): Stmt => stmt((body) => emitIndirectCall(body, 0x13, type, index, args));
