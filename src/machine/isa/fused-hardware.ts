/** Whether WebAssembly's relaxed multiply-add rounds once on this computer: it may, and where it does it is the same always. */
import { type Expr, f32, f64, returns, type ValueType } from '../wasm/code.ts';
import { ModuleBuilder } from '../wasm/module-builder.ts';

/** Squares whose lowest bit is lost when the product is rounded: (1 + 2^-n)² = 1 + 2^(1-n) + 2^-2n. */
const LOST_BITS = { f64: 27, f32: 12 } as const;

let isFused: boolean | undefined;

export function fusesNatively(): boolean {
  isFused ??= tryFused();
  return isFused;
}

function tryFused(): boolean {
  const module = new ModuleBuilder();
  const define = <T extends ValueType>(type: T, multiplyAdd: (a: Expr<T>, b: Expr<T>, c: Expr<T>) => Expr<T>): void => {
    const f = module.function<T>([type, type, type], type, type);
    const [a, b, c] = [f.parameter(0, type), f.parameter(1, type), f.parameter(2, type)];
    f.define(returns(multiplyAdd(a.get, b.get, c.get)));
  };
  define('f64', f64.relaxedMultiplyAdd);
  define('f32', f32.relaxedMultiplyAdd);
  const bytes = module.build();
  if (!WebAssembly.validate(bytes)) return false;
  const exports = new WebAssembly.Instance(new WebAssembly.Module(bytes), {}).exports as unknown as Readonly<
    Record<'f64' | 'f32', (a: number, b: number, c: number) => number>
  >;
  return (['f64', 'f32'] as const).every((type) => {
    const n = LOST_BITS[type];
    const factor = 1 + 2 ** -n;
    return exports[type](factor, factor, -(1 + 2 ** (1 - n))) === 2 ** (-2 * n);
  });
}
