import { describe, expect, it } from 'vitest';
import type { MachineOptions, Side } from '../../src/machine/index.ts';
import { differences } from '../../src/microvisor/index.ts';
import { VIRTUALIZE_STEPS } from '../../src/microvisor/steps/index.ts';
import type { ReversibleStep } from '../../src/microvisor/steps/step.ts';
import { COMMAND, crew, crewCommand, crewCounters } from './crew-guest.ts';
import { spinner, ticker } from './tiny-guests.ts';
import { allSlots, BOARD, resultsOf, TinyNode, type TinyNodeOptions } from './tiny-node.ts';

type Harts = NonNullable<MachineOptions['harts']>;
const PERIOD_TICKS = 500;
const SWITCH_NS_MAX = 200_000;

const crewNode = (harts: Harts, more: Partial<TinyNodeOptions> = {}): TinyNode => {
  const guests = { A: crew('A', harts, PERIOD_TICKS), B: crew('B', harts, PERIOD_TICKS) };
  const node = new TinyNode({ harts, guests, ...more });
  node.runUntil(() => hartsOf(node, harts, 'A').every(([timer]) => timer! > 3n), 'every hart to run');
  return node;
};

const hartsOf = (node: TinyNode, harts: number, side: Side): bigint[][] =>
  Array.from({ length: harts }, (_, id) => node.dwords(crewCounters(side, id), 3));

/** How much every counter of each hart grows in a while. */
function progress(node: TinyNode, harts: number, side: Side, ns = 1_000_000): bigint[][] {
  const before = hartsOf(node, harts, side);
  node.runNs(ns);
  return hartsOf(node, harts, side).map((counters, id) => counters.map((count, index) => count - before[id]![index]!));
}

const command = (node: TinyNode, side: Side, what: bigint): void => {
  const bytes = new Uint8Array(8);
  new DataView(bytes.buffer).setBigUint64(0, what, true);
  node.machine.memory.write(crewCommand(side), bytes);
};

const states = (node: TinyNode, harts: number) => Array.from({ length: harts }, (_, id) => node.state(id));

describe.each([2, 3, 4] as const)('an OS on %i harts', (harts) => {
  it('goes on with all of them through virtualize and devirtualize, and none stands still for 0.2 ms', () => {
    const node = crewNode(harts);
    for (let round = 0; round < 5; round++) {
      for (const op of ['virtualize', 'devirtualize'] as const) {
        const startNs = node.machine.now();
        const { switchNs } = node.ask({ op });
        expect(switchNs).toBeLessThan(SWITCH_NS_MAX);
        expect(node.machine.now() - startNs).toBeLessThan(SWITCH_NS_MAX);
        for (const [timer, software, fences] of progress(node, harts, 'A')) {
          expect(timer).toBeGreaterThan(15n);
          expect(software).toBeGreaterThan(10n);
          expect(fences).toBeGreaterThan(15n);
        }
      }
    }
  });

  it('is left with what M-mode owns of each hart as it was', () => {
    const node = crewNode(harts);
    node.ask({ op: 'status' });
    const before = states(node, harts);
    node.ask({ op: 'virtualize' });
    for (const [id, state] of states(node, harts).entries()) expect(differences(before[id]!, state)).not.toEqual([]);
    expect(node.ask({ op: 'devirtualize' }).status).toMatchObject({ stateIdentical: true, differences: [] });
    for (const [id, state] of states(node, harts).entries()) expect(differences(before[id]!, state)).toEqual([]);
  });

  it('runs the same, bit for bit, when it is run again', () => {
    const run = (): unknown => {
      const node = crewNode(harts);
      node.ask({ op: 'virtualize' });
      node.runNs(1_000_000);
      node.ask({ op: 'devirtualize' });
      return [hartsOf(node, harts, 'A'), node.machine.counters, node.machine.now()];
    };
    expect(run()).toEqual(run());
  });

  const last = harts - 1;

  it.each(VIRTUALIZE_STEPS.filter(({ scope }) => scope === 'hart').map(({ name }) => name))(
    'is as it was on every hart when "%s" fails on the last',
    (name) => {
      const node = crewNode(harts, { steps: failing(name, 'apply', last) });
      node.ask({ op: 'status' });
      const before = states(node, harts);
      expect(node.request({ op: 'virtualize' })).toMatchObject({ ok: false, error: { code: 'step-failed' } });
      for (const [id, state] of states(node, harts).entries()) expect(differences(before[id]!, state)).toEqual([]);
      for (const [timer] of progress(node, harts, 'A')) expect(timer).toBeGreaterThan(15n);
    },
  );

  it.each(VIRTUALIZE_STEPS.filter(({ scope }) => scope === 'hart').map(({ name }) => name))(
    'is virtualized as it was on every hart when "%s" cannot be reverted on the last',
    (name) => {
      const node = crewNode(harts, { steps: failing(name, 'revert', last) });
      node.ask({ op: 'virtualize' });
      node.runNs(500_000);
      expect(node.request({ op: 'devirtualize' })).toMatchObject({ ok: false, error: { code: 'step-failed' } });
      expect(node.status().state).toBe('virtualized');
      for (const [timer] of progress(node, harts, 'A')) expect(timer).toBeGreaterThan(15n);
      expect(node.status().guests.A?.exits['sbi']).toBeGreaterThan(0);
      // Nothing has drifted: it fails for the same reason again.
      expect(node.request({ op: 'devirtualize' })).toMatchObject({ ok: false, error: { code: 'step-failed' } });
    },
  );

  it('is neither virtualized nor devirtualized when something of one hart has drifted', () => {
    const MCOUNTEREN = 0x306;
    const node = crewNode(harts);
    node.ask({ op: 'status' });
    const hart = node.hartOf(last);
    const drifted = {
      ok: false,
      error: { code: 'state-drifted', message: expect.stringContaining(`hart${last}.mcounteren is 0x0, not 0x7`) },
    };
    hart.setCsr(MCOUNTEREN, 0n);
    expect(node.request({ op: 'virtualize' })).toMatchObject(drifted);
    expect(node.status()).toMatchObject({ state: 'bare', stateIdentical: false });
    hart.setCsr(MCOUNTEREN, 7n);
    node.ask({ op: 'virtualize' });
    hart.setCsr(MCOUNTEREN, 0n);
    expect(node.request({ op: 'devirtualize' })).toMatchObject(drifted);
    hart.setCsr(MCOUNTEREN, 7n);
    expect(node.ask({ op: 'devirtualize' }).status.stateIdentical).toBe(true);
  });

  it('is neither virtualized nor devirtualized while a hart is offline', () => {
    const node = crewNode(harts);
    command(node, 'A', COMMAND.stopLast);
    node.runNs(500_000);
    expect(node.request({ op: 'virtualize' })).toMatchObject({
      ok: false,
      error: { code: 'hart-offline', message: expect.stringContaining(`hart ${last} is not`) },
    });
    command(node, 'A', COMMAND.startLast);
    node.runNs(500_000);
    node.ask({ op: 'virtualize' });
    command(node, 'A', COMMAND.stopLast);
    node.runNs(500_000);
    expect(node.status().guests.A?.hartsOnline).toEqual(Array.from({ length: last }, (_, id) => id));
    expect(node.request({ op: 'devirtualize' })).toMatchObject({ ok: false, error: { code: 'hart-offline' } });
    command(node, 'A', COMMAND.startLast);
    node.runNs(500_000);
    expect(node.ask({ op: 'devirtualize' }).status.stateIdentical).toBe(true);
    for (const [timer] of progress(node, harts, 'A')) expect(timer).toBeGreaterThan(15n);
  });

  it('gives a whole hart to another OS, and has it back before devirtualize', () => {
    const node = crewNode(harts, { guests: { A: crew('A', harts, PERIOD_TICKS), B: spinner(resultsOf('B')) } });
    node.ask({ op: 'virtualize' });
    expect(node.request({ op: 'moveHart', hart: last, owner: null })).toMatchObject({
      ok: false,
      error: { code: 'hart-in-use' },
    });
    command(node, 'A', COMMAND.stopLast);
    node.runNs(500_000);
    node.ask({ op: 'moveHart', hart: last, owner: null });
    node.ask({
      op: 'createVm',
      side: 'B',
      harts: [last],
      memory: [BOARD.lowStub.B, BOARD.bank.B],
      slots: allSlots('B'),
    });
    node.ask({ op: 'mark' });
    node.ask({ op: 'bootVm', side: 'B' });
    node.runUntil(() => node.status().guests.B?.state === 'running', 'guest B to run');
    const [before] = node.dwords(resultsOf('B'), 1);
    const others = progress(node, harts, 'A').slice(0, last);
    // Three instructions a round, on a hart of its own.
    expect(Number(node.dwords(resultsOf('B'), 1)[0]! - before!)).toBeGreaterThan(300_000);
    for (const [timer, software] of others) {
      expect(timer).toBeGreaterThan(15n);
      expect(software).toBeGreaterThan(10n);
    }
    expect(node.status()).toMatchObject({ harts: [...Array.from({ length: last }, () => ['A']), ['B']] });
    expect(node.status().guests.A?.pauseNs).toBeLessThan(50_000);
    node.ask({ op: 'destroyVm', side: 'B', force: true });
    node.ask({ op: 'moveHart', hart: last, owner: 'A' });
    expect(node.request({ op: 'devirtualize' })).toMatchObject({ ok: false, error: { code: 'hart-offline' } });
    command(node, 'A', COMMAND.startLast);
    node.runNs(500_000);
    expect(node.ask({ op: 'devirtualize' }).status.stateIdentical).toBe(true);
    for (const [timer] of progress(node, harts, 'A')) expect(timer).toBeGreaterThan(15n);
  });

  it('shares its first hart with an OS that has been given none', () => {
    const node = crewNode(harts, { guests: { A: crew('A', harts, PERIOD_TICKS), B: ticker('B', 'b', 700) } });
    node.ask({ op: 'virtualize' });
    node.bootVm('B');
    const printed = node.console.B.length;
    for (const [timer] of progress(node, harts, 'A')) expect(timer).toBeGreaterThan(15n);
    expect(node.console.B.length).toBeGreaterThan(printed + 10);
    expect(node.status().harts[0]).toEqual(['A', 'B']);
  });

  it('is replaced by one on the other side that takes over every hart', () => {
    const node = crewNode(harts);
    node.ask({ op: 'virtualize' });
    command(node, 'A', COMMAND.stopLast);
    node.runNs(500_000);
    node.ask({ op: 'moveHart', hart: last, owner: null });
    node.ask({
      op: 'createVm',
      side: 'B',
      harts: [last],
      memory: [BOARD.lowStub.B, BOARD.bank.B],
      slots: allSlots('B'),
    });
    node.ask({ op: 'bootVm', side: 'B' });
    node.runUntil(() => hartsOf(node, harts, 'B')[last]![0]! > 3n, 'guest B to run');
    node.ask({ op: 'setProduction', side: 'B' });
    node.ask({ op: 'destroyVm', side: 'A', force: true });
    for (let id = 0; id < last; id++) node.ask({ op: 'moveHart', hart: id, owner: 'B' });
    expect(node.request({ op: 'devirtualize' })).toMatchObject({ ok: false, error: { code: 'hart-offline' } });
  });
});

/** The steps, one of which fails on one hart after it has done its work. */
function failing(name: string, way: 'apply' | 'revert', hartId: number): readonly ReversibleStep[] {
  return VIRTUALIZE_STEPS.map((step) =>
    step.name !== name
      ? step
      : {
          ...step,
          [way](context: Parameters<ReversibleStep['apply']>[0]) {
            step[way](context);
            if (context.hart.hartId === hartId) throw new Error('injected');
          },
        },
  );
}
