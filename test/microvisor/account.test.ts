import { describe, expect, it } from 'vitest';
import type { Side } from '../../src/machine/index.ts';
import type { SideAccount } from '../../src/microvisor/index.ts';
import { spinner, ticker } from './tiny-guests.ts';
import { resultsOf, TinyNode } from './tiny-node.ts';

const accountOf = (node: TinyNode, side: Side): SideAccount => node.microvisor.account(side, node.machine.now());
const timeOf = ({ ranNs, idleNs, heldNs }: SideAccount): number => ranNs + idleNs + heldNs;
const exitsOf = ({ exits }: SideAccount): number => Object.values(exits).reduce((sum, count) => sum + count, 0);

/** A ticks in production, B wants the hart all the time. */
function both(): TinyNode {
  const node = new TinyNode({ guests: { A: ticker('A', 'a', 1000), B: spinner(resultsOf('B')) } });
  node.ask({ op: 'virtualize' });
  node.bootVm('B');
  return node;
}

describe('the account of a side', () => {
  it('holds every instant of each guest: it ran, waited for an interrupt or waited for the hart', () => {
    const node = both();
    const before = { A: accountOf(node, 'A'), B: accountOf(node, 'B') };
    const fromNs = node.machine.now();
    node.runNs(10_000_000);
    const passedNs = node.machine.now() - fromNs;
    for (const side of ['A', 'B'] as const) {
      const now = accountOf(node, side);
      const passed = timeOf(now) - timeOf(before[side]);
      // To a tick at each end of the interval, and M-mode's own work at the switches.
      expect(passed).toBeGreaterThan(0.95 * passedNs);
      expect(passed).toBeLessThanOrEqual(passedNs + 1000);
    }
    expect(accountOf(node, 'B').ranNs - before.B.ranNs).toBeGreaterThan(0.9 * passedNs);
    expect(accountOf(node, 'A').idleNs - before.A.idleNs).toBeGreaterThan(0.9 * passedNs);
  });

  it('tells every entry into M-mode by its cause', () => {
    const node = both();
    const entries = (): number =>
      Object.values(node.machine.counters.machineModeEntries).reduce((sum, count) => sum + count, 0);
    const exits = (): number => exitsOf(accountOf(node, 'A')) + exitsOf(accountOf(node, 'B'));
    const [entriesBefore, exitsBefore] = [entries(), exits()];
    node.runNs(10_000_000);
    expect(entries() - entriesBefore).toBeGreaterThan(100);
    expect(exits() - exitsBefore).toBe(entries() - entriesBefore);
  });

  it('only grows: when a guest ends, when the Microvisor leaves, and when both come again', () => {
    const node = both();
    let before = accountOf(node, 'B');
    const grows = (): void => {
      const now = accountOf(node, 'B');
      expect(timeOf(now)).toBeGreaterThanOrEqual(timeOf(before));
      expect(exitsOf(now)).toBeGreaterThanOrEqual(exitsOf(before));
      before = now;
    };
    node.runNs(1_000_000);
    grows();
    node.ask({ op: 'destroyVm', side: 'B', force: true });
    grows();
    expect(timeOf(before)).toBeGreaterThan(0);
    node.ask({ op: 'devirtualize' });
    grows();
    node.runNs(1_000_000);
    expect(accountOf(node, 'B')).toEqual(before);
    node.ask({ op: 'virtualize' });
    node.bootVm('B');
    grows();
  });

  it('tells how late the production guest was woken at worst, once', () => {
    const node = both();
    node.microvisor.takeWorstWakes();
    node.runNs(5_000_000);
    const { production, bySide } = node.microvisor.takeWorstWakes();
    expect(production).toBeGreaterThan(0);
    expect(production).toBeLessThan(5_000);
    expect(bySide.A).toBe(production);
    expect(node.microvisor.takeWorstWakes()).toEqual({ production: 0, bySide: { A: 0, B: 0 } });
  });

  it('does not depend on when it is looked at', () => {
    const run = (looks: boolean): unknown => {
      const node = both();
      for (let step = 0; step < 10; step++) {
        node.runNs(100_000);
        if (looks) accountOf(node, 'A');
      }
      return [accountOf(node, 'A'), accountOf(node, 'B'), node.machine.counters];
    };
    expect(run(true)).toEqual(run(false));
  });
});
