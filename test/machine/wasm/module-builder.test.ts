import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { ByteWriter } from '../../../src/machine/wasm/byte-writer.ts';
import {
  block,
  br,
  brIf,
  brTable,
  callFor,
  choose,
  drop,
  f64,
  i32,
  i64,
  Label,
  loop,
  returnCallIndirect,
  returns,
  select,
  seq,
  when,
} from '../../../src/machine/wasm/code.ts';
import { ModuleBuilder } from '../../../src/machine/wasm/module-builder.ts';

const memory = new WebAssembly.Memory({ initial: 1 });

/** Instantiates what `build` defines. */
function instantiate(module: ModuleBuilder, imports: Readonly<Record<string, unknown>> = {}) {
  return new WebAssembly.Instance(new WebAssembly.Module(module.build()), { env: { memory, ...imports } }).exports;
}

describe('integers in LEB128', () => {
  const decodeSigned = (bytes: Uint8Array): bigint => {
    let value = 0n;
    for (const [i, b] of bytes.entries()) value |= BigInt(b & 0x7f) << BigInt(7 * i);
    return BigInt.asIntN(7 * bytes.length, value);
  };

  test('come back from their signed 32-bit form, in as few bytes as they need', () => {
    fc.assert(
      fc.property(fc.integer(), (n) => {
        const writer = new ByteWriter();
        writer.signed32(n);
        expect(decodeSigned(writer.toBytes())).toBe(BigInt(n));
        expect(writer.length === 1 || BigInt.asIntN(7 * (writer.length - 1), BigInt(n)) !== BigInt(n)).toBe(true);
      }),
    );
  });

  test('come back from their signed 64-bit form', () => {
    fc.assert(
      fc.property(fc.bigInt({ min: -(1n << 63n), max: (1n << 63n) - 1n }), (n) => {
        const writer = new ByteWriter();
        writer.signed64(n);
        expect(decodeSigned(writer.toBytes())).toBe(n);
      }),
    );
  });
});

describe('a built module', () => {
  test('computes with constants of any size', () => {
    fc.assert(
      fc.property(fc.bigInt({ min: -(1n << 63n), max: (1n << 63n) - 1n }), fc.integer(), (wide, narrow) => {
        const module = new ModuleBuilder({ pagesMin: 1 });
        const f = module.function([], 'i64', 'f');
        f.define(returns(i64.add(i64.const(wide), i64.extend_s(i32.const(narrow)))));
        const { f: run } = instantiate(module) as { f: () => bigint };
        expect(run()).toBe(BigInt.asIntN(64, wide + BigInt(narrow)));
      }),
      { numRuns: 50 },
    );
  });

  test('branches to the label it names, from any depth', () => {
    const module = new ModuleBuilder({ pagesMin: 1 });
    const f = module.function(['i32'], 'i32', 'classify');
    const n = f.parameter(0, 'i32');
    const [a, b, c] = [new Label(), new Label(), new Label()];
    f.define(
      block(
        c,
        block(b, block(a, brTable(n.get, [a, b], c)), returns(i32.const(10))),
        when(i32.eq(n.get, i32.const(1)), returns(i32.const(11))),
      ),
      returns(i32.const(12)),
    );
    const { classify } = instantiate(module) as { classify: (n: number) => number };
    expect([0, 1, 2, 99, -1].map(classify)).toEqual([10, 11, 12, 12, 12]);
  });

  test('loops, calls itself and its imports, loads and stores, with hints on branches', () => {
    const module = new ModuleBuilder({ pagesMin: 1 });
    const twice = module.importFunction('twice', ['i32'], 'i32');
    const sum = module.function(['i32'], 'i32', 'sum');
    const n = sum.parameter(0, 'i32');
    const total = sum.local('i32');
    const again = new Label();
    sum.define(
      when(i32.eqz(n.get), returns(i32.const(0)), undefined, 'unlikely'),
      loop(
        again,
        total.set(i32.add(total.get, n.get)),
        i32.store(i32.const(0), total.get, 8),
        brIf(again, n.tee(i32.sub(n.get, i32.const(1))), 'likely'),
      ),
      drop(i32.load(i32.const(0), 8)),
      returns(callFor(twice, i32.load(i32.const(0), 8))),
    );
    const factorial = module.function(['f64'], 'f64', 'factorial');
    const x = factorial.parameter(0, 'f64');
    const one = f64.convert_i32_s(i32.const(1));
    factorial.define(returns(choose(f64.le(x.get, one), one, f64.mul(x.get, callFor(factorial, f64.sub(x.get, one))))));
    const exports = instantiate(module, { twice: (v: number) => 2 * v }) as {
      sum: (n: number) => number;
      factorial: (x: number) => number;
    };
    expect([exports.sum(0), exports.sum(10), exports.factorial(10)]).toEqual([0, 110, 3628800]);
  });

  test('goes on in a function of the imported table, a million times over without more stack', () => {
    const module = new ModuleBuilder({ pagesMin: 1 });
    const functions = module.importTable('functions', 2, ['i32'], 'i32');
    const [even, odd] = ['even', 'odd'].map((name) => module.function(['i32'], 'i32', name));
    for (const [f, other, atZero] of [
      [even, 1, 1],
      [odd, 0, 0],
    ] as const) {
      const n = f!.parameter(0, 'i32');
      f!.define(
        when(i32.eqz(n.get), returns(i32.const(atZero))),
        returnCallIndirect(functions, i32.const(other), i32.sub(n.get, i32.const(1))),
      );
    }
    const table = new WebAssembly.Table({ element: 'anyfunc', initial: 2 });
    const exports = instantiate(module, { functions: table }) as Record<'even' | 'odd', (n: number) => number>;
    table.set(0, exports.even);
    table.set(1, exports.odd);
    expect([exports.even(1_000_000), exports.even(999_999)]).toEqual([1, 0]);
  });

  test('evaluates both sides of a select and one of a choice', () => {
    const module = new ModuleBuilder({ pagesMin: 1 });
    const count = module.importFunction('count', [], 'i32');
    const f = module.function(['i32'], 'i32', 'f');
    const n = f.parameter(0, 'i32');
    f.define(
      drop(select(n.get, callFor(count), callFor(count))),
      returns(choose(n.get, callFor(count), i32.const(-1))),
    );
    let calls = 0;
    const { f: run } = instantiate(module, { count: () => ++calls }) as { f: (n: number) => number };
    expect([run(0), calls, run(1), calls]).toEqual([-1, 2, 5, 5]);
  });

  test('refuses an import after the first function, and a branch to a label around nothing', () => {
    const module = new ModuleBuilder({ pagesMin: 1 });
    const f = module.function([], undefined, 'f');
    expect(() => module.importFunction('late', [], undefined)).toThrow(/late comes after the first function/);
    expect(() => f.define(seq(br(new Label())))).toThrow(/encloses nothing/);
  });
});
