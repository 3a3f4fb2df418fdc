import { describe, expect, test } from 'vitest';
import { FREQUENT_PAIRS } from '../../../src/machine/hart/frequent-pairs.ts';
import { createHart } from '../../../src/machine/hart/hart.ts';
import { assemble } from '../../../src/machine/isa/assemble.ts';
import { createPhysicalMemory } from '../../../src/machine/memory.ts';
import { PROGRAM_BASE, type RandomProgram, randomProgram, SUITABLE_ROWS } from '../differential/random-program.ts';
import { randomSource } from '../differential/random-source.ts';
import { bareHart, CSR, RAM } from './bare-hart.ts';

const word = (source: string): number =>
  new DataView(assemble(source, { base: RAM, symbols: CSR }).bytes.buffer).getUint32(0, true);

/** Rows that occur in pairs, as far as straight-line programs can hold them. */
const PAIRED = new Set(FREQUENT_PAIRS.flat().map((name) => name.replace(/\dn?$/, '')));
const ROWS = SUITABLE_ROWS.filter((row) => PAIRED.has('base' in row ? row.base : row.name));

function run(program: RandomProgram, instructionsAtOnce: number): unknown {
  const memory = createPhysicalMemory(PROGRAM_BASE, 0x40_0000);
  memory.write(PROGRAM_BASE, program.bytes);
  const hart = createHart({
    hartId: 0,
    memory,
    bus: { read: () => undefined, write: () => false },
    time: () => 0n,
    machineModeEntries: new Set(),
  });
  hart.reset(PROGRAM_BASE);
  hart.state.setCsr(0x300, 0x2000n);
  for (let left = program.instructions; left > 0; left -= instructionsAtOnce) {
    hart.run(Math.min(left, instructionsAtOnce));
  }
  expect(hart.pc).toBe(BigInt(program.endPc));
  return [hart.save(), memory.view(program.resultAddress, program.resultBytes).slice()];
}

describe('two instructions executed with one dispatch', () => {
  test.each([1, 2, 3])('do what they do one by one, random programs with seed %i', (seed) => {
    const program = randomProgram(ROWS, { blockCount: 60, blockInstructions: 40 }, randomSource(seed));
    const oneByOne = run(program, 1);
    expect(run(program, 1_000_000)).toEqual(oneByOne);
    expect(run(program, 7)).toEqual(oneByOne);
  });

  test('are told apart when the first one overwrites the second', () => {
    const h = bareHart(`
      la t0, second
    again:
      sd t1, -4(t0)
    second:
      addi a0, a0, 1
      addi s0, s0, -1
      bnez s0, again
    done:
      j done
    `);
    // sd; addi a0, a0, 100 in place of sd; addi a0, a0, 1.
    h.setX('t1', (BigInt(word('addi a0, a0, 100')) << 32n) | BigInt(word('sd t1, -4(t0)')));
    h.setX('s0', 3);
    h.runTo('done');
    expect(h.x('a0')).toBe(300n);
  });

  test('are paired anew when the second one is replaced between two executions', () => {
    const h = bareHart(`
    again:
      c.addi a1, 1
    second:
      c.addi a0, 1
    third:
      c.addi a2, 1
      j again
    `);
    h.run(8);
    // c.addi a0, 1 becomes c.mv a0, a1, and the one after it c.ld-like work of the same page.
    const half = (source: string): Uint8Array => assemble(source, { base: RAM }).bytes;
    h.memory.write(h.label('second'), half('c.mv a0, a1'));
    h.run(4);
    expect([h.x('a0'), h.x('a1'), h.x('a2')]).toEqual([3n, 3n, 3n]);
    h.memory.write(h.label('third'), half('c.add a2, a1'));
    h.run(4);
    expect([h.x('a0'), h.x('a1'), h.x('a2')]).toEqual([4n, 4n, 7n]);
  });

  test('retire one by one: a slice may end between them, and a fault of the second names it', () => {
    const h = bareHart(`
    start:
      ld a0, 0(t0)
    second:
      ld a1, 0(t1)
      .balign 4
    handler:
      j handler
    `);
    h.setX('t0', RAM);
    h.setX('t1', 0x1000);
    h.setCsr('mtvec', h.label('handler'));
    for (let i = 0; i < 2; i++) {
      h.hart.pc = BigInt(RAM);
      h.run(1);
      expect(h.hart.pc).toBe(BigInt(h.label('second')));
    }
    h.hart.pc = BigInt(RAM);
    const before = h.hart.retired;
    h.run(2);
    expect([h.csr('mepc'), h.csr('mtval')]).toEqual([BigInt(h.label('second')), 0x1000n]);
    expect(h.hart.retired - before).toBe(2); // the first load and the handler's jump
  });
});

describe('harts that share memory', () => {
  test('see each other’s stores to code they have executed', () => {
    const memory = createPhysicalMemory(RAM, 0x10_0000);
    const { bytes, labels } = assemble(
      `
      reader:
        addi a0, a0, 1
        j reader
      writer:
        sw t1, 0(t0)
        j writer
      `,
      { base: RAM },
    );
    memory.write(RAM, bytes);
    const harts = [0, 1].map((hartId) =>
      createHart({
        hartId,
        memory,
        bus: { read: () => undefined, write: () => false },
        time: () => 0n,
        machineModeEntries: new Set(),
      }),
    );
    const [reader, writer] = harts;
    if (reader === undefined || writer === undefined) throw new Error('two harts were made');
    reader.reset(RAM);
    writer.reset(labels.get('writer') ?? 0);
    // The writer has the page in its TLB before the reader executes from another part of it.
    writer.state.setX(5, BigInt(RAM + 0x800));
    writer.run(4);
    reader.run(4);
    writer.state.setX(5, BigInt(RAM));
    writer.state.setX(6, BigInt(word('addi a0, a0, 100')));
    writer.run(2);
    reader.run(2);
    expect(reader.state.x(10)).toBe(102n);
    expect([reader.state.csr(0xf14), writer.state.csr(0xf14)]).toEqual([0n, 1n]);
  });

  test('break each other’s reservations by a store of another value', () => {
    const memory = createPhysicalMemory(RAM, 0x10_0000);
    memory.write(RAM, assemble('lr.d a0, (t0)\n sc.d a1, t1, (t0)\n sd t1, 0(t0)', { base: RAM }).bytes);
    const harts = [0, 1].map((hartId) => {
      const hart = createHart({
        hartId,
        memory,
        bus: { read: () => undefined, write: () => false },
        time: () => 0n,
        machineModeEntries: new Set(),
      });
      hart.reset(RAM);
      hart.state.setX(5, BigInt(RAM + 0x1000));
      hart.state.setX(6, BigInt(hartId + 1));
      return hart;
    });
    const [a, b] = harts;
    if (a === undefined || b === undefined) throw new Error('two harts were made');
    a.run(1);
    b.run(2);
    a.run(1);
    expect([a.state.x(11), b.state.x(11)]).toEqual([1n, 0n]);
  });
});
