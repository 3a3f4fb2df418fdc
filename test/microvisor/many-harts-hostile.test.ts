/** A guest on harts of its own, and on one it shares, that does its worst beside an OS on four. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { ControlRequest } from '../../src/microvisor/index.ts';
import { COMMAND, crew, crewCommand, crewCounters } from './crew-guest.ts';
import { deaf, fainter, sbiCall, shouter, sleeper } from './hostile-guests.ts';
import { allSlots, BOARD, TinyNode } from './tiny-node.ts';

const HARTS = 4;
const LAST = HARTS - 1;
/** B has the last hart for itself, and shares this one with A. */
const SHARED = 2;
const PERIOD_TICKS = 500;
const SRST = 0x5352_5354;
const HSM = 0x48_534d;
const SUSP = 0x5355_5350;

/** On every hart it can start: interrupts and fences all of them, again and again, and ends at an instant. */
const chaos = (untilTicks: number, end: string): string => `
start:
  csrr s0, time
  li t0, ${untilTicks}
  add s0, s0, t0
  li s3, 0
next:
  mv a0, s3
  la a1, start
  li a2, 1
  li a6, 0
  li a7, ${HSM}
  ecall
  addi s3, s3, 1
  li t0, ${HARTS}
  bne s3, t0, next
again:
${sbiCall(0x73_5049, 0, [0n, -1n])}
${sbiCall(0x5246_4e43, 0, [0n, -1n])}
${sbiCall(0x5246_4e43, 1, [0n, -1n, 0n, 0n])}
${sbiCall(0x73_5049, 0, [0xffn, 0n])}
${sbiCall(HSM, 0, [0n, BigInt(BOARD.bank.A.base), 0n])}
${sbiCall(HSM, 2, [1n])}
  csrr t0, time
  bltu t0, s0, again
${end}
  j again`;

function beside(hostile: string): TinyNode {
  const node = new TinyNode({ harts: HARTS, guests: { A: crew('A', HARTS, PERIOD_TICKS), B: hostile } });
  const timers = (): bigint[] => Array.from({ length: HARTS }, (_, id) => node.dwords(crewCounters('A', id), 1)[0]!);
  node.runUntil(() => timers().every((count) => count > 3n), 'every hart to run');
  node.ask({ op: 'virtualize' });
  command(node, COMMAND.stopLast);
  node.runNs(500_000);
  node.ask({ op: 'moveHart', hart: LAST, owner: null });
  const memory = [BOARD.lowStub.B, BOARD.bank.B];
  node.ask({ op: 'createVm', side: 'B', harts: [LAST, SHARED], memory, slots: allSlots('B') });
  node.ask({ op: 'bootVm', side: 'B' });
  return node;
}

function command(node: TinyNode, what: bigint): void {
  node.machine.memory.write(crewCommand('A'), Uint8Array.of(Number(what), 0, 0, 0, 0, 0, 0, 0));
}

/** A's harts but the last go on, B is ended, and A has its hart and the machine back. */
function expectUnharmed(node: TinyNode): void {
  const counters = (): bigint[][] => [0, 1, 2].map((id) => node.dwords(crewCounters('A', id), 3));
  const before = counters();
  node.runNs(2_000_000);
  for (const [id, [timer, software, fences]] of counters().entries()) {
    expect(timer! - before[id]![0]!).toBeGreaterThan(20n);
    expect(software! - before[id]![1]!).toBeGreaterThan(20n);
    expect(fences! - before[id]![2]!).toBeGreaterThan(20n);
  }
  node.ask({ op: 'destroyVm', side: 'B', force: true });
  node.ask({ op: 'moveHart', hart: LAST, owner: 'A' });
  command(node, COMMAND.startLast);
  node.runNs(500_000);
  expect(node.ask({ op: 'devirtualize' }).status).toMatchObject({ production: 'A', stateIdentical: true });
  const last = node.dwords(crewCounters('A', LAST), 1)[0]!;
  node.runNs(1_000_000);
  expect(node.dwords(crewCounters('A', LAST), 1)[0]! - last).toBeGreaterThan(10n);
}

const wake = (hart: number): ControlRequest => {
  const address = `0x${BOARD.bank.B.base.toString(16)}`;
  return { op: 'wakeVm', side: 'B', resume: { hart, address, opaque: '0x0' } };
};

const running = (node: TinyNode): void =>
  node.runUntil(() => (node.status().guests.B?.boots ?? 0) > 0, 'guest B to be loaded');

describe('a guest beside an OS on four harts, two of which it has', () => {
  it.each([
    ['loops with its interrupts off', deaf('B')],
    ['traps in its trap handler for ever', fainter('B')],
    ['waits for nothing', sleeper('B')],
    ['floods its UART', shouter('B')],
  ])('and %s harms nobody', (_what, hostile) => {
    const node = beside(hostile);
    running(node);
    expectUnharmed(node);
  });

  it('and interrupts and fences all harts there are reaches its own only', () => {
    const node = beside(chaos(1_000_000_000, ''));
    running(node);
    node.runNs(1_000_000);
    const { A, B } = node.status().guests;
    expect(B?.hartsOnline).toEqual([SHARED, LAST]);
    expect(B?.exits['sbi']).toBeGreaterThan(200);
    expect(B?.exits['software']).toBeGreaterThan(20);
    expect(A?.hartsOnline).toEqual([0, 1, 2]);
    expectUnharmed(node);
  });

  const request: fc.Arbitrary<ControlRequest> = fc.constantFrom<ControlRequest>(
    { op: 'status' },
    { op: 'devirtualize' },
    { op: 'destroyVm', side: 'B', force: true },
    { op: 'bootVm', side: 'B' },
    { op: 'stopVm', side: 'B' },
    wake(SHARED),
    wake(LAST),
    { op: 'moveHart', hart: LAST, owner: 'A' },
    { op: 'moveHart', hart: SHARED, owner: 'A' },
    { op: 'setMemory', region: { base: BOARD.bank.B.base + 0x400_0000, bytes: 4096 }, owner: null },
    { op: 'moveSlot', slot: { side: 'B', index: 5 }, owner: 'A' },
    { op: 'setProduction', side: 'B' },
    { op: 'setProduction', side: 'A' },
  );

  it.each([
    ['powers off', sbiCall(SRST, 0, [0n, 0n])],
    ['reboots', sbiCall(SRST, 0, [1n, 0n])],
    ['stops its harts', sbiCall(HSM, 1, [])],
    ['sleeps', `${sbiCall(SUSP, 0, [0n, BigInt(BOARD.bank.B.base), 0n])}\n${sbiCall(HSM, 1, [])}`],
  ])('and %s on both at once, whatever is asked of the Microvisor meanwhile, harms nobody', (_what, end) => {
    fc.assert(
      fc.property(
        fc.constantFrom(50, 300, 1000),
        fc.array(fc.tuple(fc.nat({ max: 60_000 }), request), { minLength: 4, maxLength: 10 }),
        (ticks, requests) => {
          const node = beside(chaos(ticks, end));
          running(node);
          for (const [afterNs, each] of requests) {
            node.runNs(afterNs);
            node.request(each);
          }
          node.request({ op: 'setProduction', side: 'A' });
          const { guests } = node.status();
          // What the requests have ended or given away is made again, for the way back to be the same.
          if (guests.B === undefined) {
            const memory = [BOARD.lowStub.B, BOARD.bank.B];
            node.ask({ op: 'createVm', side: 'B', harts: [LAST], memory, slots: [] });
          }
          expectUnharmed(node);
        },
      ),
      { numRuns: 5 },
    );
  });
});
