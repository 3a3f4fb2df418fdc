import { describe, expect, it } from 'vitest';
import { VIRTIO_MMIO } from '../../src/firmware/boot/virtio-mmio.ts';
import { type Side, slotBase } from '../../src/machine/index.ts';
import type { ControlRequest, RefusalCode } from '../../src/microvisor/index.ts';
import { readRequest } from './block-request.ts';
import { caller, ipi, poker, spinner, ticker } from './tiny-guests.ts';
import { allSlots, BOARD, resultsOf, TinyNode } from './tiny-node.ts';

const SRST = 0x5352_5354;
const BASE = 0x10;
const HSM = 0x48_534d;
const HART_GET_STATUS = 2;
const STARTED = 0n;
const SHUTDOWN = 0;
const COLD_REBOOT = 1;

const reset = (side: Side, type: number): string =>
  caller(side, resultsOf(side), { extension: SRST, function: 0, args: [type, 0] });

function virtualized(guests: Readonly<Partial<Record<Side, string>>>): TinyNode {
  const node = new TinyNode({ guests });
  node.ask({ op: 'virtualize' });
  return node;
}

const stateOf = (node: TinyNode, side: Side): string | undefined => node.status().guests[side]?.state;

describe('a guest', () => {
  it('that powers off leaves the other running', () => {
    const node = virtualized({ A: ticker('A', 'a', 1000), B: reset('B', SHUTDOWN) });
    node.ask({ op: 'createVm', side: 'B', memory: [BOARD.lowStub.B, BOARD.bank.B], slots: allSlots('B') });
    node.ask({ op: 'bootVm', side: 'B' });
    node.runUntil(() => stateOf(node, 'B') === 'off', 'guest B to be off');
    const printed = node.console.A.length;
    node.runNs(1_000_000);
    expect(node.console.A.length).toBeGreaterThan(printed + 8);
    node.ask({ op: 'destroyVm', side: 'B', force: false });
    expect(node.ask({ op: 'devirtualize' }).status.stateIdentical).toBe(true);
  });

  it('that reboots is loaded from its disk again, while the other runs', () => {
    const node = virtualized({ A: ticker('A', 'a', 1000), B: reset('B', COLD_REBOOT) });
    node.ask({ op: 'createVm', side: 'B', memory: [BOARD.lowStub.B, BOARD.bank.B], slots: allSlots('B') });
    node.ask({ op: 'bootVm', side: 'B' });
    const printed = node.console.A.length;
    node.runUntil(() => (node.status().guests.B?.boots ?? 0) >= 5, 'guest B to boot five times', 100_000_000);
    expect(node.console.A.length).toBeGreaterThan(printed + 5);
  });

  it('that reboots in production is loaded from its disk, while the other runs', () => {
    const node = virtualized({ A: `${delay(30_000)}${reset('A', COLD_REBOOT)}`, B: ticker('B', 'b', 1000) });
    node.bootVm('B');
    node.runUntil(() => node.status().guests.A?.boots === 2, 'guest A to boot again');
    expect(node.console.A).toContain('firmware: side A boots l0');
    const printed = node.console.B.length;
    node.runNs(20_000_000);
    expect(node.console.B.length).toBeGreaterThan(printed + 5);
  });

  it('loses its power and keeps what it has: it is booted again', () => {
    const node = virtualized({ A: ticker('A', 'a', 1000), B: ticker('B', 'b', 1000) });
    node.bootVm('B');
    node.ask({ op: 'stopVm', side: 'A' });
    expect(stateOf(node, 'A')).toBe('off');
    const printed = { A: node.console.A.length, B: node.console.B.length };
    node.runNs(1_000_000);
    expect(node.console.A.length).toBe(printed.A);
    expect(node.console.B.length).toBeGreaterThan(printed.B + 8);
    node.ask({ op: 'stopVm', side: 'A' });
    node.ask({ op: 'bootVm', side: 'A' });
    node.runUntil(() => stateOf(node, 'A') === 'running', 'guest A to run again');
  });

  it('loses its power and is booted again though it is the only one', () => {
    const node = virtualized({ A: ticker('A', 'a', 1000) });
    node.ask({ op: 'stopVm', side: 'A' });
    expect(stateOf(node, 'A')).toBe('off');
    node.ask({ op: 'bootVm', side: 'A' });
    node.runUntil(() => stateOf(node, 'A') === 'running', 'guest A to run again');
    expect(node.ask({ op: 'devirtualize' }).status.stateIdentical).toBe(true);
  });

  it('that is the last one to power off takes the node with it', () => {
    const node = virtualized({ A: `${delay(1000)}${reset('A', SHUTDOWN)}` });
    expect(node.machine.run(node.machine.now() + 10_000_000)).toBe('off');
  });

  it('that powers off in production leaves the maintenance guest running', () => {
    const node = virtualized({ A: `${delay(30_000)}${reset('A', SHUTDOWN)}`, B: ticker('B', 'b', 1000) });
    node.bootVm('B');
    node.runUntil(() => stateOf(node, 'A') === 'off', 'guest A to be off');
    const printed = node.console.B.length;
    node.runNs(1_000_000);
    expect(node.console.B.length).toBeGreaterThan(printed + 8);
    node.ask({ op: 'destroyVm', side: 'A', force: false });
    expect(node.ask({ op: 'devirtualize' }).status).toMatchObject({ production: 'B', stateIdentical: true });
  });

  it('is answered by SBI of its own', () => {
    const node = virtualized({
      A: spinner(resultsOf('A')),
      B: caller('B', resultsOf('B'), { extension: BASE, function: 3, args: [SRST] }),
    });
    node.bootVm('B');
    node.runUntilConsole('B', 'C');
    expect(node.dwords(resultsOf('B'), 2)).toEqual([0n, 1n]);
    expect(node.status().guests.B?.exits).toMatchObject({ sbi: 1 });
  });

  it('that was created has its hart started, so that it can interrupt itself', () => {
    const node = virtualized({
      A: spinner(resultsOf('A')),
      B: caller('B', resultsOf('B'), { extension: HSM, function: HART_GET_STATUS, args: [0] }),
    });
    node.bootVm('B');
    node.runUntilConsole('B', 'C');
    expect(node.dwords(resultsOf('B'), 2)).toEqual([0n, STARTED]);
  });

  it.each(['A', 'B'] as const)('on side %s interrupts itself through SBI', (side) => {
    const other = side === 'A' ? 'B' : 'A';
    const node = virtualized({
      A: spinner(resultsOf('A')),
      B: spinner(resultsOf('B')),
      [side]: `${delay(1000)}${ipi(side)}`,
    });
    if (side === 'B') node.bootVm(side);
    node.runUntilConsole(side, 'I');
    expect(node.console[other]).toBe('');
  });

  it('without an OS on its disk stays off and says why, and the other runs on', () => {
    const node = virtualized({ A: ticker('A', 'a', 1000) });
    node.ask({ op: 'createVm', side: 'B', memory: [BOARD.lowStub.B, BOARD.bank.B], slots: allSlots('B') });
    node.ask({ op: 'bootVm', side: 'B' });
    node.runUntil(() => stateOf(node, 'B') === 'off', 'the boot to fail');
    expect(node.status().guests.B?.bootError).toMatchObject({
      code: 'disk',
      message: expect.stringContaining('slot 0'),
    });
    const printed = node.console.A.length;
    node.runNs(1_000_000);
    expect(node.console.A.length).toBeGreaterThan(printed + 8);
  });

  it('is not held up for more than 50 µs while another is loaded', () => {
    const node = virtualized({ A: ticker('A', 'a', 1000), B: ticker('B', 'b', 1000) });
    node.ask({ op: 'createVm', side: 'B', memory: [BOARD.lowStub.B, BOARD.bank.B], slots: allSlots('B') });
    node.ask({ op: 'mark' });
    node.ask({ op: 'bootVm', side: 'B' });
    node.runUntilConsole('B', 'b');
    expect(node.status().guests.A?.pauseNs).toBeLessThan(50_000);
  });

  it('that is destroyed while it is loaded leaves its disk as out of reset', () => {
    const node = virtualized({ A: ticker('A', 'a', 1000), B: ticker('B', 'b', 1000) });
    node.ask({ op: 'createVm', side: 'B', memory: [BOARD.lowStub.B, BOARD.bank.B], slots: allSlots('B') });
    node.ask({ op: 'bootVm', side: 'B' });
    expect(stateOf(node, 'B')).toBe('booting');
    node.ask({ op: 'destroyVm', side: 'B', force: true });
    expect(node.ask({ op: 'devirtualize' }).status.stateIdentical).toBe(true);
    node.ask({ op: 'virtualize' });
    node.bootVm('B');
  });
});

describe('a request that cannot be served', () => {
  const B_MEMORY = [BOARD.lowStub.B, BOARD.bank.B];
  const createB: ControlRequest = { op: 'createVm', side: 'B', memory: B_MEMORY, slots: allSlots('B') };

  /** Each: what was done before, the request, and why it is refused. */
  const REFUSED: readonly (readonly [string, readonly ControlRequest[], ControlRequest, RefusalCode])[] = [
    ['devirtualize of a bare node', [], { op: 'devirtualize' }, 'not-virtualized'],
    ['createVm of a bare node', [], createB, 'not-virtualized'],
    ['virtualize twice', [{ op: 'virtualize' }], { op: 'virtualize' }, 'already-virtualized'],
    ['a second guest on a side', [{ op: 'virtualize' }, createB], createB, 'vm-exists'],
    ['a guest on the side that runs', [{ op: 'virtualize' }], { ...createB, side: 'A' }, 'vm-exists'],
    ['the boot of no guest', [{ op: 'virtualize' }], { op: 'bootVm', side: 'B' }, 'no-such-vm'],
    ['the boot of a guest that runs', [{ op: 'virtualize' }], { op: 'bootVm', side: 'A' }, 'vm-running'],
    [
      'the boot of a guest without memory',
      [{ op: 'virtualize' }, { ...createB, memory: [BOARD.lowStub.B] }],
      { op: 'bootVm', side: 'B' },
      'not-owner',
    ],
    ['the power-off of no guest', [{ op: 'virtualize' }], { op: 'stopVm', side: 'B' }, 'no-such-vm'],
    ['the end of the only guest', [{ op: 'virtualize' }], { op: 'destroyVm', side: 'A', force: true }, 'last-guest'],
    [
      'the end of a guest that runs',
      [{ op: 'virtualize' }, createB],
      { op: 'destroyVm', side: 'A', force: false },
      'vm-running',
    ],
    ['devirtualize with two guests', [{ op: 'virtualize' }, createB], { op: 'devirtualize' }, 'other-guest'],
    [
      'a slot for no guest',
      [{ op: 'virtualize' }],
      { op: 'moveSlot', slot: { side: 'A', index: 1 }, owner: 'B' },
      'no-such-vm',
    ],
    [
      'a slot there is not',
      [{ op: 'virtualize' }],
      { op: 'moveSlot', slot: { side: 'A', index: 8 }, owner: 'A' },
      'bad-slot',
    ],
    [
      'memory of the firmware',
      [{ op: 'virtualize' }],
      { op: 'setMemory', region: BOARD.firmware, owner: 'A' },
      'bad-region',
    ],
    [
      'memory in more pieces than a slot has DMA ranges',
      [
        { op: 'virtualize' },
        ...[1, 2, 3, 4]
          .map(
            (index): ControlRequest => ({
              op: 'setMemory',
              region: { base: BOARD.bank.B.base + index * 0x10_0000, bytes: 4096 },
              owner: null,
            }),
          )
          .slice(0, 3),
      ],
      { op: 'setMemory', region: { base: BOARD.bank.B.base + 0x40_0000, bytes: 4096 }, owner: null },
      'iopmp-exhausted',
    ],
    [
      'a share beyond reason',
      [{ op: 'virtualize' }],
      { op: 'setShare', maintenancePercent: 100, sliceUs: 100 },
      'bad-share',
    ],
    ['a production guest there is not', [{ op: 'virtualize' }], { op: 'setProduction', side: 'B' }, 'no-such-vm'],
  ];

  it.each(REFUSED)('refuses %s, and changes nothing', (_what, before, request, code) => {
    const node = new TinyNode({ guests: { A: ticker('A', 'a', 1000) } });
    for (const each of before) node.ask(each);
    const status = ownership(node);
    expect(node.request(request)).toMatchObject({ ok: false, error: { code } });
    expect(ownership(node)).toEqual(status);
    const printed = node.console.A.length;
    node.runNs(500_000);
    expect(node.console.A.length).toBeGreaterThan(printed);
  });

  it('refuses to take a device from a driver', () => {
    const { pokes, memory } = readRequest('A', 1, BOARD.bank.A.base + 0x20_0000, BOARD.bank.A.base + 0x30_0000);
    const node = new TinyNode({ guests: { A: poker('A', pokes) }, disks: { A1: new Uint8Array(512 * 64) } });
    for (const { address, bytes } of memory) node.machine.memory.write(address, bytes);
    node.ask({ op: 'virtualize' });
    node.runUntilConsole('A', 'K');
    for (const owner of ['A', null] as const) {
      expect(node.request({ op: 'moveSlot', slot: { side: 'A', index: 1 }, owner })).toMatchObject({
        ok: false,
        error: { code: 'device-in-use', message: expect.stringContaining('slot A1 is held by a driver') },
      });
    }
    expect(node.request({ ...createB, slots: [{ side: 'A', index: 1 }] })).toMatchObject({
      ok: false,
      error: { code: 'device-in-use' },
    });
    expect(node.ask({ op: 'devirtualize' }).status.stateIdentical).toBe(true);
  });

  it('takes a device that its driver has let go, though it is acknowledged still, and resets it', () => {
    const status = slotBase('A', 1) + VIRTIO_MMIO.status;
    const node = new TinyNode({ guests: { A: poker('A', [[status, 1]]) }, disks: { A1: new Uint8Array(512 * 64) } });
    node.ask({ op: 'virtualize' });
    node.runUntilConsole('A', 'K');
    expect(node.hart.load(status, 4)).toBe(1n);
    node.ask({ op: 'moveSlot', slot: { side: 'A', index: 1 }, owner: null });
    expect(node.hart.load(status, 4)).toBe(0n);
  });

  it('refuses what is no request at all', () => {
    const node = new TinyNode({ guests: { A: ticker('A', 'a', 1000) } });
    node.ask({ op: 'virtualize' });
    expect(node.send(new TextEncoder().encode('hello'))).toMatchObject({ ok: false, error: { code: 'bad-request' } });
    expect(node.send(Uint8Array.of(0xff))).toMatchObject({ ok: false, error: { code: 'bad-request' } });
  });
});

/** All of the status but what grows with time. */
function ownership(node: TinyNode): unknown {
  const { guests, ...rest } = node.status();
  return { ...rest, guests: Object.entries(guests).map(([side, guest]) => [side, guest.state, guest.boots]) };
}

/** Spins for some ticks. */
const delay = (ticks: number): string => `
  csrr t0, time
  li t1, ${ticks}
  add t0, t0, t1
before:
  csrr t1, time
  bltu t1, t0, before
`;
