import { describe, expect, test } from 'vitest';
import { MSTATUS } from '../../../src/machine/hart/mstatus.ts';
import { CAUSE, INTERRUPT } from '../../../src/machine/hart/trap-cause.ts';
import { type BareHart, bareHart, RAM } from './bare-hart.ts';

const INTERRUPT_BIT = 1n << 63n;
const bit = (n: number): number => 1 << n;
const ALL_MEMORY = { pmpaddr0: (1n << 54n) - 1n, pmpcfg0: 0x1fn };

/** Lets S and U mode reach all of memory. */
function openMemory(h: BareHart): void {
  h.setCsr('pmpaddr0', ALL_MEMORY.pmpaddr0);
  h.setCsr('pmpcfg0', ALL_MEMORY.pmpcfg0);
}

/** Drops to S-mode (1) or U-mode (0) at a label, with interrupts of that mode as in `mstatus`. */
function enter(h: BareHart, privilege: 0 | 1, label: string, mstatus = 0): void {
  openMemory(h);
  h.setCsr('mstatus', mstatus | (privilege << 11) | (mstatus & MSTATUS.MIE ? MSTATUS.MPIE : 0));
  h.setCsr('mepc', h.label(label));
  h.hart.mret();
}

describe('an exception', () => {
  const faulting = `
    addi a0, a0, 1
    addi a0, a0, 2
  fault:
    ld a1, 0(t0)
    addi a0, a0, 4
  handler:
    j handler
  `;

  test('in the middle of a slice leaves pc, registers and the retired count exact', () => {
    const h = bareHart(faulting);
    h.setX('t0', 0x1000);
    h.setCsr('mtvec', h.label('handler'));
    h.run(10);
    expect(h.csr('mepc')).toBe(BigInt(h.label('fault')));
    expect([h.csr('mcause'), h.csr('mtval'), h.x('a0'), h.x('a1')]).toEqual([5n, 0x1000n, 3n, 0n]);
    expect(h.hart.retired).toBe(10); // two addi, eight jumps; the load did not retire
    expect(h.hart.machineModeEntries.get(CAUSE.loadAccess)).toBe(1);
  });

  test('whose handler cannot be fetched ends the slice all the same', () => {
    const h = bareHart('ecall');
    h.setCsr('mtvec', 0x1000);
    expect(h.run(1000)).toBe('budget');
    expect(h.csr('mcause')).toBe(BigInt(CAUSE.instructionAccess));
  });

  test('that its own handler raises again ends the slice all the same', () => {
    const h = bareHart('handler: ecall');
    h.setCsr('mtvec', RAM);
    expect(h.run(1000)).toBe('budget');
    expect(h.csr('mcause')).toBe(BigInt(CAUSE.ecallFromMachine));
  });

  test.each([
    [0, CAUSE.ecallFromUser],
    [1, CAUSE.ecallFromSupervisor],
  ] as const)('ecall from privilege %i has cause %i and goes where medeleg says', (privilege, cause) => {
    for (const delegated of [false, true]) {
      const h = bareHart('start: ecall\n m: j m\n s: j s');
      h.setCsr('mtvec', h.label('m'));
      h.setCsr('stvec', h.label('s'));
      h.setCsr('medeleg', delegated ? bit(cause) : 0);
      enter(h, privilege, 'start');
      h.run(1);
      expect(h.hart.pc).toBe(BigInt(h.label(delegated ? 's' : 'm')));
      expect(h.csr(delegated ? 'scause' : 'mcause')).toBe(BigInt(cause));
      expect(h.hart.privilege).toBe(delegated ? 1 : 3);
    }
  });

  test('of an illegal instruction has the instruction in mtval', () => {
    const h = bareHart('start: .word 0xffffffff\n \n .balign 4\n handler: j handler');
    h.setCsr('mtvec', h.label('handler'));
    h.run(1);
    expect([h.csr('mcause'), h.csr('mtval')]).toEqual([2n, 0xffff_ffffn]);
  });
});

describe('an interrupt', () => {
  const source = `
    loop:
      addi a0, a0, 1
      j loop
    .balign 4
    m: j m
    .space 60
    s: j s
  `;

  test('is taken by priority: external, software, timer; M before S', () => {
    const h = bareHart(source);
    h.setCsr('mtvec', h.label('m'));
    h.setCsr('mie', 0xaaa);
    h.setCsr('mip', bit(INTERRUPT.SSI) | bit(INTERRUPT.STI) | bit(INTERRUPT.SEI));
    for (const line of ['MSIP', 'MTIP', 'MEIP'] as const) h.hart.setLine(line, true);
    const taken: number[] = [];
    for (const clear of [INTERRUPT.MEI, INTERRUPT.MSI, INTERRUPT.MTI, INTERRUPT.SEI, INTERRUPT.SSI, INTERRUPT.STI]) {
      h.setCsr('mstatus', MSTATUS.MIE);
      h.run(1);
      taken.push(Number(h.csr('mcause') & 0xfn));
      h.setCsr('mie', h.csr('mie') & ~BigInt(bit(clear)));
    }
    expect(taken).toEqual([11, 3, 7, 9, 1, 5]);
  });

  test('goes to S-mode when delegated, at stvec plus four times its number when vectored', () => {
    const h = bareHart(source);
    h.setCsr('mideleg', bit(INTERRUPT.SSI));
    h.setCsr('mie', bit(INTERRUPT.SSI));
    h.setCsr('stvec', h.label('m') + 1);
    enter(h, 1, 'loop', MSTATUS.SIE);
    h.run(6);
    expect(h.x('a0')).toBe(3n);
    h.setCsr('mip', bit(INTERRUPT.SSI));
    h.run(0);
    expect(h.hart.pc).toBe(BigInt(h.label('m') + 4));
    expect(h.csr('scause')).toBe(INTERRUPT_BIT | 1n);
    expect(h.csr('sstatus') & BigInt(MSTATUS.SIE | MSTATUS.SPIE | MSTATUS.SPP)).toBe(
      BigInt(MSTATUS.SPIE | MSTATUS.SPP),
    );
  });

  test('that a CSR write enables is taken before the next instruction', () => {
    const h = bareHart('start: csrsi sstatus, 2\n after: addi a0, a0, 1\n .balign 4\n s: j s');
    h.setCsr('mideleg', bit(INTERRUPT.SSI));
    h.setCsr('mie', bit(INTERRUPT.SSI));
    h.setCsr('mip', bit(INTERRUPT.SSI));
    h.setCsr('stvec', h.label('s'));
    enter(h, 1, 'start');
    h.run(3);
    expect(h.csr('sepc')).toBe(BigInt(h.label('after')));
    expect(h.x('a0')).toBe(0n);
  });

  test('of Sstc comes when time reaches stimecmp, and only while menvcfg.STCE is set', () => {
    const h = bareHart(source);
    h.setCsr('mideleg', bit(INTERRUPT.STI));
    h.setCsr('mie', bit(INTERRUPT.STI));
    h.setCsr('stvec', h.label('s'));
    h.setCsr('menvcfg', 1n << 63n);
    h.setCsr('stimecmp', 100);
    enter(h, 1, 'loop', MSTATUS.SIE);
    h.clock.ticks = 99n;
    h.run(2);
    expect([h.csr('mip'), h.hart.wakePending()]).toEqual([0n, false]);
    h.clock.ticks = 100n;
    expect([h.csr('mip'), h.hart.wakePending()]).toEqual([BigInt(bit(INTERRUPT.STI)), true]);
    h.run(1);
    expect(h.csr('scause')).toBe(INTERRUPT_BIT | BigInt(INTERRUPT.STI));
    h.setCsr('menvcfg', 0);
    expect(h.csr('mip')).toBe(0n);
  });

  test('SEIP reads as wire or software bit, and set and clear instructions do not store the wire', () => {
    const h = bareHart('csrsi mip, 2\n csrr a0, mip\n end: j end');
    h.hart.setLine('SEIP', true);
    h.run(2);
    expect(h.x('a0')).toBe(BigInt(bit(INTERRUPT.SEI) | bit(INTERRUPT.SSI)));
    h.hart.setLine('SEIP', false);
    expect(h.csr('mip')).toBe(BigInt(bit(INTERRUPT.SSI)));
  });
});

describe('wfi', () => {
  const source = 'start: wfi\n after: addi a0, a0, 1\n .balign 4\n m: j m';

  test('stops the run after itself until something enabled is pending', () => {
    const h = bareHart(source);
    h.setCsr('mie', bit(INTERRUPT.MTI));
    expect(h.run(10)).toBe('wfi');
    expect(h.hart.pc).toBe(BigInt(h.label('after')));
    expect([h.hart.retired, h.hart.wakePending()]).toEqual([1, false]);
    h.hart.setLine('MTIP', true);
    expect(h.hart.wakePending()).toBe(true);
  });

  test('does not stop while something enabled is pending, even with interrupts off', () => {
    const h = bareHart(source);
    h.setCsr('mie', bit(INTERRUPT.MTI));
    h.hart.setLine('MTIP', true);
    expect(h.run(2)).toBe('budget');
    expect(h.x('a0')).toBe(1n);
  });

  test.each([
    [0, 0, true],
    [1, 0, false],
    [1, MSTATUS.TW, true],
  ] as const)('at privilege %i with mstatus %i traps: %s', (privilege, mstatus, traps) => {
    const h = bareHart(source);
    h.setCsr('mtvec', h.label('m'));
    enter(h, privilege, 'start', mstatus);
    expect(h.run(3)).toBe(traps ? 'budget' : 'wfi');
    expect(h.csr('mcause')).toBe(traps ? 2n : 0n);
  });
});

describe('an attached M-mode program', () => {
  const ENTRY = RAM + 0x8000;

  test('is stopped for at reset', () => {
    const h = bareHart('nop', { machineModeEntries: [ENTRY] });
    h.hart.reset(ENTRY);
    expect(h.run(10)).toBe('machine-mode');
    expect(h.hart.retired).toBe(0);
  });

  test('is stopped for when a trap goes there, at the exact count, and mret goes on', () => {
    const h = bareHart('start: addi a0, a0, 1\n ecall\n addi a0, a0, 1\n end: j end', { machineModeEntries: [ENTRY] });
    h.setCsr('mtvec', ENTRY);
    enter(h, 1, 'start');
    expect(h.run(1000)).toBe('machine-mode');
    expect([h.hart.retired, h.hart.privilege, h.csr('mcause')]).toEqual([1, 3, 9n]);
    h.setCsr('mepc', h.csr('mepc') + 4n);
    h.hart.mret();
    expect(h.run(2)).toBe('budget');
    expect([h.x('a0'), h.hart.privilege]).toEqual([2n, 1]);
  });

  test('is not stopped for in S-mode', () => {
    const h = bareHart('start: j start', { machineModeEntries: [RAM] });
    enter(h, 1, 'start');
    expect(h.run(10)).toBe('budget');
  });
});

test('a timer that ran out during a slice is noticed by wfi, and taken when interrupts are enabled', () => {
  const h = bareHart('start: nop\n wfi\n csrsi sstatus, 2\n after: addi a0, a0, 1\n j after\n .balign 4\n s: j s');
  h.setCsr('mideleg', bit(INTERRUPT.STI));
  h.setCsr('mie', bit(INTERRUPT.STI));
  h.setCsr('menvcfg', 1n << 63n);
  h.setCsr('stimecmp', 100);
  h.setCsr('stvec', h.label('s'));
  enter(h, 1, 'start');
  h.clock.ticks = 50n;
  h.run(1);
  // Time moves on inside the next slice: by the time of wfi it has reached stimecmp.
  let reads = 0;
  Object.defineProperty(h.clock, 'ticks', { get: () => (reads++ === 0 ? 99n : 100n) });
  expect(h.run(50)).toBe('budget');
  expect([h.csr('scause'), h.x('a0')]).toEqual([INTERRUPT_BIT | BigInt(INTERRUPT.STI), 0n]);
});
