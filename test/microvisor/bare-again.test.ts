import { describe, expect, it } from 'vitest';
import type { MachineOptions } from '../../src/machine/index.ts';
import { saveOutsideCalls, standStill, takeAfter, whatDiffers, withoutMonitor } from './bare-twin.ts';
import { crew, crewCounters } from './crew-guest.ts';
import { checksum, spinner, ticker } from './tiny-guests.ts';
import { resultsOf, TinyNode, type TinyNodeOptions } from './tiny-node.ts';

const GUESTS = {
  'waits for its timer': ticker('A', 'a', 500),
  'counts in memory': spinner(resultsOf('A')),
  'mixes registers': checksum('A', resultsOf('A'), 20_000),
} as const;

/** Charged by M-mode while `work` is done. */
function charged(node: TinyNode, work: () => void): number {
  const before = node.machine.counters.chargedCycles;
  work();
  return node.machine.counters.chargedCycles - before;
}

describe.each(Object.entries(GUESTS))('an OS that %s', (_, source) => {
  const options: TinyNodeOptions = { guests: { A: source } };

  it('goes on, virtualized alone and bare again, instruction for instruction as where no Microvisor ever was', () => {
    const [node, twin] = [new TinyNode(options), new TinyNode(options)];
    for (const each of [node, twin]) each.runNs(1_234_567);
    for (const op of ['virtualize', 'devirtualize', 'virtualize', 'devirtualize'] as const) {
      const cycles = charged(node, () => node.ask({ op }));
      standStill(twin.machine, twin.firmware, cycles);
      expect(twin.machine.now()).toBe(node.machine.now());
      for (let stretch = 0; stretch < 5; stretch++) {
        for (const each of [node, twin]) each.runNs(300_000);
        expect(node.machine.counters.retiredInstructions).toBe(twin.machine.counters.retiredInstructions);
      }
      const differs = whatDiffers(withoutMonitor(twin.machine.save()), withoutMonitor(node.machine.save()));
      if (op === 'devirtualize') expect(differs).toEqual([]);
      else expect(differs).not.toEqual([]);
    }
    expect(node.console).toEqual(twin.console);
  });

  it('makes no entry into M-mode while it is virtualized alone, and its account tells how long it waited', () => {
    const node = new TinyNode(options);
    node.runNs(1_000_000);
    node.ask({ op: 'virtualize' });
    const before = { ...node.machine.counters.machineModeEntries };
    const [account, fromNs] = [node.microvisor.account('A', node.machine.now()), node.machine.now()];
    const { idleNs } = node.machine.counters;
    node.runNs(5_000_000);
    expect(node.machine.counters.machineModeEntries).toEqual(before);
    const now = node.microvisor.account('A', node.machine.now());
    const waitedNs = node.machine.counters.idleNs - idleNs;
    expect(Math.abs(now.idleNs - account.idleNs - waitedNs)).toBeLessThanOrEqual(200);
    const ranNs = node.machine.now() - fromNs - waitedNs;
    expect(Math.abs(now.ranNs - account.ranNs - ranNs)).toBeLessThanOrEqual(200);
  });
});

describe.each([1, 2, 3, 4] as const)('a machine with %i harts after a whole maintenance', (harts) => {
  it('goes on instruction for instruction, trap for trap, as the same machine with M-mode software that never saw it', () => {
    const guests = { A: crew('A', harts, 500), B: crew('B', harts, 500) };
    const node = new TinyNode({ harts, guests });
    runUntilAll(node, harts, 'A');
    node.ask({ op: 'virtualize' });
    node.bootVm('B');
    node.ask({ op: 'setProduction', side: 'B' });
    node.ask({ op: 'destroyVm', side: 'A', force: true });
    for (let hart = 1; hart < harts; hart++) node.ask({ op: 'moveHart', hart, owner: 'B' });
    runUntilAll(node, harts, 'B');
    node.ask({ op: 'devirtualize' });
    const saved = saveOutsideCalls(node.machine);
    const never = new TinyNode({ harts, guests });
    takeAfter(never, node, saved);
    expect(whatDiffers(saved, never.machine.save())).toEqual([]);
    for (let stretch = 0; stretch < 5; stretch++) {
      for (const each of [node, never]) each.runNs(1_000_000);
      expect(never.machine.counters).toEqual(node.machine.counters);
      expect(whatDiffers(node.machine.save(), never.machine.save())).toEqual([]);
    }
  });
});

function runUntilAll(node: TinyNode, harts: MachineOptions['harts'], side: 'A' | 'B'): void {
  const counters = (id: number): bigint => node.dwords(crewCounters(side, id), 1)[0]!;
  const all = (): boolean => Array.from({ length: harts }, (_, id) => counters(id)).every((timer) => timer > 3n);
  node.runUntil(all, `every hart of ${side} to run`);
}
