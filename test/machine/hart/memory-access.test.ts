import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { HartBus } from '../../../src/machine/hart-contract.ts';
import { bareHart, RAM } from './bare-hart.ts';

const PAGE = 0x1000;

describe('a misaligned access to RAM', () => {
  test.each([
    ['ld', 8],
    ['lw', 4],
    ['lh', 2],
  ])('by %s works at every offset around a page boundary', (load, bytes) => {
    const h = bareHart(`loop: ${load} a0, 0(t0)\n addi t0, t0, 1\n j loop`);
    const pattern = Uint8Array.from({ length: 32 }, (_, i) => i * 7 + 1);
    const start = RAM + 3 * PAGE - 16;
    h.memory.write(start, pattern);
    h.setX('t0', start);
    for (let offset = 0; offset + bytes <= 32; offset++) {
      h.run(1);
      const expected = pattern.slice(offset, offset + bytes).reduceRight((v, b) => (v << 8n) | BigInt(b), 0n);
      expect(h.x('a0')).toBe(BigInt.asUintN(64, BigInt.asIntN(bytes * 8, expected)));
      h.run(2);
    }
  });

  test.each([
    ['sd', 8],
    ['sw', 4],
    ['sh', 2],
  ])('by %s works at every offset around a page boundary', (store, bytes) => {
    const value = 0x8877_6655_4433_2211n;
    for (let offset = 16 - bytes; offset <= 16; offset++) {
      const h = bareHart(`${store} a0, 0(t0)\n end: j end`);
      const start = RAM + 3 * PAGE - 16;
      h.setX('t0', start + offset);
      h.setX('a0', value);
      h.run(1);
      const expected = new Uint8Array(32);
      for (let i = 0; i < bytes; i++) expected[offset + i] = Number((value >> BigInt(i * 8)) & 0xffn);
      expect(h.memory.view(start, 32)).toEqual(expected);
    }
  });

  test('of an AMO, LR or SC traps', () => {
    for (const [instruction, cause] of [
      ['amoadd.w a0, a1, (t0)', 6n],
      ['lr.d a0, (t0)', 4n],
      ['sc.w a0, a1, (t0)', 6n],
    ] as const) {
      const h = bareHart(`${instruction}\n .balign 4\n handler: j handler`);
      h.setCsr('mtvec', h.label('handler'));
      h.setX('t0', RAM + PAGE + 2);
      h.run(1);
      expect([h.csr('mcause'), h.csr('mtval')]).toEqual([cause, BigInt(RAM + PAGE + 2)]);
    }
  });
});

describe('a device access', () => {
  const DEVICE = 0x1000_0000;

  test('reaches the bus with address, width and value, and with the exact retired count', () => {
    const seen: unknown[] = [];
    const bus: HartBus = {
      read: (address, bytes) => {
        seen.push(['read', address, bytes, h.hart.retired]);
        return 0xfedc_ba98_7654_3210n & ((1n << BigInt(bytes * 8)) - 1n);
      },
      write: (address, bytes, value) => {
        seen.push(['write', address, bytes, value, h.hart.retired]);
        return true;
      },
    };
    const h = bareHart('nop\n lw a0, 4(t0)\n nop\n sh a1, 8(t0)\n ld a2, 16(t0)\n lbu a3, 1(t0)\n end: j end', { bus });
    h.setX('t0', DEVICE);
    h.setX('a1', 0x12345);
    h.run(100);
    expect(seen).toEqual([
      ['read', DEVICE + 4, 4, 1],
      ['write', DEVICE + 8, 2, 0x2345n, 3],
      ['read', DEVICE + 16, 8, 4],
      ['read', DEVICE + 1, 1, 5],
    ]);
    expect([h.x('a0'), h.x('a2'), h.x('a3')]).toEqual([0x7654_3210n, 0xfedc_ba98_7654_3210n, 0x10n]);
  });

  test('that nothing answers is an access fault', () => {
    const h = bareHart('start: sw a0, 0(t0)\n .balign 4\n handler: j handler');
    h.setX('t0', DEVICE);
    h.setCsr('mtvec', h.label('handler'));
    h.run(1);
    expect([h.csr('mcause'), h.csr('mtval'), h.csr('mepc')]).toEqual([7n, BigInt(DEVICE), BigInt(RAM)]);
  });

  test('may ask for a yield, which ends the run after that instruction', () => {
    const bus: HartBus = {
      read: () => {
        h.hart.requestYield();
        return 7n;
      },
      write: () => false,
    };
    const h = bareHart('lw a0, 0(t0)\n addi a1, a1, 1\n end: j end', { bus });
    h.setX('t0', DEVICE);
    expect(h.run(100)).toBe('yield');
    expect([h.hart.retired, h.x('a0'), h.x('a1')]).toEqual([1, 7n, 0n]);
  });

  test('may raise a wire, whose interrupt is taken after that instruction', () => {
    const bus: HartBus = {
      read: () => undefined,
      write: () => {
        h.hart.setLine('MEIP', true);
        return true;
      },
    };
    const h = bareHart('sw a0, 0(t0)\n after: addi a1, a1, 1\n .balign 4\n handler: j handler', { bus });
    h.setX('t0', DEVICE);
    h.setCsr('mtvec', h.label('handler'));
    h.setCsr('mie', 1 << 11);
    h.setCsr('mstatus', 8);
    h.run(5);
    expect([h.csr('mepc'), h.x('a1')]).toEqual([BigInt(h.label('after')), 0n]);
  });
});

describe('LR and SC', () => {
  const source = `
    lr.w a0, (t0)
    sc.w a1, t1, (t0)
    sc.w a2, t1, (t0)
    end: j end
  `;

  test('a store conditional succeeds once after its load', () => {
    const h = bareHart(source);
    h.setX('t0', RAM + PAGE);
    h.setX('t1', 42);
    h.run(3);
    expect([h.x('a1'), h.x('a2'), h.load64(RAM + PAGE)]).toEqual([0n, 1n, 42n]);
  });

  test('a store conditional fails when the location was written in between', () => {
    const h = bareHart(source);
    h.setX('t0', RAM + PAGE);
    h.setX('t1', 42);
    h.run(1);
    h.store64(RAM + PAGE, 1);
    h.run(1);
    expect([h.x('a1'), h.load64(RAM + PAGE)]).toEqual([1n, 1n]);
  });
});

describe('a slice', () => {
  const program = `
      la t0, data
      li t1, 5
    loop:
      ld t2, 0(t0)
      addi t2, t2, 3
      sd t2, 0(t0)
      amoadd.d t3, t1, (t0)
      mul t4, t2, t3
      c.addi t4, 1
      add s0, s0, t4
      bltu s0, t1, loop
      j loop
      .balign 8
    data: .dword 1
  `;

  test('of any length gives the same machine: what retires is exactly what was asked for', () => {
    const whole = bareHart(program);
    whole.run(997);
    const expected = JSON.stringify(whole.hart.save(), (_, v) => (typeof v === 'bigint' ? `${v}n` : v));
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 1, max: 200 }), { minLength: 1, maxLength: 20 }), (slices) => {
        const h = bareHart(program);
        let left = 997;
        for (const slice of slices) {
          const now = Math.min(slice, left);
          expect(h.run(now)).toBe('budget');
          left -= now;
        }
        h.run(left);
        expect(h.hart.retired).toBe(997);
        expect(JSON.stringify(h.hart.save(), (_, v) => (typeof v === 'bigint' ? `${v}n` : v))).toBe(expected);
      }),
      { numRuns: 20 },
    );
  });
});

describe('a snapshot', () => {
  test('restored into another hart is the same hart, and goes on the same', () => {
    const source = `
        csrr a0, mhartid
        li t0, 0x6000
        csrs mstatus, t0
        fcvt.d.l fa0, t0, rne
      loop:
        addi a1, a1, 3
        fadd.d fa0, fa0, fa0, dyn
        j loop
    `;
    const a = bareHart(source);
    a.setCsr('pmpaddr3', 0x1234);
    a.setCsr('pmpcfg0', 0x1fn << 24n);
    a.setCsr('satp', 0n);
    a.setCsr('mscratch', 99);
    a.run(50);
    const saved = a.hart.save();
    const b = bareHart(source);
    b.hart.restore(saved);
    expect(b.hart.save()).toEqual(saved);
    a.run(33);
    b.run(33);
    expect(b.hart.save()).toEqual(a.hart.save());
    expect(b.hart.retired).toBe(83);
  });
});
