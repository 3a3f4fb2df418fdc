import { describe, expect, test } from 'vitest';
import { assemble } from '../../../src/machine/isa/assemble.ts';
import { bareHart, CSR, RAM } from './bare-hart.ts';

const words = (source: string): Uint8Array => assemble(source, { base: RAM, symbols: CSR }).bytes;
const word = (source: string): number => new DataView(words(source).buffer).getUint32(0, true);

describe('a store to code that was executed before', () => {
  test.each([
    ['sw', 0],
    ['sd', 0],
    ['sw', -2],
  ])('by %s at offset %i is seen by the next fetch', (store, offset) => {
    const h = bareHart(`
      li s0, 0
    again:
      nop
      c.addi zero, 0
    patched:
      addi a0, a0, 1
      c.addi zero, 0
      c.addi zero, 0
      bnez s0, done
      li s0, 1
      la t0, patched
      ${store} t1, ${offset}(t0)
      j again
    done:
      nop
    `);
    const cNop = 0x0001n;
    const patch = BigInt(word('addi a0, a0, 100'));
    // At offset -2 the compressed instruction before comes along, and only the first half of the patch.
    h.setX('t1', offset === -2 ? ((patch & 0xffffn) << 16n) | cNop : (cNop << 48n) | (cNop << 32n) | patch);
    h.runTo('done');
    expect(h.x('a0')).toBe(offset === -2 ? 2n : 101n);
  });

  test('by a device is seen by the next fetch', () => {
    const h = bareHart('loop: addi a0, a0, 1\n j loop');
    h.run(10);
    expect(h.x('a0')).toBe(5n);
    h.memory.write(RAM, words('addi a0, a0, 100'));
    h.run(2);
    expect(h.x('a0')).toBe(105n);
  });

  test('of the second half only is seen by the next fetch', () => {
    const h = bareHart('loop: addi a0, a0, 1\n j loop');
    h.run(10);
    h.memory.write(RAM + 2, words('addi a0, a0, 100').subarray(2));
    h.run(2);
    expect(h.x('a0')).toBe(105n);
  });

  test('by the instruction right before it is seen', () => {
    const h = bareHart(`
    loop:
      addi a0, a0, 1
      la t0, target
      sw t1, 0(t0)
    target:
      addi a0, a0, 1
    done:
      nop
    `);
    h.setX('t1', word('addi a0, a0, 100'));
    h.runTo('done');
    expect(h.x('a0')).toBe(101n);
  });

  test('goes on being seen when the page is stored to so often that it is taken for data', () => {
    const h = bareHart(`
      la t0, patched
      li t2, 1000
    loop:
      sw t1, 0(t0)
    patched:
      addi a0, a0, 1
      xor t1, t1, t3
      addi t2, t2, -1
      bnez t2, loop
    done:
      nop
    `);
    const one = word('addi a0, a0, 1');
    const hundred = word('addi a0, a0, 100');
    h.setX('t1', one);
    h.setX('t3', one ^ hundred);
    h.runTo('done', 10_000);
    expect(h.x('a0')).toBe(500n * 101n);
  });
});

describe('an atomic that changes its own instruction', () => {
  test.each([
    ['amoadd.w', 'here: amoadd.w a0, a1, (t0)', (before: bigint) => before + 0x13n],
    ['sc.w', 'lr.w a0, (t0)\n here: sc.w a2, a1, (t0)', () => 0x13n],
  ])('does what it did before the change: %s', (_name, source, after) => {
    const h = bareHart(`
      ${source}
    done:
      j done
    `);
    const here = h.label('here');
    const before = BigInt.asIntN(32, h.load64(here));
    h.setX('t0', here);
    h.setX('a1', 0x13);
    h.runTo('done');
    expect(h.hart.state.x(0)).toBe(0n);
    expect(BigInt.asIntN(64, h.x('a0'))).toBe(before);
    expect(BigInt.asIntN(32, h.load64(here))).toBe(BigInt.asIntN(32, after(before)));
  });
});

describe('a four-byte instruction that crosses a page', () => {
  const START = 0x1000 - 6;
  const source = `
      .space ${START}
    start:
      addi a0, a0, 1
    crossing:
      addi a0, a0, 0x40
    after:
      addi a1, a0, 1
      nop
  `;

  test('executes once and goes on in the next page', () => {
    const h = bareHart(source);
    h.hart.pc = BigInt(h.label('start'));
    h.run(3);
    expect([h.x('a0'), h.x('a1')]).toEqual([0x41n, 0x42n]);
    expect(h.hart.retired).toBe(3);
  });

  test('is decoded anew when its second half changes', () => {
    const h = bareHart(source);
    h.hart.pc = BigInt(h.label('start'));
    h.run(3);
    h.memory.write(RAM + 0x1000, words('addi a0, a0, 0x400').subarray(2));
    h.setX('a0', 0);
    h.hart.pc = BigInt(h.label('start'));
    h.run(3);
    expect(h.x('a0')).toBe(0x401n);
  });

  test('faults with the address of the page that is missing, and pc at its beginning', () => {
    const h = bareHart(`${source}\nhandler: nop`);
    // Only the first page of RAM may be executed, by locked entries that bind M-mode as well; the handler's is far away.
    const second = RAM + 0x1000;
    h.memory.write(RAM + 0x8000, words('nop'));
    h.setCsr('mtvec', RAM + 0x8000);
    h.setCsr('pmpaddr0', second / 4);
    h.setCsr('pmpaddr1', (second + 0x1000) / 4);
    const locked = 0x80;
    const tor = 0x08;
    h.setCsr('pmpcfg0', ((locked | tor | 3) << 8) | 0x00);
    h.hart.pc = BigInt(h.label('start'));
    h.run(2);
    expect(h.csr('mcause')).toBe(1n);
    expect(h.csr('mepc')).toBe(BigInt(h.label('crossing')));
    expect(h.csr('mtval')).toBe(BigInt(second));
    expect(h.x('a0')).toBe(1n);
  });
});

test('code above 2 GiB of linear memory is executed and kept coherent', () => {
  const top = 0xa000_0000;
  const h = bareHart('jr t0', { ramBytes: top + 0x10_0000 });
  const { bytes } = assemble(
    `
    loop:
      sw t1, 0(t2)
      addi a0, a0, 1
      la t2, patched
    patched:
      addi a0, a0, 1
      j loop
    `,
    { base: RAM + top },
  );
  h.memory.write(RAM + top, bytes);
  h.setX('t0', RAM + top);
  h.setX('t1', word('addi a0, a0, 100'));
  // The first store is to another part of the page, which gets its store entry before the page is known as code.
  h.setX('t2', RAM + top + 0x800);
  h.run(1);
  h.run(6);
  expect(h.x('a0')).toBe(2n);
  h.run(6);
  expect(h.x('a0')).toBe(103n);
});

test('RAM that does not fit the address space of WebAssembly is refused', () => {
  expect(() => bareHart('nop', { ramBytes: 0x1_0000_0000 })).toThrow(/below 4 GiB/);
});

test('more code than fits among predecoded records executes all the same, again and again', () => {
  const PAGE = 0x1000;
  const pages = 5000;
  const h = bareHart('nop', { ramBytes: (pages + 1) * PAGE });
  const step = assemble(`addi a0, a0, 1\n j next\n .space ${PAGE - 8}\n next: nop`, { base: 0 }).bytes.subarray(0, 8);
  for (let page = 0; page < pages; page++) h.memory.write(RAM + page * PAGE, step);
  const distance = pages * PAGE;
  h.memory.write(RAM + distance, assemble('addi a1, a1, 1\n jr t0', { base: 0 }).bytes);
  h.setX('t0', RAM);
  const lap = 2 * pages + 2;
  for (let laps = 1; laps <= 3; laps++) {
    h.run(lap);
    expect([h.x('a0'), h.x('a1'), h.hart.pc]).toEqual([BigInt(laps * pages), BigInt(laps), BigInt(RAM)]);
  }
  // A store to a page that lost its records, and to one that has them.
  h.memory.write(RAM, words('addi a0, a0, 100'));
  h.memory.write(RAM + (pages - 1) * PAGE, words('addi a0, a0, 1000'));
  h.setX('a0', 0);
  h.run(lap);
  expect(h.x('a0')).toBe(BigInt(pages - 2 + 1100));
});
