/**
 * Loads, stores and atomics that missed the TLB: page crossings, refills, stores to pages with code, and what the
 * control plane must do. One function per width; they take the trap themselves and set state `trapped`.
 */
import type { LoadOp, StoreOp } from '../isa/instruction.ts';
import {
  brIf,
  type Callable,
  call,
  callFor,
  choose,
  drop,
  type Expr,
  i32,
  i64,
  Label,
  type Local,
  loop,
  memoryFill,
  returns,
  type Stmt,
  seq,
  when,
} from '../wasm/code.ts';
import type { ModuleBuilder } from '../wasm/module-builder.ts';
import type { ImportedFunctions } from './hart-imports.ts';
import { PAGE_BYTES, PAGE_FOOTER, RECORD_BYTES, STATE, STORES_TO_CODE_PAGE_MAX } from './layout.ts';
import { ACCESS } from './page-walk.ts';
import type { StateAccess } from './state-access.ts';
import type { Translation } from './translation.ts';
import { CAUSE } from './trap-cause.ts';

export const LOAD_BYTES: Readonly<Record<LoadOp, number>> = {
  load8_s: 1,
  load8_u: 1,
  load16_s: 2,
  load16_u: 2,
  load32_s: 4,
  load32_u: 4,
  load: 8,
};
export const STORE_BYTES: Readonly<Record<StoreOp, number>> = { store8: 1, store16: 2, store32: 4, store: 8 };

export interface SlowAccess {
  /** (virtual address) → value, extended as the op says. */
  readonly load: Readonly<Record<LoadOp, Callable<'i64'>>>;
  /** (virtual address, value). */
  readonly store: Readonly<Record<StoreOp, Callable<undefined>>>;
  /** (virtual address, bytes, ACCESS) → linear address for an atomic, 0 after a trap. */
  readonly atomic: Callable<'i32'>;
}

const inPage = (address: Expr<'i64'>): Expr<'i32'> => i32.and(i32.wrap(address), i32.const(PAGE_BYTES - 1));

export function defineSlowAccess(
  module: ModuleBuilder,
  state: StateAccess,
  imports: ImportedFunctions,
  translation: Translation,
): SlowAccess {
  const dropRecords = defineDropRecords(module, state, imports);
  const bytes = {
    load: defineLoadBytes(module, state, imports, translation),
    store: defineStoreBytes(module, state, imports, translation, dropRecords),
  };
  const load = (op: LoadOp): Callable<'i64'> => defineLoad(module, state, imports, translation, bytes.load, op);
  const store = (op: StoreOp): Callable<undefined> =>
    defineStore(module, state, imports, translation, bytes.store, dropRecords, op);
  return {
    load: {
      load8_s: load('load8_s'),
      load8_u: load('load8_u'),
      load16_s: load('load16_s'),
      load16_u: load('load16_u'),
      load32_s: load('load32_s'),
      load32_u: load('load32_u'),
      load: load('load'),
    },
    store: { store8: store('store8'), store16: store('store16'), store32: store('store32'), store: store('store') },
    atomic: defineAtomic(module, state, imports, translation, dropRecords),
  };
}

/** (linear address, bytes): after a store inside a page with code (state codeRecords). */
function defineDropRecords(module: ModuleBuilder, state: StateAccess, imports: ImportedFunctions): Callable<undefined> {
  const f = module.function(['i32', 'i32'], undefined);
  const address = f.parameter(0, 'i32');
  const bytes = f.parameter(1, 'i32');
  const records = f.local('i32');
  const offset = f.local('i32');
  const first = f.local('i32');
  const stores = f.local('i32');
  f.define(
    records.set(state.load32('codeRecords')),
    offset.set(i32.and(address.get, i32.const(PAGE_BYTES - 1))),
    // A four-byte instruction may have begun a halfword earlier.
    first.set(i32.shr_u(i32.sub(offset.get, i32.const(2)), i32.const(1))),
    when(i32.lt_u(offset.get, i32.const(2)), first.set(i32.const(0))),
    memoryFill(
      i32.add(records.get, i32.mul(first.get, i32.const(RECORD_BYTES))),
      i32.const(0),
      i32.mul(
        i32.sub(
          i32.add(i32.shr_u(i32.sub(i32.add(offset.get, bytes.get), i32.const(1)), i32.const(1)), i32.const(1)),
          first.get,
        ),
        i32.const(RECORD_BYTES),
      ),
    ),
    when(i32.load(records.get, PAGE_FOOTER.regions), call(imports.translationWritten, records.get)),
    i32.store(
      records.get,
      stores.tee(i32.add(i32.load(records.get, PAGE_FOOTER.stores), i32.const(1))),
      PAGE_FOOTER.stores,
    ),
    when(i32.gt_u(stores.get, i32.const(STORES_TO_CODE_PAGE_MAX)), call(imports.codePageWritten, records.get)),
  );
  return f;
}

function defineLoad(
  module: ModuleBuilder,
  state: StateAccess,
  imports: ImportedFunctions,
  translation: Translation,
  loadBytes: Callable<'i64'>,
  op: LoadOp,
): Callable<'i64'> {
  const bytes = LOAD_BYTES[op];
  const f = module.function(['i64'], 'i64');
  const address = f.parameter(0, 'i64');
  const linear = f.local('i32');
  const valueInState: Expr<'i64'> = i64[op](i32.const(0), state.base + STATE.value);
  f.define(
    bytes > 1
      ? when(
          i32.gt_u(inPage(address.get), i32.const(PAGE_BYTES - bytes)),
          seq(state.store64('value', callFor(loadBytes, address.get, i32.const(bytes))), returns(valueInState)),
        )
      : seq(),
    linear.set(callFor(translation.fillData, address.get, i32.const(ACCESS.load))),
    when(linear.get, returns(i64[op](linear.get))),
    when(i32.eqz(state.load32('trapped')), call(imports.slowLoad, i32.const(bytes))),
    returns(valueInState),
  );
  return f;
}

function defineStore(
  module: ModuleBuilder,
  state: StateAccess,
  imports: ImportedFunctions,
  translation: Translation,
  storeBytes: Callable<undefined>,
  dropRecords: Callable<undefined>,
  op: StoreOp,
): Callable<undefined> {
  const bytes = STORE_BYTES[op];
  const f = module.function(['i64', 'i64'], undefined);
  const address = f.parameter(0, 'i64');
  const value = f.parameter(1, 'i64');
  const linear = f.local('i32');
  f.define(
    bytes > 1
      ? when(
          i32.gt_u(inPage(address.get), i32.const(PAGE_BYTES - bytes)),
          seq(call(storeBytes, address.get, value.get, i32.const(bytes)), returns()),
        )
      : seq(),
    linear.set(callFor(translation.fillData, address.get, i32.const(ACCESS.store))),
    when(
      linear.get,
      seq(
        i64[op](linear.get, value.get),
        when(state.load32('codeRecords'), call(dropRecords, linear.get, i32.const(bytes))),
        returns(),
      ),
    ),
    when(
      i32.eqz(state.load32('trapped')),
      seq(state.store64('value', value.get), call(imports.slowStore, i32.const(bytes))),
    ),
  );
  return f;
}

/** Bytes of an access that crosses pages: both pages are checked before anything happens. */
interface Crossing {
  readonly first: Local<'i32'>;
  readonly firstBytes: Local<'i32'>;
  readonly second: Local<'i32'>;
}

/** Linear addresses of both parts. A part that is not RAM gives an access fault; then `leave` runs. */
function translateBoth(
  { first, firstBytes, second }: Crossing,
  address: Expr<'i64'>,
  access: number,
  state: StateAccess,
  translation: Translation,
  otherwise: { readonly refuse: Stmt; readonly leave: Stmt },
): Stmt {
  const secondAddress = i64.add(address, i64.extend_u(firstBytes.get));
  const failed = when(i32.eqz(state.load32('trapped')), otherwise.refuse);
  return seq(
    firstBytes.set(i32.sub(i32.const(PAGE_BYTES), inPage(address))),
    first.set(callFor(translation.fillData, address, i32.const(access))),
    when(i32.eqz(first.get), seq(failed, otherwise.leave)),
    second.set(callFor(translation.fillData, secondAddress, i32.const(access))),
    when(i32.eqz(second.get), seq(failed, otherwise.leave)),
  );
}

function crossingLocals(f: { local(type: 'i32'): Local<'i32'> }): Crossing {
  return { first: f.local('i32'), firstBytes: f.local('i32'), second: f.local('i32') };
}

/** (virtual address, bytes) → bytes of two pages, zero-extended. */
function defineLoadBytes(
  module: ModuleBuilder,
  state: StateAccess,
  imports: ImportedFunctions,
  translation: Translation,
): Callable<'i64'> {
  const f = module.function(['i64', 'i32'], 'i64');
  const address = f.parameter(0, 'i64');
  const bytes = f.parameter(1, 'i32');
  const crossing = crossingLocals(f);
  const value = f.local('i64');
  const i = f.local('i32');
  const refuse = call(imports.fault, i32.const(CAUSE.loadAccess), state.load64('accessAddress'));
  f.define(
    translateBoth(crossing, address.get, ACCESS.load, state, translation, { refuse, leave: returns(i64.const(0)) }),
    forEachByte(
      i,
      bytes.get,
      (byteAddress) =>
        value.set(i64.or(value.get, i64.shl(i64.load8_u(byteAddress), i64.shl(i64.extend_u(i.get), i64.const(3))))),
      crossing,
    ),
    returns(value.get),
  );
  return f;
}

/** (virtual address, value, bytes). */
function defineStoreBytes(
  module: ModuleBuilder,
  state: StateAccess,
  imports: ImportedFunctions,
  translation: Translation,
  dropRecords: Callable<undefined>,
): Callable<undefined> {
  const f = module.function(['i64', 'i64', 'i32'], undefined);
  const address = f.parameter(0, 'i64');
  const value = f.parameter(1, 'i64');
  const bytes = f.parameter(2, 'i32');
  const crossing = crossingLocals(f);
  const i = f.local('i32');
  const refuse = call(imports.fault, i32.const(CAUSE.storeAccess), state.load64('accessAddress'));
  f.define(
    translateBoth(crossing, address.get, ACCESS.store, state, translation, { refuse, leave: returns() }),
    // Code of the second page was left in state by the second translation; of the first it is looked up again.
    forEachByte(
      i,
      bytes.get,
      (byteAddress) => i64.store8(byteAddress, i64.shr_u(value.get, i64.shl(i64.extend_u(i.get), i64.const(3)))),
      crossing,
    ),
    when(
      state.load32('codeRecords'),
      call(dropRecords, crossing.second.get, i32.sub(bytes.get, crossing.firstBytes.get)),
    ),
    drop(callFor(translation.fillData, address.get, i32.const(ACCESS.store))),
    when(state.load32('codeRecords'), call(dropRecords, crossing.first.get, crossing.firstBytes.get)),
  );
  return f;
}

/** Runs `body` with the linear address of each byte of a crossing access. */
function forEachByte(
  i: Local<'i32'>,
  bytes: Expr<'i32'>,
  body: (address: Expr<'i32'>) => Stmt,
  { first, firstBytes, second }: Crossing,
): Stmt {
  const again = new Label();
  const address = choose(
    i32.lt_u(i.get, firstBytes.get),
    i32.add(first.get, i.get),
    i32.add(second.get, i32.sub(i.get, firstBytes.get)),
  );
  return loop(again, body(address), i.set(i32.add(i.get, i32.const(1))), brIf(again, i32.lt_u(i.get, bytes)));
}

function defineAtomic(
  module: ModuleBuilder,
  state: StateAccess,
  imports: ImportedFunctions,
  translation: Translation,
  dropRecords: Callable<undefined>,
): Callable<'i32'> {
  const f = module.function(['i64', 'i32', 'i32'], 'i32');
  const address = f.parameter(0, 'i64');
  const bytes = f.parameter(1, 'i32');
  const access = f.parameter(2, 'i32');
  const linear = f.local('i32');
  const cause = (load: number, store: number): Expr<'i32'> => choose(access.get, i32.const(store), i32.const(load));
  f.define(
    when(
      i32.and(i32.wrap(address.get), i32.sub(bytes.get, i32.const(1))),
      seq(call(imports.fault, cause(CAUSE.loadMisaligned, CAUSE.storeMisaligned), address.get), returns(i32.const(0))),
    ),
    linear.set(callFor(translation.fillData, address.get, access.get)),
    when(
      i32.and(i32.eqz(linear.get), i32.eqz(state.load32('trapped'))),
      returns(callFor(imports.slowAtomic, bytes.get, access.get)),
    ),
    when(
      i32.and(i32.ne(linear.get, i32.const(0)), i32.and(access.get, i32.ne(state.load32('codeRecords'), i32.const(0)))),
      call(dropRecords, linear.get, bytes.get),
    ),
    returns(linear.get),
  );
  return f;
}
