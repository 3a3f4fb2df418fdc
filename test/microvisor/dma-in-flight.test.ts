/** DMA that is under way when who owns what changes: it moves bytes for the owner of that instant, or none. */
import { describe, expect, it } from 'vitest';
import { TIMING } from '../../src/machine/index.ts';
import { RANDOM_DISK_BYTES, readRequest } from './block-request.ts';
import { poker, suspend, ticker, waitTicks } from './tiny-guests.ts';
import { allSlots, BOARD, TinyNode } from './tiny-node.ts';

const DISK = Uint8Array.from({ length: RANDOM_DISK_BYTES }, (_, index) => 1 + (index % 255));
const SECTOR_BYTES = 512;
const WORK = BOARD.bank.A.base + 0x20_0000;
const INSIDE = BOARD.bank.A.base + 0x30_0000;
const GIVEN_UP = BOARD.bank.B.base + 0x30_0000;
/** A block request takes at least this long. */
const HALF_WAY_NS = TIMING.blockRequestNs / 2;

/** A has its disk read into `target`, after `prepare`; the request is on its way when this returns. */
function reading(target: number, prepare: (node: TinyNode) => void): TinyNode {
  const { pokes, memory } = readRequest('A', 1, WORK, target);
  const node = new TinyNode({
    guests: { A: `${waitTicks(10_000)}${poker('A', pokes)}`, B: ticker('B', 'b', 500) },
    disks: { A1: DISK },
  });
  for (const { address, bytes } of memory) node.machine.memory.write(address, bytes);
  prepare(node);
  expect(node.console.A).not.toContain('K');
  node.runUntil(() => node.machine.slot('A', 1).device!.inFlight() > 0, 'a request in flight');
  node.runNs(HALF_WAY_NS / 10);
  expect(node.machine.slot('A', 1).device!.inFlight()).toBe(1);
  return node;
}

const sector = (node: TinyNode, at: number): number[] => [...node.machine.memory.view(at, SECTOR_BYTES)];
const READ = [...DISK.subarray(0, SECTOR_BYTES)];
const NOTHING = Array.from({ length: SECTOR_BYTES }, () => 0);

const bare = (): void => {};
const virtualized = (node: TinyNode): void => void node.ask({ op: 'virtualize' });
const createB = (node: TinyNode): void =>
  void node.ask({ op: 'createVm', side: 'B', memory: [BOARD.lowStub.B, BOARD.bank.B], slots: allSlots('B') });
const besideB = (node: TinyNode): void => {
  virtualized(node);
  createB(node);
};

describe('DMA in flight', () => {
  it.each(['virtualize', 'devirtualize'] as const)('arrives though the node is %sd meanwhile', (op) => {
    const node = reading(INSIDE, op === 'virtualize' ? bare : virtualized);
    node.ask({ op });
    expect(node.status().state).toBe(op === 'virtualize' ? 'virtualized' : 'bare');
    node.runNs(1_000_000);
    expect(sector(node, INSIDE)).toEqual(READ);
    expect(node.machine.slot('A', 1).device!.inFlight()).toBe(0);
  });

  it('moves no byte into memory that its owner has given up meanwhile', () => {
    const node = reading(GIVEN_UP, virtualized);
    node.ask({ op: 'setMemory', region: BOARD.bank.B, owner: null });
    node.runNs(1_000_000);
    expect(sector(node, GIVEN_UP)).toEqual(NOTHING);
  });

  it('moves no byte into memory that another guest has got meanwhile', () => {
    const node = reading(GIVEN_UP, virtualized);
    createB(node);
    node.runNs(1_000_000);
    expect(sector(node, GIVEN_UP)).toEqual(NOTHING);
  });

  it('keeps its device from changing hands, and ends with it when its guest is destroyed', () => {
    const node = reading(INSIDE, besideB);
    const slot = { side: 'A', index: 1 } as const;
    expect(node.request({ op: 'moveSlot', slot, owner: null })).toMatchObject({
      ok: false,
      error: { code: 'device-in-use' },
    });
    node.ask({ op: 'destroyVm', side: 'A', force: true });
    expect(node.machine.slot('A', 1).device!.inFlight()).toBe(0);
    node.runNs(1_000_000);
    expect(sector(node, INSIDE)).toEqual(NOTHING);
  });

  it('ends when its guest falls asleep: it is woken without', () => {
    const { pokes, memory } = readRequest('B', 1, BOARD.bank.B.base + 0x20_0000, GIVEN_UP);
    const sleeper = poker('B', pokes, `${suspend('woken', 0n)}\nwoken:\n${ticker('B', 'w', 500)}`);
    const node = new TinyNode({ guests: { A: ticker('A', 'a', 500), B: sleeper }, disks: { B1: DISK } });
    for (const { address, bytes } of memory) node.machine.memory.write(address, bytes);
    besideB(node);
    node.ask({ op: 'bootVm', side: 'B' });
    node.runUntilConsole('B', 'K');
    node.runUntil(() => node.status().guests.B?.state === 'asleep', 'guest B to sleep');
    expect(node.machine.slot('B', 1).device!.inFlight()).toBe(0);
    node.runNs(1_000_000);
    node.ask({ op: 'wakeVm', side: 'B', resume: node.status().guests.B!.resume! });
    node.runUntilConsole('B', 'Kwww');
    expect(sector(node, GIVEN_UP)).toEqual(NOTHING);
  });

  it('arrives once the Microvisor has been replaced beneath it', () => {
    const node = reading(INSIDE, virtualized);
    node.replace({ name: '1.1', formats: [1, 2] });
    node.runNs(1_000_000);
    expect(sector(node, INSIDE)).toEqual(READ);
  });
});
