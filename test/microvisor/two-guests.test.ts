import { describe, expect, it } from 'vitest';
import type { Side } from '../../src/machine/index.ts';
import { checksum, echo, spinner, ticker } from './tiny-guests.ts';
import { resultsOf, TinyNode } from './tiny-node.ts';

/** A node virtualized with both guests running, A in production. */
function both(guests: Readonly<Record<Side, string>>): TinyNode {
  const node = new TinyNode({ guests });
  node.ask({ op: 'virtualize' });
  node.bootVm('B');
  return node;
}

/** Times at which a side prints something, in ns. */
function printTimes(node: TinyNode, side: Side): number[] {
  const times: number[] = [];
  const port = node.machine.uart(side);
  const before = port.onOutput;
  port.onOutput = (bytes) => {
    times.push(node.machine.now());
    before(bytes);
  };
  return times;
}

describe('two guests on a hart', () => {
  it('both go on while each waits for its own timer', () => {
    const node = both({ A: ticker('A', 'a', 1000), B: ticker('B', 'b', 700) });
    const before = { A: node.console.A.length, B: node.console.B.length };
    node.runNs(7_000_000);
    expect(node.console.A.length - before.A).toBeGreaterThanOrEqual(68);
    expect(node.console.B.length - before.B).toBeGreaterThanOrEqual(97);
  });

  it('answer each other through their UARTs', () => {
    const node = both({ A: echo('A'), B: echo('B') });
    let exchanged = 0;
    const hop = (from: Side, to: Side): void => {
      node.machine.uart(from).onOutput = (bytes) => {
        exchanged += 1;
        // Printable only, and a wire of 10 µs.
        const byte = 0x20 + ((bytes[0] ?? 0) % 0x40);
        node.machine.scheduler.at(node.machine.now() + 10_000, () => node.machine.uart(to).input(Uint8Array.of(byte)));
      };
    };
    hop('A', 'B');
    hop('B', 'A');
    node.runNs(100_000);
    node.machine.uart('A').input(Uint8Array.of(0x41));
    node.runNs(10_000_000);
    expect(exchanged).toBeGreaterThan(500);
  });

  it('compute what they compute alone, x and f registers alike', () => {
    const rounds = 30_000;
    const alone = (side: Side): bigint[] => {
      const node = new TinyNode({ side, guests: { [side]: checksum(side, resultsOf(side), rounds) } });
      node.runUntilConsole(side, 'D');
      return node.dwords(resultsOf(side), 7);
    };
    const node = new TinyNode({
      guests: { A: checksum('A', resultsOf('A'), 4 * rounds), B: checksum('B', resultsOf('B'), rounds) },
    });
    node.ask({ op: 'virtualize' });
    node.ask({ op: 'setShare', maintenancePercent: 90, sliceUs: 10 });
    node.bootVm('B');
    node.runUntilConsole('B', 'D', 100_000_000);
    expect(node.status().guests.B?.switchesIn).toBeGreaterThan(20);
    expect(node.console.A).not.toContain('D');
    expect(node.dwords(resultsOf('B'), 7)).toEqual(alone('B'));
  });
});

describe('the production guest', () => {
  it('is woken by its timer within 2 µs while the maintenance guest is busy', () => {
    const node = both({ A: ticker('A', 'a', 1000), B: spinner(resultsOf('B')) });
    const times = printTimes(node, 'A');
    node.runNs(20_000_000);
    const late = times.slice(1).map((time, index) => time - (times[index] ?? 0) - 100_000);
    expect(late.length).toBeGreaterThan(150);
    expect(Math.max(...late)).toBeLessThan(2000);
    node.ask({ op: 'mark' });
    node.runNs(20_000_000);
    expect(node.status().guests.A?.pauseNs).toBeLessThanOrEqual(2000);
  });

  it('is woken by its devices within 2 µs while the maintenance guest is busy', () => {
    const node = both({ A: echo('A'), B: spinner(resultsOf('B')) });
    const times = printTimes(node, 'A');
    const sent: number[] = [];
    for (let index = 0; index < 100; index++) {
      const at = node.machine.now() + 50_000 + index * 77_777;
      sent.push(at);
      node.machine.scheduler.at(at, () => node.machine.uart('A').input(Uint8Array.of(0x30)));
    }
    node.runNs(9_000_000);
    expect(times).toHaveLength(100);
    expect(Math.max(...times.map((time, index) => time - (sent[index] ?? 0)))).toBeLessThan(2000);
  });

  it('leaves its idle time to the maintenance guest', () => {
    const node = both({ A: ticker('A', 'a', 1000), B: spinner(resultsOf('B')) });
    const [before = 0n] = node.dwords(resultsOf('B'), 1);
    node.runNs(10_000_000);
    const [after = 0n] = node.dwords(resultsOf('B'), 1);
    // Three instructions a round, one a nanosecond: nearly all of 10 ms.
    expect(Number(after - before)).toBeGreaterThan(0.95 * (10_000_000 / 3));
  });

  it.each([0, 5, 25, 50])('leaves %i percent to the maintenance guest when it never waits', (percent) => {
    const node = new TinyNode({ guests: { A: spinner(resultsOf('A')), B: spinner(resultsOf('B')) } });
    node.ask({ op: 'virtualize' });
    node.bootVm('B');
    node.ask({ op: 'setShare', maintenancePercent: percent, sliceUs: 100 });
    node.runNs(1_000_000);
    const count = (side: Side): number => Number(node.dwords(resultsOf(side), 1)[0] ?? 0n);
    const before = { A: count('A'), B: count('B') };
    node.runNs(50_000_000);
    const ran = { A: count('A') - before.A, B: count('B') - before.B };
    expect(ran.B / ran.A).toBeCloseTo(percent / 100, 1);
    if (percent === 0) expect(ran.B).toBe(0);
  });

  it('is the one that setProduction names', () => {
    const node = both({ A: spinner(resultsOf('A')), B: spinner(resultsOf('B')) });
    node.ask({ op: 'setShare', maintenancePercent: 0, sliceUs: 100 });
    node.ask({ op: 'setProduction', side: 'B' });
    const [before] = node.dwords(resultsOf('A'), 1);
    node.runNs(1_000_000);
    expect(node.dwords(resultsOf('A'), 1)).toEqual([before]);
  });
});

describe('the account', () => {
  it('adds up to the time there was', () => {
    const node = both({ A: ticker('A', 'a', 1000), B: spinner(resultsOf('B')) });
    const begin = node.machine.now();
    const before = node.status().guests;
    node.runNs(10_000_000);
    const after = node.status().guests;
    const passed = node.machine.now() - begin;
    for (const side of ['A', 'B'] as const) {
      const [from, to] = [before[side], after[side]];
      if (from === undefined || to === undefined) throw new Error(`no guest ${side}`);
      const booked = to.ranNs - from.ranNs + (to.idleNs - from.idleNs) + (to.heldNs - from.heldNs);
      expect(booked).toBeLessThanOrEqual(passed);
      // The rest is the monitor's.
      expect(booked).toBeGreaterThan(0.97 * passed);
    }
  });

  it('counts exits by cause', () => {
    const node = both({ A: ticker('A', 'a', 1000), B: spinner(resultsOf('B')) });
    const before = node.status().guests;
    node.runNs(10_000_000);
    const after = node.status().guests;
    const grown = (side: Side, cause: string): number =>
      (after[side]?.exits[cause] ?? 0) - (before[side]?.exits[cause] ?? 0);
    expect(grown('A', 'wfi')).toBeGreaterThanOrEqual(99);
    expect(grown('B', 'timer')).toBeGreaterThanOrEqual(99);
    expect(grown('B', 'wfi')).toBe(0);
  });
});
