/**
 * Berkeley TestFloat's vectors through the soft float. TESTFLOAT_GEN names the generator `testfloat_gen` (3e or later, built
 * with SPECIALIZE_TYPE=RISCV); TESTFLOAT_VECTORS bounds the vectors of each function and rounding mode.
 */
import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { describe, expect, test } from 'vitest';
import * as fp from '../../../src/machine/fp/soft-float.ts';

const GENERATOR = process.env['TESTFLOAT_GEN'];
const VECTORS_MAX = Number(process.env['TESTFLOAT_VECTORS'] ?? 50_000);

const ROUNDING_OPTIONS = [
  ['RNE', '-rnear_even'],
  ['RTZ', '-rminMag'],
  ['RDN', '-rmin'],
  ['RUP', '-rmax'],
  ['RMM', '-rnear_maxMag'],
] as const;

type Operation = (operands: readonly bigint[], env: fp.FpEnvironment) => bigint;

const FORMATS = { f32: fp.BINARY32, f64: fp.BINARY64 } as const;
const INTEGERS = {
  i32: { range: fp.INT32, bits: 32, signed: true },
  ui32: { range: fp.UINT32, bits: 32, signed: false },
  i64: { range: fp.INT64, bits: 64, signed: true },
  ui64: { range: fp.UINT64, bits: 64, signed: false },
} as const;

/** TestFloat's function names and what each is here. Results are compared as unsigned patterns. */
function operations(): Map<string, Operation> {
  const table = new Map<string, Operation>();
  for (const [name, format] of Object.entries(FORMATS)) {
    const at = (operands: readonly bigint[], index: number): bigint => operands[index] as bigint;
    for (const [operation, compute] of Object.entries({ add: fp.add, sub: fp.sub, mul: fp.mul, div: fp.div })) {
      table.set(`${name}_${operation}`, (v, env) => compute(format, at(v, 0), at(v, 1), env));
    }
    table.set(`${name}_sqrt`, (v, env) => fp.sqrt(format, at(v, 0), env));
    table.set(`${name}_mulAdd`, (v, env) => fp.mulAdd(format, at(v, 0), at(v, 1), at(v, 2), env));
    for (const [predicate, holds] of Object.entries({ eq: fp.eq, lt: fp.lt, le: fp.le })) {
      table.set(`${name}_${predicate}`, (v, env) => BigInt(holds(format, at(v, 0), at(v, 1), env)));
    }
    for (const [integer, { range, bits, signed }] of Object.entries(INTEGERS)) {
      table.set(`${name}_to_${integer}`, (v, env) => BigInt.asUintN(bits, fp.toInteger(format, at(v, 0), range, env)));
      table.set(`${integer}_to_${name}`, (v, env) =>
        fp.fromInteger(format, signed ? BigInt.asIntN(bits, at(v, 0)) : at(v, 0), env),
      );
    }
  }
  table.set('f32_to_f64', (v, env) => fp.toFormat(fp.BINARY32, fp.BINARY64, v[0] as bigint, env));
  table.set('f64_to_f32', (v, env) => fp.toFormat(fp.BINARY64, fp.BINARY32, v[0] as bigint, env));
  return table;
}

/** Runs one function's vectors: operands, result and flags in hexadecimal on a line. Gives the first mismatches. */
async function checkVectors(
  generator: string,
  name: string,
  operation: Operation,
  rm: fp.RoundingMode,
  option: string,
): Promise<{ vectors: number; mismatches: string[] }> {
  const child = spawn(generator, ['-tininessafter', '-exact', option, name], { stdio: ['ignore', 'pipe', 'inherit'] });
  const ended = new Promise<void>((resolve, reject) => {
    child.once('error', reject);
    child.once('close', () => resolve());
  });
  const env: fp.FpEnvironment = { rm, flags: 0 };
  const mismatches: string[] = [];
  let vectors = 0;
  for await (const line of createInterface({ input: child.stdout })) {
    const words = line.split(' ').map((word) => BigInt(`0x${word}`));
    const expectedFlags = words.pop();
    const expected = words.pop();
    env.flags = 0;
    const result = operation(words, env);
    if (result !== expected || BigInt(env.flags) !== expectedFlags) {
      mismatches.push(`${line}: got ${result.toString(16)} ${env.flags.toString(16)}`);
    }
    vectors += 1;
    if (vectors >= VECTORS_MAX || mismatches.length >= 10) break;
  }
  child.kill();
  await ended;
  return { vectors, mismatches };
}

if (GENERATOR === undefined) {
  describe('Berkeley TestFloat', () => {
    test.skip('is skipped: TESTFLOAT_GEN does not name a testfloat_gen', () => {});
  });
} else {
  describe('Berkeley TestFloat', () => {
    for (const [name, operation] of operations()) {
      test(`agrees on ${name} in every rounding mode`, { timeout: 3_600_000 }, async () => {
        for (const [mode, option] of ROUNDING_OPTIONS) {
          const { vectors, mismatches } = await checkVectors(GENERATOR, name, operation, fp.ROUNDING[mode], option);
          expect(mismatches, `${name} ${mode}`).toEqual([]);
          expect(vectors, `${name} ${mode}: vectors read`).toBeGreaterThan(300);
        }
      });
    }
  });
}
