/** What one guest does is nobody's loss but its own: the other is served within its bound, and M-mode never throws. */
import { createHash } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { VIRTIO_MMIO } from '../../src/firmware/boot/virtio-mmio.ts';
import {
  ACLINT,
  M_MODE_IO,
  PARTITION_CONTROLLER,
  RAM_BASE,
  SIDE_IO_BASE,
  SIDE_IO_BYTES,
  slotBase,
} from '../../src/machine/index.ts';
import { RANDOM_DISK_BYTES, readRequest } from './block-request.ts';
import {
  deaf,
  doer,
  fainter,
  pesterer,
  rubbishCaller,
  type Sweep,
  sbiCall,
  shouter,
  sleeper,
  sweeper,
  wayward,
} from './hostile-guests.ts';
import { ticker } from './tiny-guests.ts';
import { allSlots, BOARD, resultsOf, TinyNode, type TinyNodeOptions } from './tiny-node.ts';

const PAGE = 4096;
/** The server ticks each 100 µs. */
const PERIOD_NS = 100_000;
/** A slice of the maintenance guest, and what M-mode may do around it. */
const LATE_NS_MAX = 200_000 + 50_000;
const WATCH_NS = 6_000_000;

const B_MEMORY = [BOARD.lowStub.B, BOARD.bank.B];

/** A serves, B is about to be booted beside it. */
function besideServer(hostile: string, more: Partial<TinyNodeOptions> = {}): TinyNode {
  const node = new TinyNode({ guests: { A: ticker('A', 'a', PERIOD_NS / 100), B: hostile }, ...more });
  node.ask({ op: 'virtualize' });
  node.ask({ op: 'createVm', side: 'B', memory: B_MEMORY, slots: allSlots('B') });
  return node;
}

const bootB = (node: TinyNode): void => {
  node.ask({ op: 'bootVm', side: 'B' });
};

/** Lets the node run and tells how late the server's latest tick was. */
function latestTickNs(node: TinyNode, ns = WATCH_NS): number {
  const times: number[] = [];
  const port = node.machine.uart('A');
  const { onOutput } = port;
  port.onOutput = (bytes) => {
    times.push(node.machine.now());
    onOutput(bytes);
  };
  const from = node.machine.now();
  node.runNs(ns);
  port.onOutput = onOutput;
  const all = [from, ...times, node.machine.now()];
  return Math.max(...all.slice(1).map((time, index) => time - (all[index] ?? 0) - PERIOD_NS));
}

/** The server serves, the monitor answers, and the guest can be ended and the Microvisor taken out. */
function expectUnharmed(node: TinyNode): void {
  expect(latestTickNs(node)).toBeLessThan(LATE_NS_MAX);
  node.ask({ op: 'destroyVm', side: 'B', force: true });
  expect(node.ask({ op: 'devirtualize' }).status).toMatchObject({ production: 'A', stateIdentical: true });
  expect(latestTickNs(node, 2_000_000)).toBeLessThan(10_000);
}

describe('a guest that goes through all of physical memory', () => {
  const RAM_END = RAM_BASE + BOARD.ramBytes;
  const OWN_PAGES = B_MEMORY.reduce((pages, { bytes }) => pages + bytes / PAGE, 0);
  const B_IO = { from: SIDE_IO_BASE.B, to: SIDE_IO_BASE.B + SIDE_IO_BYTES };
  const ram = (kind: Sweep['kind'], from: number, to: number): Sweep => ({ kind, from, to, step: PAGE });

  /** Raised and not raised, for each sweep. */
  function sweep(sweeps: readonly Sweep[], limitNs = 1_000_000_000): [node: TinyNode, counts: bigint[][]] {
    const node = besideServer(sweeper('B', resultsOf('B'), sweeps));
    node.ask({ op: 'setShare', maintenancePercent: 90, sliceUs: 200 });
    bootB(node);
    node.runUntilConsole('B', 'S', limitNs);
    return [node, sweeps.map((_, index) => node.dwords(resultsOf('B') + 16 * index, 2))];
  }

  it('reads its own pages and no other', () => {
    const [node, counts] = sweep([ram('load', RAM_BASE, RAM_END + 64 * PAGE)]);
    expect(counts).toEqual([[BigInt((RAM_END - RAM_BASE) / PAGE + 64 - OWN_PAGES), BigInt(OWN_PAGES)]]);
    expectUnharmed(node);
  });

  it('writes no page of another', () => {
    const foreign = [
      [RAM_BASE, BOARD.lowStub.B.base],
      [BOARD.lowStub.B.base + BOARD.lowStub.B.bytes, BOARD.bank.B.base],
      [BOARD.bank.B.base + BOARD.bank.B.bytes, RAM_END + 64 * PAGE],
    ] as const;
    const [node, counts] = sweep(foreign.map(([from, to]) => ram('store', from, to)));
    expect(counts).toEqual(foreign.map(([from, to]) => [BigInt((to - from) / PAGE), 0n]));
    expectUnharmed(node);
  });

  it('executes nothing of another', () => {
    const [node, counts] = sweep([{ kind: 'jump', from: RAM_BASE, to: BOARD.lowStub.B.base, step: PAGE }]);
    expect(counts).toEqual([[BigInt((BOARD.lowStub.B.base - RAM_BASE) / PAGE), 0n]]);
    expectUnharmed(node);
  });

  it('reaches the registers of its own side, finds foreign slots empty, and no other page of devices', () => {
    const slots = { from: slotBase('A', 0), to: slotBase('A', 7) + PAGE };
    const kinds = ['load', 'store'] as const;
    const regions = [
      [ACLINT.base, M_MODE_IO.base + M_MODE_IO.bytes],
      [PARTITION_CONTROLLER.base, PARTITION_CONTROLLER.base + PARTITION_CONTROLLER.bytes],
      [SIDE_IO_BASE.A, slots.from],
      [slots.from, slots.to],
      [slots.to, SIDE_IO_BASE.A + SIDE_IO_BYTES],
      [B_IO.to, B_IO.to + SIDE_IO_BYTES],
    ] as const;
    for (const kind of kinds) {
      const [node, counts] = sweep(regions.map(([from, to]) => ram(kind, from, to)));
      for (const [index, [from, to]] of regions.entries()) {
        const pages = BigInt((to - from) / PAGE);
        expect(counts[index]).toEqual(from === slots.from ? [0n, pages] : [pages, 0n]);
      }
      expectUnharmed(node);
    }
  });
});

describe('a guest that does not give the hart back', () => {
  it.each([
    ['loops with its interrupts off', deaf('B'), 'L'],
    ['traps in its trap handler for ever', fainter('B'), 'F'],
    ['waits for nothing', sleeper('B'), 'Z'],
    ['floods its UART', shouter('B'), '!'],
  ])('and %s keeps the server waiting for a slice at most', (_what, hostile, said) => {
    const node = besideServer(hostile);
    bootB(node);
    node.runUntilConsole('B', said);
    expectUnharmed(node);
  });

  it.each([
    ['of its own bank', BOARD.bank.B.base],
    ["of the other's bank", BOARD.bank.A.base],
    ['of the firmware', RAM_BASE],
    ['of devices', SIDE_IO_BASE.A],
    ['of nothing', 0x7fff_f000],
  ])('and turns on page tables %s keeps the server waiting for a slice at most', (_what, table) => {
    const node = besideServer(wayward('B', (8n << 60n) | (BigInt(table) >> 12n)));
    bootB(node);
    node.runUntilConsole('B', 'W');
    expectUnharmed(node);
  });
});

describe('a guest that makes every SBI call with rubbish', () => {
  const EXTENSIONS = { base: 0x10, time: 0x5449_4d45, ipi: 0x73_5049, rfence: 0x5246_4e43, hsm: 0x48_534d };
  const DBCN = 0x4442_434e;
  const SRST = 0x5352_5354;
  const SUSP = 0x5355_5350;
  const VALUES = [
    0n,
    1n,
    -1n,
    2n,
    64n,
    1n << 63n,
    0x7fff_ffffn,
    0x8000_0000n,
    BigInt(BOARD.bank.A.base),
    BigInt(BOARD.bank.B.base),
    BigInt(RAM_BASE),
    BigInt(PARTITION_CONTROLLER.base),
    0xffff_ffff_ffff_f001n,
  ];

  it.each([
    ['base, timer, IPI, remote fence', Object.values(EXTENSIONS).slice(0, 4), [0, 1, 2, 3, 4, 5, 6, 7, -1]],
    ['console', [DBCN], [0, 1, 2, 3, -1]],
    ['legacy and unknown', [0, 1, 2, 3, 4, 5, 6, 7, 8, -1, 0x0a00_0000, 0x7fff_ffff], [0, 1, -1]],
    // Starting, asking and unknown functions; stopping and suspending end what it does, and have tests of their own.
    ['hart state', [EXTENSIONS.hsm], [0, 2, 4, -1]],
    ['reset', [SRST], [1, 2, -1]],
    ['suspend', [SUSP], [0, 1, 2, -1]],
  ])('of %s gets errors, and the server is served', (_what, extensions, functions) => {
    const node = besideServer(rubbishCaller('B', extensions, functions, VALUES.slice(0, 9)));
    node.ask({ op: 'setShare', maintenancePercent: 50, sliceUs: 200 });
    bootB(node);
    node.runUntilConsole('B', 'R', 1_000_000_000);
    expect(node.status().guests.B?.exits['sbi']).toBeGreaterThanOrEqual(extensions.length * functions.length * 9 ** 3);
    expectUnharmed(node);
  });

  it('cannot have bytes of another moved through the console', () => {
    const node = besideServer(
      rubbishCaller('B', [DBCN], [0, 1], [16n, 1n << 20n, BigInt(BOARD.bank.A.base), BigInt(RAM_BASE), 0n]),
    );
    const before = node.dwords(BOARD.bank.A.base, 64);
    bootB(node);
    node.machine.uart('B').input(new Uint8Array(64).fill(0x5a));
    node.runUntilConsole('B', 'R', 1_000_000_000);
    expect(node.dwords(BOARD.bank.A.base, 64)).toEqual(before);
    expectUnharmed(node);
  });

  it('and asks for resets that there are not goes on', () => {
    const resets = [3n, 0x1_0000_0000n - 1n, 0xf000_0000n].map((type) => sbiCall(SRST, 0, [type, 0n])).join('\n');
    const node = besideServer(doer(10, `${resets}\n${deaf('B')}`));
    bootB(node);
    node.runUntilConsole('B', 'L');
    expect(node.status().guests.B).toMatchObject({ state: 'running', boots: 1 });
    expectUnharmed(node);
  });
});

describe('a guest that powers off, reboots, sleeps or stops its hart', () => {
  const SRST = 0x5352_5354;
  const HSM = 0x48_534d;
  const SUSP = 0x5355_5350;
  const ENTRY = `0x${BOARD.bank.B.base.toString(16)}`;
  const ENDS = {
    'powers off': sbiCall(SRST, 0, [0n, 0n]),
    reboots: sbiCall(SRST, 0, [1n, 0n]),
    'stops its only hart': sbiCall(HSM, 1, []),
    suspends: sbiCall(HSM, 3, [0n, 0n, 0n]),
    sleeps: sbiCall(SUSP, 0, [0n, BigInt(ENTRY), 0n]),
  };

  it.each(Object.entries(ENDS))('and %s at whatever instant leaves the server served', (_what, end) => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 400 }), fc.integer({ min: 0, max: 40_000 }), (ticks, lookAfterNs) => {
        const node = besideServer(doer(ticks, end));
        bootB(node);
        node.runUntil(() => (node.status().guests.B?.boots ?? 0) > 0, 'guest B to be loaded');
        node.runNs(lookAfterNs);
        // Whatever phase it is in: requests that concern it are served or refused.
        node.request({ op: 'moveSlot', slot: { side: 'B', index: 5 }, owner: null });
        node.request({ op: 'setMemory', region: { base: BOARD.bank.B.base + 0x400_0000, bytes: PAGE }, owner: null });
        node.request({ op: 'devirtualize' });
        node.request({ op: 'bootVm', side: 'B' });
        node.request({ op: 'wakeVm', side: 'B', resume: { hart: 0, address: ENTRY, opaque: '0x0' } });
        expectUnharmed(node);
      }),
      { numRuns: 4 },
    );
  });
});

describe('a guest that has its devices misbehave', () => {
  const WORK = BOARD.bank.B.base + 0x20_0000;
  const DISK = Uint8Array.from({ length: RANDOM_DISK_BYTES }, (_, index) => 1 + (index % 255));
  const NOTIFY = slotBase('B', 1) + VIRTIO_MMIO.queueNotify;

  /** What the guest must not change, in short. */
  const digest = (node: TinyNode): string => {
    const hash = createHash('sha256');
    const bank = { base: BOARD.bank.A.base + 0x20_0000, bytes: 0x10_0000 };
    for (const { base, bytes } of [BOARD.firmware, BOARD.lowStub.A, bank])
      hash.update(node.machine.memory.view(base, bytes));
    return hash.digest('hex');
  };

  it.each([
    ["the other's bank", BOARD.bank.A.base + 0x20_0000],
    ["the other's low memory", BOARD.lowStub.A.base],
    ['the firmware', RAM_BASE + PAGE],
    ['the Microvisor', RAM_BASE + 0x10_0000],
    ['memory that is nobody’s', BOARD.scratch.A.base],
    ['registers of M-mode', PARTITION_CONTROLLER.base],
    ['registers of devices', slotBase('A', 0)],
    ['where there is nothing', 0x7000_0000],
    ['beyond memory', RAM_BASE + BOARD.ramBytes - 256],
    ['across the end of its bank', BOARD.bank.B.base + BOARD.bank.B.bytes - 256],
    ['just before its bank', BOARD.bank.B.base - 256],
  ])('asks for DMA into %s, and no byte moves', (_what, target) => {
    const { pokes, memory } = readRequest('B', 1, WORK, target);
    const node = besideServer(pesterer('B', pokes, NOTIFY, 0), { disks: { B1: DISK } });
    for (const { address, bytes } of memory) node.machine.memory.write(address, bytes);
    const before = digest(node);
    bootB(node);
    node.runUntilConsole('B', 'K');
    node.runNs(2_000_000);
    expect(digest(node)).toBe(before);
    expectUnharmed(node);
  });

  it.each([
    ["the other's memory", BOARD.bank.A.base + 0x20_0000],
    ['the firmware', RAM_BASE],
    ['registers', slotBase('A', 0)],
    ['nothing', 0x7000_0000],
  ])('puts its rings into %s, and no byte moves', (_what, work) => {
    const { pokes } = readRequest('B', 1, work, BOARD.bank.B.base + 0x30_0000);
    const node = besideServer(pesterer('B', pokes, NOTIFY, 0), { disks: { B1: DISK } });
    const before = digest(node);
    bootB(node);
    node.runUntilConsole('B', 'K');
    node.runNs(2_000_000);
    expect(digest(node)).toBe(before);
    expectUnharmed(node);
  });

  it('fills its rings with loops, huge lengths, bad indices and bad flags, and the server is served', () => {
    const anyAddress = fc.oneof(
      fc.constantFrom(0, WORK, WORK + 0x3000, BOARD.bank.A.base + 0x20_0000, RAM_BASE, slotBase('A', 0), 2 ** 53),
      fc.nat(0x3fff).map((offset) => WORK + offset),
    );
    const anyDescriptor = fc.record({
      address: anyAddress,
      bytes: fc.constantFrom(0, 1, 16, 512, 0x10_0000, 0x7fff_ffff, 0xffff_ffff),
      flags: fc.constantFrom(0, 1, 2, 3, 4, 5, 7, 0xffff),
      next: fc.oneof(fc.nat(7), fc.constantFrom(8, 0x7fff, 0xffff)),
    });
    const anyRing = fc.record({
      descriptors: fc.array(anyDescriptor, { minLength: 8, maxLength: 8 }),
      heads: fc.array(fc.oneof(fc.nat(7), fc.constantFrom(8, 0xffff)), { minLength: 8, maxLength: 8 }),
      index: fc.constantFrom(1, 8, 9, 0x8000, 0xffff),
    });
    fc.assert(
      fc.property(anyRing, ({ descriptors, heads, index }) => {
        const { pokes, memory } = readRequest('B', 1, WORK, WORK + 0x3800);
        const table = new Uint8Array(8 * 16);
        const view = new DataView(table.buffer);
        for (const [at, { address, bytes, flags, next }] of descriptors.entries()) {
          view.setBigUint64(16 * at, BigInt(address), true);
          view.setUint32(16 * at + 8, bytes, true);
          view.setUint16(16 * at + 12, flags, true);
          view.setUint16(16 * at + 14, next, true);
        }
        const available = new Uint8Array(Uint16Array.of(0, index, ...heads).buffer);
        const node = besideServer(pesterer('B', pokes, NOTIFY, 0), { disks: { B1: DISK.slice() } });
        for (const { address, bytes } of memory) node.machine.memory.write(address, bytes);
        node.machine.memory.write(WORK, table);
        node.machine.memory.write(WORK + 0x1000, available);
        const before = digest(node);
        bootB(node);
        node.runUntilConsole('B', 'K');
        node.runNs(1_000_000);
        expect(digest(node)).toBe(before);
        expectUnharmed(node);
      }),
      { numRuns: 10 },
    );
  });

  it('floods the network, and the server is served', () => {
    const { pokes } = readRequest('B', 4, WORK, WORK + 0x3800);
    const node = besideServer(pesterer('B', pokes, slotBase('B', 4) + VIRTIO_MMIO.queueNotify, 0));
    const net = node.machine.slot('B', 4).plug({ kind: 'net', mac: '52:54:00:00:00:0b' });
    bootB(node);
    node.runUntilConsole('B', 'K');
    // And the network floods it.
    const frame = new Uint8Array(1514).fill(0xff);
    const flood = (): void => {
      net.ethernet?.receive(frame);
      node.machine.scheduler.at(node.machine.now() + 2000, flood);
    };
    flood();
    expect(latestTickNs(node)).toBeLessThan(LATE_NS_MAX);
  });
});
