import { describe, expect, it } from 'vitest';
import { IRQ, MIB, RAM_BASE, TIMING } from '../../src/machine/board.ts';
import {
  bytesOfProgram,
  CODE,
  CONTROLLER,
  createTestMachine,
  keep,
  MSIP,
  MTIMECMP,
  NS_PER_MS,
  PLIC,
  PLIC_S,
  POWER_OFF,
  RESULT,
  RING,
  result,
  SECTOR,
  SECTOR_STATUS,
  start,
  startReadingSector,
  store,
  UART,
} from './machine-bench.ts';

describe('a machine', () => {
  it('is off until it is reset', () => {
    expect(createTestMachine().run(NS_PER_MS)).toBe('off');
  });

  it('says hello through its UART and powers off', () => {
    const letters = [...'hello'].map((letter) => store(UART, letter.charCodeAt(0), 'sb'));
    const machine = start([...letters, POWER_OFF].join('\n'));
    let output = '';
    machine.uart('A').onOutput = (bytes) => {
      output += String.fromCharCode(...bytes);
    };
    expect([machine.run(NS_PER_MS), output]).toEqual(['off', 'hello']);
    expect(machine.now()).toBe(machine.counters.retiredInstructions * TIMING.nsPerInstruction);
    expect(machine.run(2 * NS_PER_MS)).toBe('off');
  });

  it('resets when its power register says so, with RAM as it was', () => {
    const machine = start(`
      li t0, ${RESULT}
      ld s1, 0(t0)
      addi s1, s1, 1
      sd s1, 0(t0)
      li t1, 3
      beq s1, t1, done
      ${store(CONTROLLER('power'), 1)}
      wait: j wait
      done: ${POWER_OFF}
    `);
    expect([machine.run(NS_PER_MS), result(machine)]).toEqual(['off', 3]);
  });

  it('takes the M timer interrupt when mtime has reached mtimecmp, and skips the time it waits', () => {
    const machine = start(`
      la t0, handler
      csrw mtvec, t0
      ${store(MTIMECMP(0), 5000, 'sd')}
      li t0, 0x80
      csrw mie, t0
      csrsi mstatus, 8
      wait: wfi
      j wait
      handler: csrr s1, mcause
      csrr s2, time
      slli s1, s1, 1
      ${keep('s1', 0)}
      ${keep('s2', 1)}
      ${POWER_OFF}
    `);
    expect(machine.run(10 * NS_PER_MS)).toBe('off');
    expect([result(machine, 0), result(machine, 1)]).toEqual([2 * 7, 5000]);
    expect(machine.counters.machineModeEntries).toEqual({ '0x80000007': 1 });
    expect(machine.counters.retiredInstructions).toBeLessThan(100);
    expect(machine.counters.idleNs).toBeGreaterThan(499_000);
  });

  it('delivers an interrupt of the UART where the partition controller steers it, and takes the claim', () => {
    const machine = start(`
      ${store(PLIC + 4 * IRQ.uart, 1)}
      ${store(PLIC_S.enable, 2 ** IRQ.uart)}
      ${store(CONTROLLER('steer'), 2)}
      ${store(UART + 1, 1, 'sb')}
      li t0, 0x800
      csrw mie, t0
      wfi
      csrr s1, mip
      li t0, ${PLIC_S.claim}
      lwu s2, 0(t0)
      li t0, ${UART}
      lbu a0, 0(t0)
      ${keep('s1', 0)}
      ${keep('s2', 1)}
      ${keep('a0', 2)}
      ${POWER_OFF}
    `);
    expect(machine.run(NS_PER_MS)).toBe('time');
    machine.uart('A').input(Uint8Array.of(0x21));
    expect(machine.run(2 * NS_PER_MS)).toBe('off');
    expect([0, 1, 2].map((index) => result(machine, index))).toEqual([0x800, IRQ.uart, 0x21]);
  });

  it('answers accesses where nothing is with a fault', () => {
    const machine = start(`
      la t0, handler
      csrw mtvec, t0
      li t0, 0x40000000
      ld s1, 0(t0)
      handler: csrr s1, mcause
      ${keep('s1')}
      ${POWER_OFF}
    `);
    expect([machine.run(NS_PER_MS), result(machine)]).toEqual(['off', 5]);
  });

  it('comes back in time from software that traps for ever', () => {
    const machine = createTestMachine();
    machine.reset(CODE);
    expect([machine.run(1000), machine.now()]).toEqual(['time', 1000]);
  });

  it('pauses at an instruction boundary when an event asks for it', () => {
    const machine = start('loop: j loop');
    machine.scheduler.at(777, () => machine.pause());
    expect([machine.run(NS_PER_MS), machine.now()]).toEqual(['paused', 777]);
    expect([machine.run(1000), machine.now()]).toEqual(['time', 1000]);
  });

  it('follows a realtime clock and is idle while its hart waits', () => {
    let nowNs = 0;
    const nowSteps = (): number => {
      nowNs += 20_000;
      return nowNs;
    };
    const machine = start(
      `
      ${store(MTIMECMP(0), 5000, 'sd')}
      li t0, 0x80
      csrw mie, t0
      wfi
      loop: j loop
      `,
      createTestMachine({ clock: { kind: 'realtime', nowNs: nowSteps } }),
    );
    expect(machine.run(NS_PER_MS)).toBe('idle');
    expect(machine.nextEventNs()).toBe(500_000);
    nowNs = 500_000;
    expect(machine.run(NS_PER_MS)).toBe('time');
  });

  it('gives each hart its own software interrupt', () => {
    const machine = start(
      `
      li t0, 8
      csrw mie, t0
      csrr s1, mhartid
      bnez s1, second
      ${store(MSIP(1), 1)}
      wfi
      ${POWER_OFF}
      second: wfi
      csrr s2, mip
      ${keep('s2')}
      ${store(MSIP(0), 1)}
      sleep: wfi
      j sleep
      `,
      createTestMachine({ harts: 2 }),
    );
    expect([machine.run(NS_PER_MS), result(machine)]).toEqual(['off', 8]);
  });
});

describe('a virtio block device of a machine', () => {
  const isRead = (machine: ReturnType<typeof createTestMachine>): boolean =>
    machine.memory.view(SECTOR, 512).every((byte) => byte === 0xa5);

  it('reads a sector through a ring made by hand and wakes the hart', () => {
    const machine = startReadingSector();
    expect([machine.run(NS_PER_MS), isRead(machine)]).toEqual(['off', true]);
    const latencyNs = TIMING.blockRequestNs + Math.ceil((512 * TIMING.blockNsPerKib) / 1024);
    // It begins before the store that notifies retires; then the WFI does.
    expect(machine.counters.idleNs).toBe(latencyNs - 2);
  });

  it('reads nothing into memory that the IOPMP does not give to its slot', () => {
    const machine = startReadingSector();
    const restrict = RAM_BASE + 8 * MIB;
    machine.memory.write(
      restrict,
      bytesOfProgram(
        `
        ${store(CONTROLLER('iopmp'), RING, 'sd')}
        ${store(CONTROLLER('iopmp') + 8, 0x1000, 'sd')}
        li t0, ${CODE}
        jr t0
        `,
        restrict,
      ),
    );
    machine.reset(restrict);
    expect(machine.run(NS_PER_MS)).toBe('off');
    expect(machine.memory.view(SECTOR, 512).every((byte) => byte === 0)).toBe(true);
    expect(machine.memory.view(SECTOR_STATUS, 1)[0]).toBe(1);
  });

  it('is not there before it is plugged in and after it is pulled out', () => {
    const machine = createTestMachine();
    const slot = machine.slot('B', 7);
    expect(slot.device).toBeUndefined();
    slot.plug({ kind: 'rng' });
    expect([slot.device?.kind, slot.side, slot.index]).toEqual(['rng', 'B', 7]);
    slot.unplug();
    expect(slot.device).toBeUndefined();
    slot.plug({ kind: 'rng' });
    expect(() => machine.slot('A', 8)).toThrow('slots 0 to 7');
  });
});
