import { describe, expect, it } from 'vitest';
import { differences } from '../../src/microvisor/index.ts';
import { VIRTUALIZE_STEPS } from '../../src/microvisor/steps/index.ts';
import type { ReversibleStep, StepContext } from '../../src/microvisor/steps/step.ts';
import { checksum, spinner, ticker } from './tiny-guests.ts';
import { BOARD, resultsOf, TinyNode } from './tiny-node.ts';

const nothing = (): void => {};

const ROUNDS = 20_000;

/** Runs the checksum guest to its end, virtualizing and devirtualizing at the instants given. */
function checksumWith(switchesAtNs: readonly number[]): { results: bigint[]; retired: number } {
  const node = new TinyNode({ guests: { A: checksum('A', resultsOf('A'), ROUNDS) } });
  for (const [index, atNs] of switchesAtNs.entries()) {
    node.runNs(atNs - node.machine.now());
    node.ask({ op: index % 2 === 0 ? 'virtualize' : 'devirtualize' });
  }
  node.runUntilConsole('A', 'D');
  return { results: node.dwords(resultsOf('A'), 7), retired: node.machine.counters.retiredInstructions };
}

describe('virtualize and devirtualize', () => {
  it('leave every register of the running guest as it was, instruction for instruction', () => {
    const bare = checksumWith([]);
    expect(bare.results.every((value) => value !== 0n)).toBe(true);
    const switched = checksumWith([10_000, 50_000, 90_007, 120_003, 151_111, 180_000]);
    expect(switched).toEqual(bare);
  });

  it.each(['A', 'B'] as const)('leave what M-mode owns as it was when side %s had the machine', (side) => {
    const node = new TinyNode({ side, guests: { [side]: ticker(side, 'x', 500) } });
    node.ask({ op: 'status' });
    const before = node.state();
    node.ask({ op: 'virtualize' });
    expect(differences(before, node.state())).not.toEqual([]);
    const { status } = node.ask({ op: 'devirtualize' });
    expect(status).toMatchObject({ state: 'bare', production: side, stateIdentical: true, differences: [] });
    expect(differences(before, node.state())).toEqual([]);
  });

  it('swap sides for ever, each time to the state of a machine that booted that side', () => {
    const fresh = new TinyNode({ side: 'B', guests: { B: ticker('B', 'b', 500) } });
    fresh.ask({ op: 'status' });
    const node = new TinyNode({ guests: { A: ticker('A', 'a', 500), B: ticker('B', 'b', 500) } });
    node.ask({ op: 'status' });
    const states = { A: node.state(), B: fresh.state() };
    for (const [from, to] of [['A', 'B'] as const, ['B', 'A'] as const, ['A', 'B'] as const]) {
      node.ask({ op: 'virtualize' });
      node.bootVm(to);
      node.ask({ op: 'setProduction', side: to });
      node.ask({ op: 'destroyVm', side: from, force: true });
      const { status } = node.ask({ op: 'devirtualize' });
      expect(status).toMatchObject({ state: 'bare', production: to, stateIdentical: true });
      expect(differences(states[to], node.state())).toEqual([]);
      const printed = node.console[to].length;
      node.runNs(500_000);
      expect(node.console[to].length).toBeGreaterThan(printed + 5);
    }
  });

  it('add no M-mode entry to what a bare guest has', () => {
    const never = new TinyNode({ guests: { A: ticker('A', 'a', 500) } });
    const once = new TinyNode({ guests: { A: ticker('A', 'a', 500) } });
    once.ask({ op: 'virtualize' });
    once.runNs(1_000_000);
    once.ask({ op: 'devirtualize' });
    const interval = (node: TinyNode): Record<string, number> => {
      const before = { ...node.machine.counters.machineModeEntries };
      node.runNs(5_000_000);
      const after = node.machine.counters.machineModeEntries;
      return Object.fromEntries(Object.entries(after).map(([cause, count]) => [cause, count - (before[cause] ?? 0)]));
    };
    expect(Object.values(interval(never)).every((count) => count === 0)).toBe(true);
    expect(Object.values(interval(once)).every((count) => count === 0)).toBe(true);
  });

  it('take less than 0.05 ms of the running guest each', () => {
    const node = new TinyNode({ guests: { A: spinner(resultsOf('A')) } });
    node.runNs(100_000);
    for (const op of ['virtualize', 'devirtualize'] as const) {
      const before = node.machine.counters;
      const { switchNs } = node.ask({ op });
      expect(switchNs).toBeLessThan(50_000);
      // What the node is charged is what the Microvisor says, plus the trap and the mailbox.
      const charged = node.machine.counters.chargedCycles - before.chargedCycles;
      expect(charged).toBeGreaterThanOrEqual(switchNs);
      expect(charged).toBeLessThan(50_000);
    }
  });
});

describe('a machine that virtualize or devirtualize does not leave as it should', () => {
  /** The steps, with one that changes what `sabotage` does. */
  const sabotaged = (name: string, change: Partial<ReversibleStep>): readonly ReversibleStep[] =>
    VIRTUALIZE_STEPS.map((step) => (step.name === name ? { ...step, ...change } : step));

  it.each([
    ['delegation', ['medeleg']],
    ['memory', ['pmpcfg0', 'pmpcfg2', 'pmpaddr2', 'pmpaddr3', 'pmpaddr4', 'pmpaddr15']],
    ['timer', ['mie']],
  ])('is told apart when "%s" is not reverted', (name, names) => {
    const node = new TinyNode({
      guests: { A: ticker('A', 'a', 500) },
      steps: sabotaged(name, { revert: nothing }),
    });
    node.ask({ op: 'virtualize' });
    const { status } = node.ask({ op: 'devirtualize' });
    expect(status.stateIdentical).toBe(false);
    expect(status.differences.map((difference) => difference.name).toSorted()).toEqual(names.toSorted());
    expect(node.status().stateIdentical).toBe(false);
  });

  it.each([
    ['dma', nothing],
    ['interrupts', ({ hart }: StepContext): void => void hart.store(0x0210_0000, 4, 2n)],
  ] as const)('is told apart when "%s" is not reverted after a change of sides', (name, revert) => {
    const node = new TinyNode({
      guests: { A: ticker('A', 'a', 500), B: ticker('B', 'b', 500) },
      steps: sabotaged(name, { revert }),
    });
    node.ask({ op: 'virtualize' });
    node.bootVm('B');
    node.ask({ op: 'destroyVm', side: 'A', force: true });
    expect(node.ask({ op: 'devirtualize' }).status.stateIdentical).toBe(false);
  });

  it.each(VIRTUALIZE_STEPS.map(({ name }) => name))('is as it was when "%s" fails', (name) => {
    const step = VIRTUALIZE_STEPS.find((each) => each.name === name);
    const node = new TinyNode({
      guests: { A: ticker('A', 'a', 500) },
      steps: sabotaged(name, {
        apply(context) {
          step?.apply(context);
          throw new Error('injected');
        },
      }),
    });
    node.ask({ op: 'status' });
    const before = node.state();
    expect(node.request({ op: 'virtualize' })).toMatchObject({ ok: false, error: { code: 'step-failed' } });
    expect(differences(before, node.state())).toEqual([]);
    const printed = node.console.A.length;
    node.runNs(1_000_000);
    expect(node.console.A.length).toBeGreaterThan(printed + 10);
    expect(node.status().stateIdentical).toBe(true);
  });

  it.each(VIRTUALIZE_STEPS.map(({ name }) => name))('is virtualized as it was when "%s" cannot be reverted', (name) => {
    const step = VIRTUALIZE_STEPS.find((each) => each.name === name);
    let fails = true;
    const node = new TinyNode({
      guests: { A: ticker('A', 'a', 500), B: ticker('B', 'b', 500) },
      steps: sabotaged(name, {
        revert(context) {
          step?.revert(context);
          if (fails) throw new Error('injected');
        },
      }),
    });
    node.ask({ op: 'virtualize' });
    node.bootVm('B');
    node.ask({ op: 'destroyVm', side: 'A', force: true });
    const before = node.state();
    expect(node.request({ op: 'devirtualize' })).toMatchObject({
      ok: false,
      error: { code: 'step-failed', message: expect.stringContaining('injected') },
    });
    expect(differences(before, node.state())).toEqual([]);
    const printed = node.console.B.length;
    node.runNs(1_000_000);
    expect(node.console.B.length).toBeGreaterThan(printed + 10);
    fails = false;
    expect(node.ask({ op: 'devirtualize' }).status.stateIdentical).toBe(true);
  });

  it('is not virtualized when something has drifted before', () => {
    const node = new TinyNode({ guests: { A: ticker('A', 'a', 500) } });
    node.ask({ op: 'status' });
    node.hart.setCsr(0x306, 0n);
    expect(node.request({ op: 'virtualize' })).toMatchObject({
      ok: false,
      error: { code: 'state-drifted', message: expect.stringContaining('mcounteren is 0x0, not 0x7') },
    });
  });

  it('is not devirtualized when something has drifted meanwhile', () => {
    const node = new TinyNode({ guests: { A: ticker('A', 'a', 500) } });
    node.ask({ op: 'virtualize' });
    node.hart.store(0x0210_1000, 8, BigInt(BOARD.firmware.base));
    expect(node.request({ op: 'devirtualize' })).toMatchObject({
      ok: false,
      error: { code: 'state-drifted', message: expect.stringContaining('iopmp.A0.base0') },
    });
  });
});
