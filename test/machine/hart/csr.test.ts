import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { CSRS, csrPrivilege, csrReadOnly } from '../../../src/machine/hart/csr-table.ts';
import { MSTATUS, MSTATUS_SD } from '../../../src/machine/hart/mstatus.ts';
import { bareHart, RAM } from './bare-hart.ts';

describe('the CSR table', () => {
  test('has one row an address and one a name', () => {
    expect(new Set(CSRS.map((c) => c.address)).size).toBe(CSRS.length);
    expect(new Set(CSRS.map((c) => c.name)).size).toBe(CSRS.length);
  });

  test('writes no CSR whose address is read-only', () => {
    expect(CSRS.filter((c) => csrReadOnly(c.address) && c.write !== undefined)).toEqual([]);
  });

  test('is idempotent: what a CSR reads can be written back and reads the same', () => {
    const h = bareHart('nop');
    // Counters count, and locked PMP entries would stay.
    const rows = CSRS.filter((c) => !csrReadOnly(c.address) && !c.name.startsWith('pmp'));
    fc.assert(
      fc.property(fc.constantFrom(...rows), fc.bigInt({ min: 0n, max: (1n << 64n) - 1n }), ({ address }, value) => {
        h.hart.state.setCsr(address, value);
        const once = h.hart.state.csr(address);
        h.hart.state.setCsr(address, once);
        expect(h.hart.state.csr(address)).toBe(once);
      }),
      { numRuns: 1000 },
    );
  });

  test('gives reads of absent CSRs an error with the address', () => {
    const h = bareHart('nop');
    expect(() => h.hart.state.csr(0x7ff)).toThrow('no CSR 0x7ff in this hart');
  });
});

describe('a CSR instruction', () => {
  const names = CSRS.filter((c) => csrPrivilege(c.address) > 1).map((c) => c.name);

  test.each(names)('on %s is illegal in S-mode', (name) => {
    const h = bareHart(`start: csrr a0, ${name}\n .balign 4\n m: j m`);
    h.setCsr('pmpaddr0', (1n << 54n) - 1n);
    h.setCsr('pmpcfg0', 0x1f);
    h.setCsr('mtvec', h.label('m'));
    h.setCsr('mstatus', 1 << 11);
    h.setCsr('mepc', h.label('start'));
    h.hart.mret();
    h.run(1);
    expect([h.csr('mcause'), h.csr('mepc')]).toEqual([2n, BigInt(h.label('start'))]);
  });

  test.each([
    ['csrrw a0, sscratch, a1', 7n, 5n],
    ['csrrs a0, sscratch, a1', 7n, 7n],
    ['csrrc a0, sscratch, a1', 7n, 2n],
    ['csrrwi a0, sscratch, 9', 7n, 9n],
    ['csrrsi a0, sscratch, 8', 7n, 15n],
    ['csrrci a0, sscratch, 3', 7n, 4n],
    ['csrrs a0, sscratch, zero', 7n, 7n],
    ['csrrw zero, sscratch, a1', 0n, 5n],
  ])('%s reads the old value and writes the new one', (instruction, read, kept) => {
    const h = bareHart(instruction);
    h.setCsr('sscratch', 7);
    h.setX('a1', 5);
    h.run(1);
    expect([h.x('a0'), h.csr('sscratch')]).toEqual([read, kept]);
  });

  test.each(['csrrs a0, sstatus, a1', 'csrrci a0, sstatus, 2', 'csrrw a0, sepc, a1', 'csrrs a0, stval, zero'])(
    '%s is illegal in U-mode, and mtval has the instruction',
    (instruction) => {
      const h = bareHart(`start: ${instruction}\n .balign 4\n m: j m`);
      h.setCsr('pmpaddr0', (1n << 54n) - 1n);
      h.setCsr('pmpcfg0', 0x1f);
      h.setCsr('mtvec', h.label('m'));
      h.setCsr('mepc', h.label('start'));
      h.hart.mret();
      h.run(1);
      expect([h.csr('mcause'), h.csr('mtval')]).toEqual([2n, h.load64(RAM) & 0xffff_ffffn]);
    },
  );

  test('swaps a register with itself', () => {
    const h = bareHart('csrrw tp, sscratch, tp');
    h.setCsr('sscratch', 7);
    h.setX('tp', 5);
    h.run(1);
    expect([h.x('tp'), h.csr('sscratch')]).toEqual([7n, 5n]);
  });

  test('on sstatus in S-mode does what it does in M-mode, for any bits', () => {
    const source = 'start: csrrs a0, sstatus, a1\n csrrc a2, sstatus, a3\n csrr a4, sstatus\n end: j end';
    fc.assert(
      fc.property(
        fc.bigInt({ min: 0n, max: (1n << 64n) - 1n }),
        fc.bigInt({ min: 0n, max: (1n << 64n) - 1n }),
        fc.bigInt({ min: 0n, max: 0xffff_ffffn }),
        (set, clear, initial) => {
          const [machine, supervisor] = [3n, 1n].map((privilege) => {
            const h = bareHart(source);
            h.setCsr('pmpaddr0', (1n << 54n) - 1n);
            h.setCsr('pmpcfg0', 0x1f);
            h.setX('a1', set);
            h.setX('a3', clear);
            h.setCsr('mepc', h.label('start'));
            const interrupts = BigInt(MSTATUS.MIE | MSTATUS.MPIE | MSTATUS.MPRV | MSTATUS.MPP);
            h.setCsr('mstatus', (initial & ~interrupts) | (privilege << 11n));
            h.hart.mret();
            h.run(3);
            return ['a0', 'a2', 'a4'].map((name) => h.x(name));
          });
          expect(supervisor).toEqual(machine);
        },
      ),
      { numRuns: 40 },
    );
  });

  test('on sepc drops bit 0, as IALIGN of 16 bits wants', () => {
    const h = bareHart('csrw sepc, a0\n csrr a1, sepc');
    h.setX('a0', 0x1235);
    h.run(2);
    expect(h.x('a1')).toBe(0x1234n);
  });
});

describe('floating-point state', () => {
  test('FS off makes every floating-point instruction and CSR illegal', () => {
    for (const instruction of ['fadd.d fa0, fa0, fa0, rne', 'fld fa0, 0(t0)', 'fsd fa0, 0(t0)', 'csrr a0, fcsr']) {
      const h = bareHart(`${instruction}\n .balign 4\n handler: j handler`);
      h.setX('t0', 0x8000_1000);
      h.setCsr('mtvec', h.label('handler'));
      h.run(1);
      expect([instruction, h.csr('mcause')]).toEqual([instruction, 2n]);
      expect(h.csr('mtval')).not.toBe(0n);
    }
  });

  test('a load of an f register makes FS dirty, a store does not', () => {
    const h = bareHart('fsd fa0, 0(t0)\n fld fa0, 0(t0)');
    h.setX('t0', 0x8000_1000);
    h.setCsr('mstatus', 1 << 13);
    h.run(1);
    expect(h.csr('mstatus') & (BigInt(MSTATUS.FS) | MSTATUS_SD)).toBe(1n << 13n);
    h.run(1);
    expect(h.csr('mstatus') & (BigInt(MSTATUS.FS) | MSTATUS_SD)).toBe(BigInt(MSTATUS.FS) | MSTATUS_SD);
  });

  test('a reserved rounding mode, static or in frm, is illegal', () => {
    for (const [frm, mode] of [
      [5, 'dyn'],
      [0, 'rm5'],
    ] as const) {
      const h = bareHart(`fadd.d fa0, fa0, fa0, ${mode}\n .balign 4\n handler: j handler`);
      h.setCsr('mtvec', h.label('handler'));
      h.setCsr('mstatus', 1 << 13);
      h.setCsr('frm', frm);
      h.run(1);
      expect(h.csr('mcause')).toBe(2n);
    }
  });
});
