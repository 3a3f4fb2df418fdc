import { describe, expect, it } from 'vitest';
import { RAM_BASE, TIMING } from '../../src/machine/board.ts';
import type {
  Machine,
  MachineModeEntry,
  MachineModeHart,
  MachineModeProgram,
  MachineModeReturn,
} from '../../src/machine/door.ts';
import { CSRS } from '../../src/machine/hart/csr-table.ts';
import { bytesOfProgram, CODE, CONTROLLER, createTestMachine, MTIMECMP, NS_PER_MS } from './machine-bench.ts';

const ENTRY = RAM_BASE;
const A0 = 10;
const CYCLES = 100;

const CSR = Object.fromEntries(CSRS.map((csr) => [csr.name, csr.address]));
const csr = (name: string): number => {
  const address = CSR[name];
  if (address === undefined) throw new Error(`no CSR ${name}`);
  return address;
};

/** M-mode software that starts S-mode at `CODE` and leaves the rest to a test. */
class Monitor implements MachineModeProgram {
  readonly entry = ENTRY;
  /** `why:cause:a0` of each entry but the first. */
  readonly calls: string[] = [];
  readonly #onTrap: (hart: MachineModeHart) => MachineModeReturn;
  readonly #onReset: (hart: MachineModeHart) => void;

  constructor(
    onTrap: (hart: MachineModeHart) => MachineModeReturn,
    onReset: (hart: MachineModeHart) => void = () => {},
  ) {
    this.#onTrap = onTrap;
    this.#onReset = onReset;
  }

  enter(hart: MachineModeHart, why: MachineModeEntry): MachineModeReturn {
    hart.charge(CYCLES);
    if (why !== 'reset') {
      this.calls.push(`${why}:${hart.csr(csr('mcause')) & 0xffn}:${hart.x(A0)}`);
      return this.#onTrap(hart);
    }
    const setUp: readonly (readonly [string, bigint])[] = [
      ['mtvec', BigInt(ENTRY)],
      ['pmpaddr0', (1n << 53n) - 1n],
      ['pmpcfg0', 0x1fn],
      ['medeleg', 0xb1ffn & ~(1n << 9n)],
      ['mideleg', 0x222n],
      ['mcounteren', 7n],
      ['menvcfg', 1n << 63n],
      ['mstatus', 1n << 11n],
      ['mepc', BigInt(CODE)],
    ];
    for (const [name, value] of setUp) hart.setCsr(csr(name), value);
    this.#onReset(hart);
    return 'mret';
  }
}

const nextInstruction = (hart: MachineModeHart): 'mret' => {
  hart.setCsr(csr('mepc'), hart.csr(csr('mepc')) + 4n);
  return 'mret';
};

function startUnder(monitor: Monitor, source: string, machine = createTestMachine()): Machine {
  machine.memory.write(CODE, bytesOfProgram(source));
  machine.attach(monitor);
  machine.reset(ENTRY);
  return machine;
}

describe('M-mode software in TypeScript', () => {
  it('starts S-mode, answers its calls, is charged, and switches off', () => {
    const monitor = new Monitor((hart) => (hart.x(A0) === 42n ? 'off' : nextInstruction(hart)));
    const machine = startUnder(monitor, 'li a0, 41; ecall; li a0, 42; ecall');
    expect(machine.run(NS_PER_MS)).toBe('off');
    expect(monitor.calls).toEqual(['trap:9:41', 'trap:9:42']);
    const { chargedCycles, retiredInstructions, machineModeEntries } = machine.counters;
    expect([chargedCycles, machineModeEntries]).toEqual([3 * CYCLES, { '0x9': 2 }]);
    expect(machine.now()).toBe(retiredInstructions * TIMING.nsPerInstruction + 3 * CYCLES);
  });

  it('is not entered by the timer of S-mode', () => {
    const monitor = new Monitor(() => 'off');
    const machine = startUnder(
      monitor,
      `
      la t0, handler
      csrw stvec, t0
      li t0, 300
      csrw stimecmp, t0
      li t0, 0x20
      csrw sie, t0
      csrsi sstatus, 2
      wait: wfi
      j wait
      handler: csrr a0, time
      ecall
      `,
    );
    expect(machine.run(NS_PER_MS)).toBe('off');
    expect(monitor.calls).toEqual(['trap:9:300']);
  });

  it('waits with wfi until an interrupt is pending and is then resumed', () => {
    const monitor = new Monitor(
      (hart) => (hart.time() < 500n ? 'wfi' : 'off'),
      (hart) => {
        hart.store(MTIMECMP(0), 8, 600n);
        hart.setCsr(csr('mie'), 0x80n);
      },
    );
    const machine = startUnder(monitor, 'ecall');
    expect(machine.run(NS_PER_MS)).toBe('off');
    expect(monitor.calls.map((call) => call.split(':')[0])).toEqual(['trap', 'resume']);
    expect(machine.now()).toBe(600 * TIMING.nsPerTick + CYCLES);
  });

  it('gets requests of the service processor through the mailbox, as an M-mode interrupt', () => {
    const monitor = new Monitor(
      (hart) => {
        const request = hart.load(CONTROLLER('mailboxData'), 4)!;
        hart.store(CONTROLLER('mailboxResponse'), 4, request + 1n);
        hart.store(CONTROLLER('mailboxDone'), 4, 4n);
        return 'mret';
      },
      (hart) => hart.setCsr(csr('mie'), 0x800n),
    );
    const machine = startUnder(monitor, 'loop: j loop');
    machine.run(5000);
    const responses: number[][] = [];
    machine.postMailbox(Uint8Array.of(1, 2, 3, 4), (response) => responses.push([...response, machine.now()]));
    machine.run(10_000);
    expect(responses).toEqual([[2, 2, 3, 4, 5000 + CYCLES]]);
    expect(machine.counters.machineModeEntries).toEqual({ '0x8000000b': 1 });
  });

  it('puts another program in its place by writing mtvec', () => {
    const second: MachineModeProgram = { entry: ENTRY + 0x1000, enter: () => 'off' };
    const machine = createTestMachine();
    machine.attach(second);
    const monitor = new Monitor((hart) => {
      hart.setCsr(csr('mtvec'), BigInt(second.entry));
      return nextInstruction(hart);
    });
    startUnder(monitor, 'ecall; ecall', machine);
    expect([machine.run(NS_PER_MS), monitor.calls.length]).toEqual(['off', 1]);
    expect(() => machine.attach(second)).toThrow('already');
  });

  it('loads and stores physical memory and devices, and nothing where nothing is', () => {
    const seen: unknown[] = [];
    const monitor = new Monitor((hart) => {
      hart.store(CODE + 0x100, 4, -2n);
      seen.push(hart.load(CODE + 0x100, 8), hart.load(CODE + 0x102, 2), hart.readMemory(CODE + 0x100, 5));
      seen.push(hart.load(0x4000_0000, 4), hart.store(0x4000_0000, 4, 0n), hart.readMemory(0, 1));
      seen.push(hart.writeMemory(CODE + 0x101, Uint8Array.of(1, 2)), hart.load(CODE + 0x100, 4));
      expect(() => hart.load(CODE + 1, 4)).toThrow('aligned to 4 bytes');
      return 'off';
    });
    startUnder(monitor, 'ecall').run(NS_PER_MS);
    expect(seen).toEqual([
      0xffff_fffen,
      0xffffn,
      Uint8Array.of(0xfe, 0xff, 0xff, 0xff, 0),
      undefined,
      false,
      undefined,
      true,
      0xff02_01fen,
    ]);
  });
});
