/** Assembles a WebAssembly module ([WASM] "Modules"): types, imports, functions, exports, code, branch hints. */
import { ByteWriter } from './byte-writer.ts';
import {
  type Callable,
  type Expr,
  FunctionBody,
  globalGet,
  Local,
  type Stmt,
  type TableType,
  VALUE_TYPE_CODE,
  type ValueType,
} from './code.ts';

const SECTION = { custom: 0, type: 1, import: 2, function: 3, export: 7, code: 10 } as const;
const KIND = { function: 0, table: 1, memory: 2, global: 3 } as const;
const FUNCREF = 0x70;
const WASM_HEADER = [0x00, 0x61, 0x73, 0x6d, 0x01, 0x00, 0x00, 0x00];

/** A function of the module: `define` writes its code, once; it may be called before that. */
export class ModuleFunction<R extends ValueType | undefined> implements Callable<R> {
  readonly index: number;
  readonly result: R;
  readonly typeIndex: number;
  readonly body: FunctionBody;
  readonly #parameters: readonly ValueType[];

  constructor(index: number, typeIndex: number, parameters: readonly ValueType[], result: R) {
    this.index = index;
    this.typeIndex = typeIndex;
    this.result = result;
    this.#parameters = parameters;
    this.body = new FunctionBody(parameters.length);
  }

  parameter<T extends ValueType>(index: number, type: T): Local<T> {
    if (this.#parameters[index] !== type) throw new TypeError(`parameter ${index} is no ${type}`);
    return new Local(type, index);
  }

  local<T extends ValueType>(type: T): Local<T> {
    return new Local(type, this.body.addLocal(type));
  }

  /** Appends code; a function with a result must leave it by `returns`. */
  define(...code: readonly Stmt[]): void {
    for (const statement of code) statement.emit(this.body);
  }
}

interface FunctionImport {
  readonly name: string;
  readonly typeIndex: number;
}

export class ModuleBuilder {
  readonly #types: { readonly parameters: readonly ValueType[]; readonly result: ValueType | undefined }[] = [];
  readonly #imports: FunctionImport[] = [];
  readonly #functions: ModuleFunction<ValueType | undefined>[] = [];
  readonly #exports: { readonly name: string; readonly index: number }[] = [];
  readonly #globals: { readonly name: string; readonly type: ValueType }[] = [];
  readonly #memory: { readonly pagesMin: number } | undefined;
  #table: { readonly name: string; readonly entriesMin: number } | undefined;

  /** The module imports `env.memory` of at least `pagesMin` 64 KiB pages, if any. */
  constructor(memory?: { readonly pagesMin: number }) {
    this.#memory = memory;
  }

  /** Declares `env.<name>`; all imports come before the first function. */
  importFunction<R extends ValueType | undefined>(
    name: string,
    parameters: readonly ValueType[],
    result: R,
  ): Callable<R> {
    if (this.#functions.length > 0) throw new Error(`import ${name} comes after the first function`);
    this.#imports.push({ name, typeIndex: this.#typeIndex(parameters, result) });
    return { index: this.#imports.length - 1, result };
  }

  /** Declares the constant `env.<name>`. */
  importGlobal<T extends ValueType>(name: string, type: T): Expr<T> {
    this.#globals.push({ name, type });
    return globalGet(type, this.#globals.length - 1);
  }

  /** Declares the table `env.<name>` of functions of one type. */
  importTable<R extends ValueType>(
    name: string,
    entriesMin: number,
    parameters: readonly ValueType[],
    result: R,
  ): TableType<R> {
    this.#table = { name, entriesMin };
    return { typeIndex: this.#typeIndex(parameters, result), result };
  }

  function<R extends ValueType | undefined>(
    parameters: readonly ValueType[],
    result: R,
    exportName?: string,
  ): ModuleFunction<R> {
    const index = this.#imports.length + this.#functions.length;
    const added = new ModuleFunction(index, this.#typeIndex(parameters, result), parameters, result);
    this.#functions.push(added);
    if (exportName !== undefined) this.#exports.push({ name: exportName, index });
    return added;
  }

  build(): Uint8Array<ArrayBuffer> {
    const out = new ByteWriter();
    out.bytes(WASM_HEADER);
    const section = (id: number, write: (to: ByteWriter) => void): void => {
      const content = new ByteWriter();
      write(content);
      out.byte(id);
      out.sized(content);
    };
    section(SECTION.type, (to) => this.#writeTypes(to));
    section(SECTION.import, (to) => this.#writeImports(to));
    section(SECTION.function, (to) => {
      to.unsigned(this.#functions.length);
      for (const f of this.#functions) to.unsigned(f.typeIndex);
    });
    section(SECTION.export, (to) => {
      to.unsigned(this.#exports.length);
      for (const e of this.#exports) {
        to.name(e.name);
        to.byte(KIND.function);
        to.unsigned(e.index);
      }
    });
    const bodies = this.#functions.map(encodeBody);
    const hinted = bodies.filter((b) => b.hints.length > 0);
    if (hinted.length > 0) section(SECTION.custom, (to) => writeHints(to, hinted));
    section(SECTION.code, (to) => {
      to.unsigned(bodies.length);
      for (const b of bodies) to.sized(b.bytes);
    });
    return out.toBytes();
  }

  #typeIndex(parameters: readonly ValueType[], result: ValueType | undefined): number {
    const same = this.#types.findIndex((t) => t.result === result && t.parameters.join() === parameters.join());
    return same >= 0 ? same : this.#types.push({ parameters, result }) - 1;
  }

  #writeTypes(to: ByteWriter): void {
    to.unsigned(this.#types.length);
    for (const { parameters, result } of this.#types) {
      to.byte(0x60);
      to.unsigned(parameters.length);
      for (const p of parameters) to.byte(VALUE_TYPE_CODE[p]);
      to.bytes(result === undefined ? [0] : [1, VALUE_TYPE_CODE[result]]);
    }
  }

  #writeImports(to: ByteWriter): void {
    const table = this.#table;
    const memory = this.#memory;
    const others = (table === undefined ? 0 : 1) + (memory === undefined ? 0 : 1);
    to.unsigned(this.#imports.length + this.#globals.length + others);
    const begin = (name: string, kind: number): void => {
      to.name('env');
      to.name(name);
      to.byte(kind);
    };
    if (memory !== undefined) {
      begin('memory', KIND.memory);
      to.byte(0x00);
      to.unsigned(memory.pagesMin);
    }
    if (table !== undefined) {
      begin(table.name, KIND.table);
      to.bytes([FUNCREF, 0x00]);
      to.unsigned(table.entriesMin);
    }
    for (const g of this.#globals) {
      begin(g.name, KIND.global);
      to.bytes([VALUE_TYPE_CODE[g.type], 0x00]);
    }
    for (const f of this.#imports) {
      begin(f.name, KIND.function);
      to.unsigned(f.typeIndex);
    }
  }
}

interface EncodedBody {
  readonly index: number;
  readonly bytes: ByteWriter;
  readonly hints: readonly { readonly offset: number; readonly likely: boolean }[];
}

/** Local declarations and code; hint offsets count from the start of the body ([WASM] branch hinting). */
function encodeBody(f: ModuleFunction<ValueType | undefined>): EncodedBody {
  const bytes = new ByteWriter();
  const runs: { count: number; readonly type: ValueType }[] = [];
  for (const type of f.body.locals) {
    const last = runs.at(-1);
    if (last?.type === type) last.count++;
    else runs.push({ count: 1, type });
  }
  bytes.unsigned(runs.length);
  for (const run of runs) {
    bytes.unsigned(run.count);
    bytes.byte(VALUE_TYPE_CODE[run.type]);
  }
  const codeStart = bytes.length;
  bytes.bytes(f.body.code.toBytes());
  if (f.result !== undefined) bytes.byte(0x00); // results leave by `returns`: the end is unreachable
  bytes.byte(0x0b);
  const hints = f.body.hints.map((h) => ({ offset: h.offset + codeStart, likely: h.likely }));
  return { index: f.index, bytes, hints };
}

function writeHints(to: ByteWriter, bodies: readonly EncodedBody[]): void {
  to.name('metadata.code.branch_hint');
  to.unsigned(bodies.length);
  for (const b of bodies) {
    to.unsigned(b.index);
    to.unsigned(b.hints.length);
    for (const h of b.hints) {
      to.unsigned(h.offset);
      to.bytes([1, h.likely ? 1 : 0]);
    }
  }
}
