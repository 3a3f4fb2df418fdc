import { describe, expect, it } from 'vitest';
import type { MemoryRegion } from '../../src/machine/index.ts';
import {
  type ControlRequest,
  type GuestStatus,
  RELEASES,
  type RefusalCode,
  type ResumePoint,
} from '../../src/microvisor/index.ts';
import { caller, echo, SUSPENDER_OPAQUE, spinner, suspender, ticker, WOKEN, waitTicks } from './tiny-guests.ts';
import { allSlots, BOARD, resultsOf, TinyNode } from './tiny-node.ts';

const SRST = 0x5352_5354;
const DENIED = -4n;
const SSTATUS_SIE = 2n;
const PERIOD_TICKS = 500;
const B_MEMORY: readonly MemoryRegion[] = [BOARD.lowStub.B, BOARD.bank.B];
/** As much of it as a tiny guest uses. */
const USED_MEMORY: readonly MemoryRegion[] = [BOARD.lowStub.B, { base: BOARD.bank.B.base, bytes: 0x40_0000 }];
const CREATE_B: ControlRequest = { op: 'createVm', side: 'B', memory: B_MEMORY, slots: allSlots('B') };

const SERVER = ticker('A', 'a', PERIOD_TICKS);
const SUSPENDER = suspender('B', resultsOf('B'), PERIOD_TICKS);

const guestB = (node: TinyNode): GuestStatus | undefined => node.status().guests.B;

/** A serves, B sleeps beside it. */
function besideServer(server = SERVER, sleeper = SUSPENDER): TinyNode {
  const node = new TinyNode({ guests: { A: server, B: sleeper } });
  node.ask({ op: 'virtualize' });
  node.ask(CREATE_B);
  node.ask({ op: 'bootVm', side: 'B' });
  node.runUntil(() => guestB(node)?.state === 'asleep', 'guest B to sleep');
  return node;
}

/** Where the guest that sleeps goes on. */
function resumeOf(node: TinyNode): ResumePoint {
  const resume = guestB(node)?.resume;
  if (resume === undefined) throw new Error(`guest B is ${guestB(node)?.state}, and says of no place to go on`);
  return resume;
}

const wake = (resume: ResumePoint): ControlRequest => ({ op: 'wakeVm', side: 'B', resume });

type Found = Readonly<Record<(typeof WOKEN)[number], bigint>>;
const found = (node: TinyNode): Found => {
  const values = node.dwords(resultsOf('B'), WOKEN.length);
  return Object.fromEntries(WOKEN.map((name, index) => [name, values[index]!])) as Found;
};

/** B was entered as its call asked for, and runs. */
function expectWoken(node: TinyNode, wakes: bigint): void {
  const printed = node.console.B.length;
  node.runNs(2_000_000);
  expect(node.console.B.slice(printed)).toMatch(/^w{30,}$/);
  const { sstatus, ...rest } = found(node);
  expect(rest).toEqual({ error: 0n, a0: 0n, a1: SUSPENDER_OPAQUE, satp: 0n, sie: 0n, sip: 0n, wakes });
  expect(sstatus & SSTATUS_SIE).toBe(0n);
}

const entriesOf = (node: TinyNode): number =>
  Object.values(node.machine.counters.machineModeEntries).reduce((sum, count) => sum + count, 0);

const contents = (node: TinyNode, regions: readonly MemoryRegion[]): readonly Uint8Array[] =>
  regions.map(({ base, bytes }) => node.machine.memory.view(base, bytes).slice());

/** What the service processor does. */
function put(node: TinyNode, regions: readonly MemoryRegion[], kept: readonly Uint8Array[]): void {
  for (const [index, { base }] of regions.entries()) node.machine.memory.write(base, kept[index]!);
}

describe('a guest that suspends to RAM', () => {
  it('is asleep, and says where it goes on', () => {
    const node = besideServer();
    expect(guestB(node)).toMatchObject({ state: 'asleep', harts: [0], hartsOnline: [], boots: 1 });
    const { hart, address, opaque } = resumeOf(node);
    expect({ hart, opaque }).toEqual({ hart: 0, opaque: `0x${SUSPENDER_OPAQUE.toString(16)}` });
    expect(Number(address)).toBeGreaterThan(BOARD.bank.B.base);
    expect(node.status().guests.A).not.toHaveProperty('resume');
  });

  it('keeps M-mode busy for less than 10 µs when it falls asleep', () => {
    const node = new TinyNode({ guests: { A: SERVER, B: `${waitTicks(10_000)}${SUSPENDER}` } });
    node.ask({ op: 'virtualize' });
    node.bootVm('B');
    const charged: number[] = [];
    for (let look = 0; look < 2000; look++) {
      const before = node.machine.counters.chargedCycles;
      node.runNs(1000);
      charged.push(node.machine.counters.chargedCycles - before);
    }
    expect(guestB(node)?.state).toBe('asleep');
    expect(Math.max(...charged)).toBeLessThan(10_000);
  });

  it('gets no hart and no interrupt, and M-mode is not entered for it', () => {
    const node = besideServer();
    const before = guestB(node);
    node.runNs(100_000);
    const entries = entriesOf(node);
    const server = node.console.A.length;
    const memory = contents(node, USED_MEMORY);
    // Its timer is due, its UART has something.
    node.machine.uart('B').input(Uint8Array.of(1, 2, 3));
    node.runNs(5_000_000);
    expect(entriesOf(node)).toBe(entries);
    expect(node.console.A.length - server).toBeGreaterThanOrEqual(99);
    expect(node.console.B).toMatch(/s$/);
    expect(contents(node, USED_MEMORY)).toEqual(memory);
    expect(guestB(node)).toEqual(before);
  });

  it('leaves its devices as out of reset: an interrupt it had enabled is none', () => {
    const listener = echo('B').replace(/idle:[\s\S]*/, '');
    const node = besideServer(SERVER, `${listener}${SUSPENDER}`);
    const entries = entriesOf(node);
    node.machine.uart('B').input(Uint8Array.of(0x40));
    node.runNs(1_000_000);
    expect(entriesOf(node) - entries).toBeLessThanOrEqual(2);
    node.ask(wake(resumeOf(node)));
    expectWoken(node, 1n);
  });

  it('is woken where it said, with translation and interrupts off and its memory as it was', () => {
    const node = besideServer();
    const marked = BOARD.bank.B.base + 0x30_0000;
    const mark = Uint8Array.from({ length: 4096 }, (_, index) => index % 251);
    node.machine.memory.write(marked, mark);
    const { status } = node.ask(wake(resumeOf(node)));
    expect(status.guests.B).toMatchObject({ state: 'running', hartsOnline: [0], boots: 1 });
    expect(status.guests.B).not.toHaveProperty('resume');
    expectWoken(node, 1n);
    expect(node.machine.memory.view(marked, 4096)).toEqual(mark);
    const printed = node.console.A.length;
    node.runNs(1_000_000);
    expect(node.console.A.length - printed).toBeGreaterThan(15);
  });

  it('does so beside one that never waits, and is woken beside it', () => {
    const node = besideServer(spinner(resultsOf('A')));
    const ran = node.dwords(resultsOf('A'), 1)[0]!;
    node.runNs(1_000_000);
    // Three instructions a round, all of the hart.
    expect(node.dwords(resultsOf('A'), 1)[0]! - ran).toBeGreaterThan(330_000n);
    node.ask({ op: 'setShare', maintenancePercent: 50, sliceUs: 100 });
    node.ask(wake(resumeOf(node)));
    node.runUntilConsole('B', 'wwwwwwww');
  });

  it('has no account of the time it sleeps', () => {
    const node = besideServer();
    const account = (): number => {
      const { ranNs, idleNs, heldNs } = node.microvisor.account('B', node.machine.now());
      return ranNs + idleNs + heldNs;
    };
    const before = account();
    node.runNs(3_000_000);
    expect(account()).toBe(before);
    node.ask(wake(resumeOf(node)));
    node.runNs(3_000_000);
    expect(account() - before).toBeGreaterThan(2_900_000);
    expect(account() - before).toBeLessThanOrEqual(3_000_000);
  });

  it('is the same, bit for bit, when it is done again', () => {
    const run = (): unknown => {
      const node = besideServer();
      node.runNs(123_456);
      node.ask(wake(resumeOf(node)));
      node.runNs(1_000_000);
      return [node.status(), node.machine.counters, node.machine.now(), node.console];
    };
    expect(run()).toEqual(run());
  });
});

describe('memory of a guest that sleeps', () => {
  it('is woken in a guest that was made for it, whatever was there before', () => {
    const node = besideServer();
    const resume = resumeOf(node);
    const kept = contents(node, USED_MEMORY);
    node.ask({ op: 'destroyVm', side: 'B', force: true });
    put(
      node,
      USED_MEMORY,
      kept.map(({ length }) => new Uint8Array(length).fill(0xff)),
    );
    node.ask(CREATE_B);
    put(node, USED_MEMORY, kept);
    expect(node.ask(wake(resume)).status.guests.B).toMatchObject({ state: 'running', boots: 0, bootError: null });
    expectWoken(node, 1n);
    node.ask({ op: 'destroyVm', side: 'A', force: true });
    expect(node.ask({ op: 'devirtualize' }).status).toMatchObject({ production: 'B', stateIdentical: true });
    expectWoken(node, 1n);
  });

  it('is woken on another machine', () => {
    const asleep = besideServer();
    const resume = resumeOf(asleep);
    const node = new TinyNode({ guests: { A: SERVER } });
    node.ask({ op: 'virtualize' });
    node.ask(CREATE_B);
    put(node, USED_MEMORY, contents(asleep, USED_MEMORY));
    node.ask(wake(resume));
    expectWoken(node, 1n);
  });

  it('is woken again and again, each time as it was kept', () => {
    const node = besideServer();
    const resume = resumeOf(node);
    const kept = contents(node, USED_MEMORY);
    for (let round = 0; round < 5; round++) {
      node.ask(wake(resume));
      expectWoken(node, 1n);
      node.ask({ op: 'stopVm', side: 'B' });
      expect(guestB(node)?.state).toBe('off');
      put(node, USED_MEMORY, kept);
    }
  });

  it('is woken in a guest that its disk could not boot', () => {
    const asleep = besideServer();
    const node = new TinyNode({ guests: { A: SERVER } });
    node.ask({ op: 'virtualize' });
    node.ask(CREATE_B);
    node.ask({ op: 'bootVm', side: 'B' });
    node.runUntil(() => guestB(node)?.state === 'off', 'the boot to fail');
    expect(guestB(node)?.bootError).not.toBeNull();
    put(node, USED_MEMORY, contents(asleep, USED_MEMORY));
    node.ask(wake(resumeOf(asleep)));
    expectWoken(node, 1n);
    expect(guestB(node)?.bootError).toBeNull();
  });
});

describe('a suspension nobody would end is denied, and the OS goes on:', () => {
  const SUSPENDER_A = `${waitTicks(20_000)}${suspender('A', resultsOf('A'), PERIOD_TICKS)}`;

  it.each(['bare', 'virtualized'] as const)('of the one OS of a node that is %s', (state) => {
    const node = new TinyNode({ guests: { A: SUSPENDER_A } });
    if (state === 'virtualized') node.ask({ op: 'virtualize' });
    node.runUntilConsole('A', 'D');
    expect(BigInt.asIntN(64, node.dwords(resultsOf('A'), 1)[0]!)).toBe(DENIED);
    expect(node.console.A).toBe('sD');
  });

  it('of the guest that goes first beside another', () => {
    const node = new TinyNode({ guests: { A: SERVER, B: `${waitTicks(20_000)}${SUSPENDER}` } });
    node.ask({ op: 'virtualize' });
    node.bootVm('B');
    node.ask({ op: 'setProduction', side: 'B' });
    node.runUntilConsole('B', 'D');
    expect(BigInt.asIntN(64, found(node).error)).toBe(DENIED);
    expect(guestB(node)?.state).toBe('running');
  });
});

describe('while a guest sleeps', () => {
  /** Each: the request, and why it is refused. */
  const REFUSED: readonly (readonly [string, ControlRequest, RefusalCode])[] = [
    ['its boot', { op: 'bootVm', side: 'B' }, 'vm-running'],
    ['its end without force', { op: 'destroyVm', side: 'B', force: false }, 'vm-running'],
    ['another guest on its side', CREATE_B, 'vm-exists'],
    ['devirtualize', { op: 'devirtualize' }, 'other-guest'],
    ['the move of the hart it goes on', { op: 'moveHart', hart: 0, owner: null }, 'hart-in-use'],
  ];

  it.each(REFUSED)('%s is refused, and it sleeps on', (_what, request, code) => {
    const node = besideServer();
    const resume = resumeOf(node);
    expect(node.request(request)).toMatchObject({ ok: false, error: { code } });
    expect(resumeOf(node)).toEqual(resume);
    node.ask(wake(resume));
    expectWoken(node, 1n);
  });

  it('the Microvisor is not replaced, and is when it is awake', () => {
    const node = besideServer();
    node.offer(RELEASES[1]!);
    expect(node.request({ op: 'replace' })).toMatchObject({ ok: false, error: { code: 'guest-in-transit' } });
    node.ask(wake(resumeOf(node)));
    node.replace(RELEASES[1]!);
    expectWoken(node, 1n);
  });

  it('it is stopped, and booted from its disk', () => {
    const node = besideServer();
    node.ask({ op: 'stopVm', side: 'B' });
    expect(guestB(node)).toMatchObject({ state: 'off', hartsOnline: [] });
    node.ask({ op: 'bootVm', side: 'B' });
    node.runUntil(() => guestB(node)?.state === 'asleep', 'guest B to sleep again');
    expect(guestB(node)?.boots).toBe(2);
  });

  it('it is destroyed with force, and the node is bare again', () => {
    const node = besideServer();
    node.ask({ op: 'destroyVm', side: 'B', force: true });
    expect(node.ask({ op: 'devirtualize' }).status).toMatchObject({ production: 'A', stateIdentical: true });
  });

  it('the other may power off: the node stays on, and the guest is woken', () => {
    const node = besideServer(`${waitTicks(300_000)}${caller('A', resultsOf('A'), { extension: SRST, function: 0 })}`);
    expect(node.status().guests.A?.state).toBe('running');
    node.runUntil(() => node.status().guests.A?.state === 'off', 'guest A to be off');
    node.runNs(1_000_000);
    node.ask(wake(resumeOf(node)));
    expectWoken(node, 1n);
  });

  it('the other may end: the one that is left lives, is not devirtualized, and is woken', () => {
    const node = besideServer();
    node.ask({ op: 'destroyVm', side: 'A', force: true });
    expect(node.status()).toMatchObject({ production: 'B', guests: { B: { state: 'asleep' } } });
    node.runNs(1_000_000);
    expect(node.request({ op: 'devirtualize' })).toMatchObject({ ok: false, error: { code: 'vm-not-running' } });
    node.ask(wake(resumeOf(node)));
    expectWoken(node, 1n);
    expect(node.ask({ op: 'devirtualize' }).status).toMatchObject({ production: 'B', stateIdentical: true });
  });
});

describe('wakeVm', () => {
  const there: ResumePoint = { hart: 0, address: `0x${BOARD.bank.B.base.toString(16)}`, opaque: '0x0' };
  const virtualized: readonly ControlRequest[] = [{ op: 'virtualize' }];
  const created: readonly ControlRequest[] = [...virtualized, CREATE_B];

  /** Each: what was done before, the request, and why it is refused. */
  const REFUSED: readonly (readonly [string, readonly ControlRequest[], ControlRequest, RefusalCode])[] = [
    ['on a bare node', [], wake(there), 'not-virtualized'],
    ['of no guest', virtualized, wake(there), 'no-such-vm'],
    ['of a guest that runs', virtualized, { ...wake(there), side: 'A' } as ControlRequest, 'vm-running'],
    ['of a guest that boots', [...created, { op: 'bootVm', side: 'B' }], wake(there), 'vm-running'],
    ['on a hart that is not its own', created, wake({ ...there, hart: 1 }), 'bad-hart'],
    ['on no hart', created, wake({ ...there, hart: -1 }), 'bad-hart'],
    ['at memory of another', created, wake({ ...there, address: `0x${BOARD.bank.A.base.toString(16)}` }), 'bad-resume'],
    ['beyond memory', created, wake({ ...there, address: '0xffffffffffffffff' }), 'bad-resume'],
    [
      'without the memory its OS is told of',
      [...virtualized, { ...CREATE_B, memory: [BOARD.bank.B] } as ControlRequest],
      wake(there),
      'not-owner',
    ],
  ];

  it.each(REFUSED)('%s is refused, and changes nothing', (_what, before, request, code) => {
    const node = new TinyNode({ guests: { A: SERVER, B: SUSPENDER } });
    for (const each of before) node.ask(each);
    const state = guestB(node)?.state;
    expect(node.request(request)).toMatchObject({ ok: false, error: { code } });
    expect(guestB(node)?.state).toBe(state);
    const printed = node.console.A.length;
    node.runNs(1_000_000);
    expect(node.console.A.length - printed).toBeGreaterThan(15);
  });

  it.each([{ address: '0x88000000' }, { opaque: '0x1' }])(
    'of a guest that sleeps elsewhere (%o) is refused',
    (other) => {
      const node = besideServer();
      const resume = resumeOf(node);
      expect(node.request(wake({ ...resume, ...other }))).toMatchObject({ ok: false, error: { code: 'bad-resume' } });
      expect(resumeOf(node)).toEqual(resume);
    },
  );

  it('of a guest whose memory was taken is refused', () => {
    const node = besideServer();
    const resume = resumeOf(node);
    node.ask({ op: 'setMemory', region: BOARD.lowStub.B, owner: null });
    expect(node.request(wake(resume))).toMatchObject({ ok: false, error: { code: 'not-owner' } });
    node.ask({ op: 'setMemory', region: BOARD.lowStub.B, owner: 'B' });
    node.ask(wake(resume));
    expectWoken(node, 1n);
  });
});
