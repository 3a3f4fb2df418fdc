/** A guest on two harts, one of them shared with an OS on four, that sleeps and is woken on the other. */
import { describe, expect, it } from 'vitest';
import type { ControlRequest, ResumePoint } from '../../src/microvisor/index.ts';
import { COMMAND, crew, crewCommand, crewCounters } from './crew-guest.ts';
import { sbiCall } from './hostile-guests.ts';
import { suspend } from './tiny-guests.ts';
import { allSlots, BOARD, resultsOf, TinyNode } from './tiny-node.ts';

const HARTS = 4;
/** B has the last hart for itself, and shares this one with A. */
const SHARED = 2;
const LAST = HARTS - 1;
const PERIOD_TICKS = 500;
const HSM = 0x48_534d;
const DENIED = -4n;
const OPAQUE = { last: 7n, woken: 8n, again: 9n };

const start = (hart: number, label: string, opaque: bigint): string => `
  li a0, ${hart}
  la a1, ${label}
  li a2, ${opaque}
  li a6, 0
  li a7, ${HSM}
  ecall`;

/** Dwords of its results, in this order. */
const RESULTS = ['denied', 'failed', 'wokenHart', 'wokenOpaque', 'started', 'againHart', 'againOpaque', 'up'] as const;
const at = (name: (typeof RESULTS)[number]): string => `${8 * RESULTS.indexOf(name)}(s1)`;

/**
 * The first hart starts the last, is denied to sleep while that one runs, and stops itself. The last hart then sleeps.
 * Woken, it starts the first again.
 */
const pair = `
  li s1, ${resultsOf('B')}
  ${start(LAST, 'last', OPAQUE.last)}
wait:
  ld t0, ${at('up')}
  beqz t0, wait
  ${suspend('woken', 0n)}
  sd a0, ${at('denied')}
  ${sbiCall(HSM, 1, [])}
last:
  li s1, ${resultsOf('B')}
  sd a1, ${at('up')}
poll:
  ${sbiCall(HSM, 2, [BigInt(SHARED)])}
  li t0, 1
  bne a1, t0, poll
  ${suspend('woken', OPAQUE.woken)}
  sd a0, ${at('failed')}
  j end
woken:
  li s1, ${resultsOf('B')}
  sd a0, ${at('wokenHart')}
  sd a1, ${at('wokenOpaque')}
  ${start(SHARED, 'again', OPAQUE.again)}
  sd a0, ${at('started')}
  j end
again:
  li s1, ${resultsOf('B')}
  sd a0, ${at('againHart')}
  sd a1, ${at('againOpaque')}
end:
  wfi
  j end`;

const CREATE_B: ControlRequest = {
  op: 'createVm',
  side: 'B',
  harts: [LAST, SHARED],
  memory: [BOARD.lowStub.B, BOARD.bank.B],
  slots: allSlots('B'),
};

const command = (node: TinyNode, what: bigint): void =>
  node.machine.memory.write(crewCommand('A'), Uint8Array.of(Number(what), 0, 0, 0, 0, 0, 0, 0));

function asleepBeside(): TinyNode {
  const node = new TinyNode({ harts: HARTS, guests: { A: crew('A', HARTS, PERIOD_TICKS), B: pair } });
  const timers = (): bigint[] => Array.from({ length: HARTS }, (_, id) => node.dwords(crewCounters('A', id), 1)[0]!);
  node.runUntil(() => timers().every((count) => count > 3n), 'every hart to run');
  node.ask({ op: 'virtualize' });
  command(node, COMMAND.stopLast);
  node.runNs(500_000);
  node.ask({ op: 'moveHart', hart: LAST, owner: null });
  node.ask(CREATE_B);
  node.ask({ op: 'bootVm', side: 'B' });
  node.runUntil(() => node.status().guests.B?.state === 'asleep', 'guest B to sleep');
  return node;
}

function resumeOf(node: TinyNode): ResumePoint {
  const resume = node.status().guests.B?.resume;
  if (resume === undefined) throw new Error('guest B does not sleep');
  return resume;
}

const wake = (resume: ResumePoint): ControlRequest => ({ op: 'wakeVm', side: 'B', resume });

const results = (node: TinyNode): Readonly<Record<string, bigint>> => {
  const values = node.dwords(resultsOf('B'), RESULTS.length);
  return Object.fromEntries(RESULTS.map((name, index) => [name, BigInt.asIntN(64, values[index]!)]));
};

const ASLEEP = {
  ...{ denied: DENIED, failed: 0n, wokenHart: 0n, wokenOpaque: 0n },
  ...{ started: 0n, againHart: 0n, againOpaque: 0n, up: OPAQUE.last },
};
const WOKEN = {
  ...ASLEEP,
  ...{ wokenHart: BigInt(LAST), wokenOpaque: OPAQUE.woken, againHart: BigInt(SHARED), againOpaque: OPAQUE.again },
};

/** A's harts go on, with whatever they ask of each other. */
function expectServed(node: TinyNode): void {
  const counters = (): bigint[][] => [0, 1, SHARED].map((id) => node.dwords(crewCounters('A', id), 3));
  const before = counters();
  node.runNs(1_000_000);
  for (const [id, counts] of counters().entries()) {
    for (const [index, count] of counts.entries()) expect(count - before[id]![index]!).toBeGreaterThan(10n);
  }
}

describe('a guest on two harts', () => {
  it('sleeps from the one that is left, not before the other is stopped', () => {
    const node = asleepBeside();
    expect(node.status().guests.B).toMatchObject({ harts: [SHARED, LAST], hartsOnline: [], resume: { hart: LAST } });
    expectServed(node);
    expect(results(node)).toEqual(ASLEEP);
  });

  it('is woken on that one, and has the other back', () => {
    const node = asleepBeside();
    node.ask(wake(resumeOf(node)));
    node.runNs(1_000_000);
    expect(results(node)).toEqual(WOKEN);
    expect(node.status().guests.B).toMatchObject({ state: 'running', hartsOnline: [SHARED, LAST], boots: 1 });
    expectServed(node);
  });

  it('is woken in a guest that was made for it', () => {
    const node = asleepBeside();
    const resume = resumeOf(node);
    node.ask({ op: 'destroyVm', side: 'B', force: true });
    node.ask(CREATE_B);
    node.ask(wake(resume));
    node.runNs(1_000_000);
    expect(results(node)).toEqual(WOKEN);
    node.ask({ op: 'destroyVm', side: 'B', force: true });
    node.ask({ op: 'moveHart', hart: LAST, owner: 'A' });
    command(node, COMMAND.startLast);
    node.runNs(500_000);
    expect(node.ask({ op: 'devirtualize' }).status).toMatchObject({ production: 'A', stateIdentical: true });
  });

  it('is not woken on another hart than the one it slept on, which is not taken from it', () => {
    const node = asleepBeside();
    const resume = resumeOf(node);
    expect(node.request(wake({ ...resume, hart: SHARED }))).toMatchObject({ error: { code: 'bad-resume' } });
    for (const owner of ['A', null] as const) {
      const refused = { ok: false, error: { code: 'hart-in-use' } };
      expect(node.request({ op: 'moveHart', hart: LAST, owner })).toMatchObject(refused);
    }
    expect(resumeOf(node)).toEqual(resume);
  });
});
