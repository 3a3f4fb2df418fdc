import { describe, expect, it } from 'vitest';
import {
  ACLINT,
  IRQ,
  MIB,
  PARTITION_CONTROLLER,
  RAM_BASE,
  SIDE_IO,
  SIDE_IO_BASE,
  slotBase,
  TIMING,
} from '../../src/machine/board.ts';
import {
  type BlockStore,
  type Machine,
  type MachineModeHart,
  type MachineModeProgram,
  type MachineModeReturn,
  type MachineOptions,
  PARTITION_REGISTERS,
} from '../../src/machine/door.ts';
import { createMachine } from '../../src/machine/machine.ts';
import { Program, X } from './program.ts';

const CODE = RAM_BASE + 4 * MIB;
const PROGRAM_ENTRY = RAM_BASE;
const UART = SIDE_IO_BASE.A + SIDE_IO.uart.offset;
const PLIC = SIDE_IO_BASE.A + SIDE_IO.plic.offset;
const MS = 1_000_000;

const CSR = {
  sstatus: 0x100,
  sie: 0x104,
  stvec: 0x105,
  scause: 0x142,
  sip: 0x144,
  stimecmp: 0x14d,
  mstatus: 0x300,
  medeleg: 0x302,
  mideleg: 0x303,
  mie: 0x304,
  mtvec: 0x305,
  mcounteren: 0x306,
  menvcfg: 0x30a,
  mepc: 0x341,
  mcause: 0x342,
  mip: 0x344,
  pmpcfg0: 0x3a0,
  pmpaddr0: 0x3b0,
  time: 0xc01,
} as const;

function create(overrides: Partial<MachineOptions> = {}): Machine {
  let seed = 1;
  const random = (bytes: number): Uint8Array => Uint8Array.from({ length: bytes }, () => (seed = (seed * 75) % 65_537));
  return createMachine({ harts: 1, bankBytes: 128 * MIB, clock: { kind: 'virtual' }, random, ...overrides });
}

/** A machine whose hart starts in M-mode in `program`. */
function startIn(program: Program, machine = create()): { machine: Machine; output: () => string } {
  let output = '';
  machine.uart('A').onOutput = (bytes) => {
    output += String.fromCharCode(...bytes);
  };
  machine.memory.write(program.base, program.bytes());
  machine.reset(program.base);
  return { machine, output: () => output };
}

const word = (machine: Machine, address: number): number => {
  const bytes = machine.memory.view(address, 8);
  return Number(new DataView(bytes.buffer, bytes.byteOffset).getBigUint64(0, true));
};

/** Power off through the partition controller. */
const powerOff = (program: Program): Program =>
  program
    .store(PARTITION_CONTROLLER.base + PARTITION_REGISTERS.power, 2)
    .label('end')
    .to('jal', 'end');

const say = (program: Program, text: string): Program => {
  program.li(X.s0, UART);
  for (const letter of text) program.li(X.t1, letter.charCodeAt(0)).op('sb', { rs1: X.s0, rs2: X.t1 });
  return program;
};

describe('a machine', () => {
  it('is off until it is reset', () => {
    expect(create().run(MS)).toBe('off');
  });

  it('says hello through its UART and powers off', () => {
    const { machine, output } = startIn(powerOff(say(new Program(CODE), 'hello\n')));
    expect([machine.run(MS), output()]).toEqual(['off', 'hello\n']);
    expect(machine.now()).toBe(machine.counters.retiredInstructions);
    expect(machine.run(2 * MS)).toBe('off');
  });

  it('resets when its power register says so, with RAM as it was', () => {
    const counter = RAM_BASE + 6 * MIB;
    const program = new Program(CODE).load(X.s1, counter, 8).op('addi', { rd: X.s1, rs1: X.s1, imm: 1 });
    program.li(X.t0, counter).op('sd', { rs1: X.t0, rs2: X.s1 }).li(X.t1, 3).to('beq', 'off', { rs1: X.s1, rs2: X.t1 });
    program
      .store(PARTITION_CONTROLLER.base + PARTITION_REGISTERS.power, 1)
      .label('wait')
      .to('jal', 'wait');
    const { machine } = startIn(powerOff(program.label('off')));
    expect([machine.run(MS), word(machine, counter)]).toEqual(['off', 3]);
  });

  it('takes the M timer interrupt of the ACLINT when mtime has reached mtimecmp, skipping the time it waits', () => {
    const program = new Program(CODE).li(X.t0, CODE + 0x400).csrw(CSR.mtvec, X.t0);
    program
      .store(ACLINT.base + 0x4000, 5000, 8)
      .li(X.t0, 0x80)
      .csrw(CSR.mie, X.t0);
    program.op('csrrsi', { rd: 0, rs1: 8, imm: CSR.mstatus }).label('wait').op('wfi').to('jal', 'wait');
    const handler = new Program(CODE + 0x400).csrr(X.s1, CSR.mcause).csrr(X.s2, CSR.time);
    handler.li(X.t0, RAM_BASE + 6 * MIB).op('sd', { rs1: X.t0, rs2: X.s2 });
    handler.op('slli', { rd: X.s1, rs1: X.s1, imm: 1 }).op('sd', { rs1: X.t0, rs2: X.s1, imm: 8 });
    const machine = create();
    machine.memory.write(handler.base, powerOff(handler).bytes());
    startIn(program, machine);
    expect(machine.run(10 * MS)).toBe('off');
    expect([word(machine, RAM_BASE + 6 * MIB), word(machine, RAM_BASE + 6 * MIB + 8)]).toEqual([5000, 14]);
    expect(machine.counters.machineModeEntries).toEqual({ '0x80000007': 1 });
    expect(machine.counters.retiredInstructions).toBeLessThan(200);
    expect(machine.counters.idleNs).toBeGreaterThan(499_000);
  });

  it('delivers a PLIC interrupt of the UART where the partition controller steers it, and takes the claim', () => {
    const program = new Program(CODE).store(PLIC + 4 * IRQ.uart, 1).store(PLIC + 0x2080, 2 ** IRQ.uart);
    program.store(PARTITION_CONTROLLER.base + PARTITION_REGISTERS.steer, 2).store(UART + 1, 1, 1);
    program.li(X.t0, 0x800).csrw(CSR.mie, X.t0).op('wfi').csrr(X.s1, CSR.mip);
    program
      .load(X.s2, PLIC + 0x20_1004)
      .load(X.a0, UART, 1)
      .li(X.t0, RAM_BASE + 6 * MIB);
    program.op('sd', { rs1: X.t0, rs2: X.s1 }).op('sd', { rs1: X.t0, rs2: X.s2, imm: 8 });
    program.op('sd', { rs1: X.t0, rs2: X.a0, imm: 16 });
    const { machine } = startIn(powerOff(program));
    expect(machine.run(MS)).toBe('time');
    machine.uart('A').input(Uint8Array.of(0x21));
    expect(machine.run(2 * MS)).toBe('off');
    expect([0, 8, 16].map((at) => word(machine, RAM_BASE + 6 * MIB + at))).toEqual([0x800, IRQ.uart, 0x21]);
  });

  it('answers accesses where nothing is with a fault', () => {
    const program = new Program(CODE)
      .li(X.t0, CODE + 0x400)
      .csrw(CSR.mtvec, X.t0)
      .load(X.s1, 0x4000_0000);
    const handler = new Program(CODE + 0x400).csrr(X.s1, CSR.mcause).li(X.t0, RAM_BASE + 6 * MIB);
    handler.op('sd', { rs1: X.t0, rs2: X.s1 });
    const machine = create();
    machine.memory.write(handler.base, powerOff(handler).bytes());
    startIn(program, machine);
    expect([machine.run(MS), word(machine, RAM_BASE + 6 * MIB)]).toEqual(['off', 5]);
  });

  it('pauses at an instruction boundary when an event asks for it', () => {
    const { machine } = startIn(new Program(CODE).label('loop').to('jal', 'loop'));
    machine.scheduler.at(777, () => machine.pause());
    expect([machine.run(MS), machine.now()]).toEqual(['paused', 777]);
    expect([machine.run(1000), machine.now()]).toEqual(['time', 1000]);
  });

  it('follows a realtime clock and is idle while its hart waits', () => {
    let nowNs = 0;
    const { machine } = startIn(
      new Program(CODE)
        .store(ACLINT.base + 0x4000, 5000, 8)
        .li(X.t0, 0x80)
        .csrw(CSR.mie, X.t0)
        .op('wfi')
        .label('x')
        .to('jal', 'x'),
      create({ clock: { kind: 'realtime', nowNs: () => (nowNs += 20_000) } }),
    );
    expect(machine.run(MS)).toBe('idle');
    expect(machine.nextEventNs()).toBe(500_000);
    nowNs = 500_000;
    expect(machine.run(MS)).toBe('time');
  });
});

/** M-mode software that lets S-mode code run and answers its calls. */
class Monitor implements MachineModeProgram {
  readonly entry = PROGRAM_ENTRY;
  readonly calls: string[] = [];
  readonly onTrap: (hart: MachineModeHart, cause: bigint) => MachineModeReturn;

  constructor(onTrap: Monitor['onTrap']) {
    this.onTrap = onTrap;
  }

  enter(hart: MachineModeHart, why: string): MachineModeReturn {
    hart.charge(100);
    if (why !== 'reset') {
      const cause = hart.csr(CSR.mcause);
      this.calls.push(`${why}:${cause & 0xffn}:${hart.x(X.a0)}`);
      return this.onTrap(hart, cause);
    }
    hart.setCsr(CSR.mtvec, BigInt(PROGRAM_ENTRY));
    hart.setCsr(CSR.pmpaddr0, (1n << 53n) - 1n);
    hart.setCsr(CSR.pmpcfg0, 0x1fn);
    hart.setCsr(CSR.medeleg, 0xb1ffn & ~(1n << 9n));
    hart.setCsr(CSR.mideleg, 0x222n);
    hart.setCsr(CSR.mcounteren, 7n);
    hart.setCsr(CSR.menvcfg, 1n << 63n);
    hart.setCsr(CSR.mstatus, 1n << 11n);
    hart.setCsr(CSR.mepc, BigInt(CODE));
    return 'mret';
  }
}

const nextInstruction = (hart: MachineModeHart): 'mret' => {
  hart.setCsr(CSR.mepc, hart.csr(CSR.mepc) + 4n);
  return 'mret';
};

function startUnder(monitor: Monitor, program: Program, machine = create()): Machine {
  machine.memory.write(program.base, program.bytes());
  machine.attach(monitor);
  machine.reset(PROGRAM_ENTRY);
  return machine;
}

describe('M-mode software in TypeScript', () => {
  it('starts S-mode, answers its calls, is charged, and switches off', () => {
    const program = new Program(CODE).li(X.a0, 41).op('ecall').li(X.a0, 42).op('ecall');
    const monitor = new Monitor((hart) => (hart.x(X.a0) === 42n ? 'off' : nextInstruction(hart)));
    const machine = startUnder(monitor, program);
    expect(machine.run(MS)).toBe('off');
    expect(monitor.calls).toEqual(['trap:9:41', 'trap:9:42']);
    const { chargedCycles, retiredInstructions, machineModeEntries } = machine.counters;
    expect([chargedCycles, machineModeEntries]).toEqual([300, { '0x9': 2 }]);
    expect(machine.now()).toBe(retiredInstructions * TIMING.nsPerInstruction + 300);
  });

  it('is not entered by an S-mode timer through Sstc', () => {
    const program = new Program(CODE)
      .li(X.t0, CODE + 0x400)
      .csrw(CSR.stvec, X.t0)
      .li(X.t0, 300)
      .csrw(CSR.stimecmp, X.t0);
    program.li(X.t0, 0x20).csrw(CSR.sie, X.t0).op('csrrsi', { rd: 0, rs1: 2, imm: CSR.sstatus });
    program.label('wait').op('wfi').to('jal', 'wait');
    const handler = new Program(CODE + 0x400).csrr(X.a0, CSR.time).op('ecall');
    const machine = create();
    machine.memory.write(handler.base, handler.bytes());
    const monitor = new Monitor(() => 'off');
    startUnder(monitor, program, machine);
    expect(machine.run(MS)).toBe('off');
    expect(monitor.calls).toEqual(['trap:9:300']);
  });

  it('waits with wfi until an interrupt is pending and is then resumed', () => {
    const monitor = new Monitor((hart) => {
      if (hart.time() < 500n) return 'wfi';
      return 'off';
    });
    const program = new Program(CODE).op('ecall');
    const machine = create();
    machine.attach(monitor);
    machine.memory.write(program.base, program.bytes());
    machine.reset(PROGRAM_ENTRY);
    const setUp = monitor.enter.bind(monitor);
    monitor.enter = (hart, why) => {
      if (why === 'reset') {
        hart.store(ACLINT.base + 0x4000, 8, 600n);
        hart.setCsr(CSR.mie, 0x80n);
      }
      return setUp(hart, why);
    };
    expect(machine.run(MS)).toBe('off');
    expect(monitor.calls.map((call) => call.split(':')[0])).toEqual(['trap', 'resume']);
    expect(machine.now()).toBe(60_000 + 100);
  });

  it('gets requests of the service processor through the mailbox, as an M-mode interrupt', () => {
    const MAILBOX = PARTITION_CONTROLLER.base;
    const monitor = new Monitor((hart) => {
      const request = hart.load(MAILBOX + PARTITION_REGISTERS.mailboxData, 4)!;
      hart.store(MAILBOX + PARTITION_REGISTERS.mailboxResponse, 4, request + 1n);
      hart.store(MAILBOX + PARTITION_REGISTERS.mailboxDone, 4, 4n);
      return 'mret';
    });
    const setUp = monitor.enter.bind(monitor);
    monitor.enter = (hart, why) => {
      if (why === 'reset') hart.setCsr(CSR.mie, 0x800n);
      return setUp(hart, why);
    };
    const machine = startUnder(monitor, new Program(CODE).label('loop').to('jal', 'loop'));
    machine.run(5000);
    const responses: number[][] = [];
    machine.postMailbox(Uint8Array.of(1, 2, 3, 4), (response) => responses.push([...response, machine.now()]));
    machine.run(10_000);
    expect(responses).toEqual([[2, 2, 3, 4, 5100]]);
    expect(machine.counters.machineModeEntries).toEqual({ '0x8000000b': 1 });
  });

  it('may put another program in its place by writing mtvec', () => {
    const second: MachineModeProgram = { entry: PROGRAM_ENTRY + 0x1000, enter: () => 'off' };
    const machine = create();
    machine.attach(second);
    const monitor = new Monitor((hart) => {
      hart.setCsr(CSR.mtvec, BigInt(second.entry));
      return nextInstruction(hart);
    });
    startUnder(monitor, new Program(CODE).op('ecall').op('ecall'), machine);
    expect([machine.run(MS), monitor.calls.length]).toEqual(['off', 1]);
    expect(() => machine.attach(second)).toThrow('already');
  });
});

class MemoryDisk implements BlockStore {
  readonly bytes = 0x1_0000;
  readonly readOnly = false;
  readonly data = new Uint8Array(0x1_0000).fill(0xa5, 512, 1024);
  read(offset: number, into: Uint8Array): void {
    into.set(this.data.subarray(offset, offset + into.length));
  }
  write(offset: number, from: Uint8Array): void {
    this.data.set(from, offset);
  }
  flush(): void {}
}

/** Guest code that brings up the block device in slot A0 by hand and reads sector 1 to `DATA`. */
const RING = RAM_BASE + 5 * MIB;
const DATA = RAM_BASE + 6 * MIB;
function readSectorProgram(): Program {
  const slot = slotBase('A', 0);
  const program = new Program(CODE);
  for (const [offset, value] of [
    [0x70, 0],
    [0x70, 3],
    [0x24, 1],
    [0x20, 1],
    [0x70, 0xb],
    [0x38, 8],
    [0x80, RING],
    [0x90, RING + 0x100],
    [0xa0, RING + 0x200],
    [0x44, 1],
    [0x70, 0xf],
  ] as const) {
    program.store(slot + offset, value);
  }
  const descriptor = (index: number, address: number, bytes: number, flags: number, next: number): void => {
    program.store(RING + 16 * index, address, 8).store(RING + 16 * index + 8, bytes);
    program.store(RING + 16 * index + 12, flags + 0x1_0000 * next);
  };
  descriptor(0, RING + 0x300, 16, 1, 1);
  descriptor(1, DATA, 512, 3, 2);
  descriptor(2, RING + 0x310, 1, 2, 0);
  program.store(RING + 0x308, 1, 8).store(RING + 0x100, 0x1_0000);
  program.store(PLIC + 4 * IRQ.slot('A', 0), 1).store(PLIC + 0x2080, 2 ** IRQ.slot('A', 0));
  program
    .store(PARTITION_CONTROLLER.base + PARTITION_REGISTERS.steer, 2)
    .li(X.t0, 0x800)
    .csrw(CSR.mie, X.t0);
  return program
    .store(slot + 0x50, 0)
    .op('wfi')
    .load(X.s2, PLIC + 0x20_1004);
}

describe('a virtio block device of a machine', () => {
  const start = (): Machine => {
    const machine = create();
    machine.slot('A', 0).plug({ kind: 'block', store: new MemoryDisk(), serial: 'one' });
    startIn(powerOff(readSectorProgram()), machine);
    return machine;
  };
  const isRead = (machine: Machine): boolean => machine.memory.view(DATA, 512).every((byte) => byte === 0xa5);

  it('reads a sector through a ring made by hand and wakes the hart', () => {
    const machine = start();
    expect([machine.run(MS), isRead(machine)]).toEqual(['off', true]);
    const latencyNs = TIMING.blockRequestNs + Math.ceil((512 * TIMING.blockNsPerKib) / 1024);
    // It begins before the store that notifies retires; then the WFI does.
    expect(machine.counters.idleNs).toBe(latencyNs - 2);
  });

  it('reads nothing into memory that the IOPMP does not give to its slot', () => {
    const machine = start();
    const program = new Program(CODE + 0x2000);
    program.store(PARTITION_CONTROLLER.base + PARTITION_REGISTERS.iopmp, RING, 8);
    program
      .store(PARTITION_CONTROLLER.base + PARTITION_REGISTERS.iopmp + 8, MIB, 8)
      .li(X.t0, CODE)
      .op('jalr', { rs1: X.t0 });
    machine.memory.write(program.base, program.bytes());
    machine.reset(program.base);
    expect(machine.run(MS)).toBe('off');
    expect(machine.memory.view(DATA, 512).every((byte) => byte === 0)).toBe(true);
    expect(machine.memory.view(RING + 0x310, 1)[0]).toBe(1);
  });

  it('is not there before it is plugged in and after it is pulled out', () => {
    const machine = create();
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

describe('a snapshot', () => {
  const startDisk = (): Machine => {
    const machine = create();
    machine.slot('A', 0).plug({ kind: 'block', store: new MemoryDisk(), serial: 'one' });
    startIn(powerOff(readSectorProgram()), machine);
    return machine;
  };

  it.each([0, 50, 150, 350, 10_000])('taken at %i ns gives a machine that goes on as the original does', (atNs) => {
    const original = startDisk();
    original.run(atNs);
    const saved = original.save();
    const copy = create();
    copy.slot('A', 0).plug({ kind: 'block', store: new MemoryDisk(), serial: 'one' });
    copy.restore(saved);
    expect(copy.save()).toEqual(saved);
    expect([original.run(MS), copy.run(MS)]).toEqual(['off', 'off']);
    expect([copy.now(), copy.counters]).toEqual([original.now(), original.counters]);
    expect(copy.save()).toEqual(original.save());
  });

  it('leaves out memory that is zero', () => {
    const machine = create();
    machine.memory.write(DATA, new Uint8Array(5000).fill(1));
    const memory = (machine.save() as { memory: { runs: { offset: number; bytes: Uint8Array }[] } }).memory;
    expect(memory.runs.map((run) => [run.offset, run.bytes.length])).toEqual([[6 * MIB, 8192]]);
  });

  it('of a machine with other memory or devices is refused', () => {
    const saved = startDisk().save();
    expect(() => create({ bankBytes: 256 * MIB }).restore(saved)).toThrow('memory.bytes');
    expect(() => create().restore(saved)).toThrow('slotA0.deviceType');
    expect(() => create().restore({ version: 99 })).toThrow('machine: expected version 1, found 99');
  });
});
