import { describe, expect, it } from 'vitest';
import type { MachineOptions } from '../../src/machine/index.ts';
import { HANDOVER_ADDRESS } from '../../src/microvisor/handover/frame.ts';
import { type MachineState, type MicrovisorStatus, RELEASES, type Release } from '../../src/microvisor/index.ts';
import { crew, crewCounters } from './crew-guest.ts';
import { checksum, echo, spinner, ticker } from './tiny-guests.ts';
import { BOARD, resultsOf, TinyNode } from './tiny-node.ts';

const [FIRST, SECOND] = RELEASES as [Release, Release];
const SWITCH_NS_MAX = 200_000;

/** What may change: who is in charge, and the accounts, which go on. */
const ownership = ({ release: _, guests, ...status }: MicrovisorStatus) => ({
  ...status,
  guests: Object.values(guests).map(({ state, harts, hartsOnline, boots, bootError }) => [
    state,
    harts,
    hartsOnline,
    boots,
    bootError,
  ]),
});

const without = (name: string, state: MachineState) => [...state].filter(([each]) => each !== name);

describe('an image of the Microvisor that replaces another', () => {
  it('has the node as its predecessor had it: guests, partition, shares, and the accounts go on', () => {
    const node = new TinyNode({ guests: { A: ticker('A', 'a', 500), B: spinner(resultsOf('B')) } });
    node.ask({ op: 'virtualize' });
    node.bootVm('B');
    node.ask({ op: 'setShare', maintenancePercent: 20, sliceUs: 300 });
    node.runNs(3_000_000);
    const before = { status: node.status(), account: node.microvisor.account('A', node.machine.now()) };
    const { status, switchNs } = node.replace(SECOND);
    expect(status.release).toBe(SECOND.name);
    expect(switchNs).toBeLessThan(SWITCH_NS_MAX);
    expect(ownership(status)).toEqual(ownership(before.status));
    const account = node.microvisor.account('A', node.machine.now());
    expect(account.idleNs).toBeGreaterThanOrEqual(before.account.idleNs);
    expect(account.exits['wfi']).toBeGreaterThanOrEqual(before.account.exits['wfi']!);
    const printed = node.console.A.length;
    node.runNs(1_000_000);
    expect(node.console.A.length - printed).toBeGreaterThan(15);
  });

  it('accounts for every instant and every entry into M-mode as if there had been one image all along', () => {
    const node = new TinyNode({ guests: { A: ticker('A', 'a', 500), B: spinner(resultsOf('B')) } });
    node.ask({ op: 'virtualize' });
    node.bootVm('B');
    const total = (side: 'A' | 'B'): { ns: number; exits: number; monitorNs: number } => {
      const { ranNs, idleNs, heldNs, exits, monitorNs } = node.microvisor.account(side, node.machine.now());
      const count = Object.values(exits).reduce((sum, each) => sum + each, 0);
      return { ns: ranNs + idleNs + heldNs, exits: count, monitorNs };
    };
    const entries = (): number =>
      Object.values(node.machine.counters.machineModeEntries).reduce((sum, count) => sum + count, 0);
    const before = { A: total('A'), B: total('B'), entries: entries(), ns: node.machine.now() };
    const { chargedCycles } = node.machine.counters;
    for (let round = 0; round < 10; round++) {
      node.runNs(1_000_000);
      node.replace(round % 2 === 0 ? SECOND : FIRST);
    }
    node.runNs(1_000_000);
    const [A, B] = [total('A'), total('B')];
    const passedNs = node.machine.now() - before.ns;
    const spentNs = node.machine.counters.chargedCycles - chargedCycles;
    expect(A.exits + B.exits - before.A.exits - before.B.exits).toBe(entries() - before.entries);
    for (const [now, then] of [[A, before.A] as const, [B, before.B] as const]) {
      // M-mode's own time is nobody's.
      expect(now.ns - then.ns).toBeGreaterThan(passedNs - spentNs - 5_000);
      expect(now.ns - then.ns).toBeLessThanOrEqual(passedNs + 1_000);
    }
    const booked = A.monitorNs + B.monitorNs - before.A.monitorNs - before.B.monitorNs;
    expect(booked).toBeGreaterThan(0.98 * spentNs);
    expect(booked).toBeLessThanOrEqual(1.02 * spentNs);
  });

  it('goes unnoticed by an OS that computes, whenever it happens, there and back', () => {
    const results = (replaceAfterNs: readonly number[]): readonly bigint[] => {
      const node = new TinyNode({ guests: { A: checksum('A', resultsOf('A'), 20_000), B: spinner(resultsOf('B')) } });
      node.ask({ op: 'virtualize' });
      node.bootVm('B');
      for (const [index, ns] of replaceAfterNs.entries()) {
        node.runNs(ns);
        node.replace(index % 2 === 0 ? SECOND : FIRST);
      }
      node.runUntilConsole('A', 'D', 200_000_000);
      return node.dwords(resultsOf('A'), 7);
    };
    const expected = results([]);
    expect(results([1_000])).toEqual(expected);
    expect(results([1_234, 5_678, 91_011, 121_314, 151_617])).toEqual(expected);
  });

  it('changes nothing of a machine with one guest but where its traps go', () => {
    const twins = [1, 2].map(() => new TinyNode({ guests: { A: checksum('A', resultsOf('A'), 20_000) } }));
    const [node, twin] = twins as [TinyNode, TinyNode];
    for (const each of twins) {
      each.ask({ op: 'virtualize' });
      each.runNs(1_000_000);
    }
    const before = node.state();
    node.replace(SECOND);
    expect(without('mtvec', node.state())).toEqual(without('mtvec', before));
    expect(node.state().get('mtvec')).not.toBe(before.get('mtvec'));
    for (const each of twins) each.runUntilConsole('A', 'D', 100_000_000);
    expect(node.dwords(resultsOf('A'), 7)).toEqual(twin.dwords(resultsOf('A'), 7));
    for (const each of twins) each.ask({ op: 'devirtualize' });
    expect(node.status()).toMatchObject({ state: 'bare', stateIdentical: true, release: SECOND.name });
  });

  it('may come in the middle of input and output: no byte from the wire is lost or doubled', () => {
    const node = new TinyNode({ guests: { A: echo('A'), B: spinner(resultsOf('B')) } });
    node.ask({ op: 'virtualize' });
    node.bootVm('B');
    const sent = Array.from({ length: 60 }, (_, index) => 0x40 + (index % 20));
    for (const [index, byte] of sent.entries()) {
      node.machine.uart('A').input(Uint8Array.of(byte));
      node.runNs(700 + 97 * index);
      if (index % 7 === 3) node.replace(index % 2 === 0 ? SECOND : FIRST);
      node.runNs(100_000);
    }
    node.runNs(2_000_000);
    expect(node.console.A).toBe(String.fromCharCode(...sent.map((byte) => byte + 1)));
  });

  it('devirtualizes and virtualizes, and is replaced while the node is bare', () => {
    const node = new TinyNode({ guests: { A: ticker('A', 'a', 500) } });
    expect(node.status()).toMatchObject({ state: 'bare', release: FIRST.name });
    const before = node.state();
    expect(node.replace(SECOND).status).toMatchObject({ state: 'bare', release: SECOND.name, stateIdentical: true });
    node.ask({ op: 'virtualize' });
    node.runNs(500_000);
    const exits = node.microvisor.account('A', node.machine.now());
    node.replace(FIRST);
    node.ask({ op: 'devirtualize' });
    expect(node.state()).toEqual(before);
    expect(node.microvisor.account('A', node.machine.now()).idleNs).toBeGreaterThanOrEqual(exits.idleNs);
    node.replace(SECOND);
    expect(node.microvisor.account('A', node.machine.now()).idleNs).toBeGreaterThanOrEqual(exits.idleNs);
  });

  it('comes again and again, two banks taking turns', () => {
    const node = new TinyNode({ guests: { A: ticker('A', 'a', 500), B: ticker('B', 'b', 700) } });
    node.ask({ op: 'virtualize' });
    node.bootVm('B');
    for (let round = 0; round < 20; round++) {
      node.replace(round % 2 === 0 ? SECOND : FIRST);
      const [a, b] = [node.console.A.length, node.console.B.length];
      node.runNs(313_131);
      expect(node.console.A.length - a).toBeGreaterThan(4);
      expect(node.console.B.length - b).toBeGreaterThan(2);
    }
    node.ask({ op: 'destroyVm', side: 'A', force: true });
    expect(node.ask({ op: 'devirtualize' }).status).toMatchObject({ stateIdentical: true, differences: [] });
  });
});

describe('an image that cannot take over', () => {
  const running = (): TinyNode => {
    const node = new TinyNode({ guests: { A: ticker('A', 'a', 500), B: ticker('B', 'b', 700) } });
    node.ask({ op: 'virtualize' });
    node.runNs(500_000);
    return node;
  };

  /** The request is refused with `code`, and the node goes on as if nobody had asked. */
  function isRefused(node: TinyNode, code: string): void {
    // The timer of M-mode moves with time.
    const before = {
      state: without('mtimecmp', node.state()),
      ownership: ownership(node.status()),
      release: node.status().release,
    };
    expect(node.request({ op: 'replace' })).toMatchObject({ ok: false, error: { code } });
    expect(without('mtimecmp', node.state())).toEqual(before.state);
    expect([ownership(node.status()), node.status().release]).toEqual([before.ownership, before.release]);
    const printed = node.console.A.length;
    node.runNs(1_000_000);
    expect(node.console.A.length - printed).toBeGreaterThan(15);
    expect(node.microvisor.account('A', node.machine.now()).idleNs).toBeGreaterThan(0);
  }

  it('is none that is not there', () => isRefused(running(), 'no-image'));

  it('is one that does not understand the form of the state', () => {
    const node = running();
    node.offer({ name: '9.0', formats: [9] });
    isRefused(node, 'handover-format');
    // Another one can still come.
    node.replace(SECOND);
  });

  it('is one for another board', () => {
    const node = running();
    node.offer(SECOND, { harts: 2 });
    isRefused(node, 'handover-mismatch');
  });

  it('has to wait while a guest is being loaded', () => {
    const node = running();
    node.ask({
      op: 'createVm',
      side: 'B',
      memory: [BOARD.lowStub.B, BOARD.bank.B],
      slots: Array.from({ length: 8 }, (_, index) => ({ side: 'B', index })),
    });
    node.ask({ op: 'bootVm', side: 'B' });
    expect(node.status().guests.B?.state).toBe('booting');
    node.offer(SECOND);
    isRefused(node, 'guest-in-transit');
    node.runUntil(() => node.status().guests.B?.state === 'running', 'guest B to run');
    node.ask({ op: 'replace' });
  });

  it.each([
    ['a PMP entry', 0x3b2, 1n],
    ['the trap delegation', 0x302, 0n],
  ])('is one that would find %s drifted', (_, csr, value) => {
    const node = running();
    node.offer(SECOND);
    const good = node.hart.csr(csr);
    node.hart.setCsr(csr, value);
    expect(node.request({ op: 'replace' })).toMatchObject({ ok: false, error: { code: 'state-drifted' } });
    node.hart.setCsr(csr, good);
    node.ask({ op: 'replace' });
  });

  it.each([12, 16, 20, 24, 500, 1000])('is one that finds byte %i of what was handed over damaged', (offset) => {
    const node = running();
    node.offer(SECOND);
    const { writeMemory } = node.hart;
    node.hart.writeMemory = (address, bytes) => {
      const damaged = bytes.slice();
      if (address === HANDOVER_ADDRESS) damaged[offset]! ^= 0x10;
      return writeMemory.call(node.hart, address, damaged);
    };
    const answer = node.request({ op: 'replace' });
    expect(answer).toMatchObject({ ok: false });
    if (!answer.ok) expect(['handover-mismatch', 'handover-format']).toContain(answer.error.code);
    node.hart.writeMemory = writeMemory;
    node.ask({ op: 'replace' });
  });

  it('is one whose address a hart does not take', () => {
    const node = running();
    node.offer(SECOND);
    const { setCsr } = node.hart;
    node.hart.setCsr = (csr, value) => (csr === 0x305 ? undefined : setCsr.call(node.hart, csr, value));
    isRefused(node, 'step-failed');
  });
});

describe.each([2, 3, 4] as const)('on %i harts the image is replaced', (harts: MachineOptions['harts']) => {
  const counters = (node: TinyNode): bigint[][] =>
    Array.from({ length: harts }, (_, id) => node.dwords(crewCounters('A', id), 3));

  it('on all of them at once, while they interrupt and fence one another', () => {
    const node = new TinyNode({ harts, guests: { A: crew('A', harts, 500) } });
    node.runUntil(() => counters(node).every(([timer]) => timer! > 3n), 'every hart to run');
    node.ask({ op: 'virtualize' });
    for (let round = 0; round < 10; round++) {
      node.runNs(123_457 + 1_717 * round);
      const startNs = node.machine.now();
      const { switchNs } = node.replace(round % 2 === 0 ? SECOND : FIRST);
      expect(switchNs).toBeLessThan(SWITCH_NS_MAX);
      expect(node.machine.now() - startNs).toBeLessThan(SWITCH_NS_MAX);
      const before = counters(node);
      node.runNs(500_000);
      for (const [id, [timer, software, fences]] of counters(node).entries()) {
        expect(timer! - before[id]![0]!).toBeGreaterThan(7n);
        expect(software! - before[id]![1]!).toBeGreaterThan(5n);
        expect(fences! - before[id]![2]!).toBeGreaterThan(7n);
      }
    }
    expect(node.ask({ op: 'devirtualize' }).status).toMatchObject({ stateIdentical: true, differences: [] });
  });
});
