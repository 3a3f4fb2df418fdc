import { describe, expect, it } from 'vitest';
import { VIRTIO_MMIO } from '../../src/firmware/boot/virtio-mmio.ts';
import {
  ACLINT,
  PARTITION_CONTROLLER,
  PARTITION_REGISTERS,
  RAM_BASE,
  SIDE_IO,
  SIDE_IO_BASE,
  type Side,
  slotBase,
} from '../../src/machine/index.ts';
import { RANDOM_DISK_BYTES, readRequest } from './block-request.ts';
import { type Probe, poker, prober, ticker, waitTicks } from './tiny-guests.ts';
import { BOARD, resultsOf, TinyNode } from './tiny-node.ts';

const FAULT = { load: 5n, store: 7n, jump: 1n } as const;
const VIRTIO_MAGIC = 0x7472_6976n;

interface Probed {
  readonly value: bigint;
  readonly cause: bigint;
  readonly address: bigint;
}

/** Runs a prober on side B beside a ticker on side A, and returns what each probe found. */
function probe(
  probes: readonly Probe[],
  prepare: (node: TinyNode) => void = () => {},
): { node: TinyNode; found: Probed[] } {
  const node = new TinyNode({ guests: { A: ticker('A', 'a', 1000), B: prober('B', resultsOf('B'), probes) } });
  node.ask({ op: 'virtualize' });
  prepare(node);
  node.bootVm('B');
  node.runUntilConsole('B', 'P');
  const found = probes.map((_, index) => {
    const [value = 0n, cause = 0n, address = 0n] = node.dwords(resultsOf('B') + 24 * index, 3);
    return { value, cause, address };
  });
  return { node, found };
}

const FOREIGN: readonly (readonly [string, number])[] = [
  ["the other's low memory", BOARD.lowStub.A.base],
  ["the other's bank", BOARD.bank.A.base],
  ["the last word of the other's bank", BOARD.bank.A.base + BOARD.bank.A.bytes - 4],
  ['memory that is nobody’s', BOARD.scratch.B.base],
  ['firmware memory', RAM_BASE],
  ['the Microvisor', RAM_BASE + 0x10_0000],
  ['the timer of M-mode', ACLINT.base + 0x4000],
  ['the partition controller', PARTITION_CONTROLLER.base + PARTITION_REGISTERS.iopmp],
  ["the other's PLIC", SIDE_IO_BASE.A],
  ["the other's UART", SIDE_IO_BASE.A + SIDE_IO.uart.offset],
  ["the other's clock", SIDE_IO_BASE.A + SIDE_IO.rtc.offset],
  ['where there is nothing', 0x4000_0000],
];

describe('a guest that touches what is not its own', () => {
  for (const kind of ['load', 'store', 'jump'] as const) {
    it(`gets an access fault for each ${kind}`, () => {
      const { node, found } = probe(FOREIGN.map(([, address]) => ({ kind, address })));
      expect(found.map(({ cause, address }, index) => [FOREIGN[index]?.[0], cause, address])).toEqual(
        FOREIGN.map(([what, address]) => [what, FAULT[kind], BigInt(address)]),
      );
      const exits = node.status().guests.B?.exits ?? {};
      expect(exits['access-fault']).toBe(FOREIGN.length);
    });
  }

  it('changes nothing there, and the other guest goes on', () => {
    const bank = BOARD.bank.A.base;
    const before = new TinyNode({ guests: { A: ticker('A', 'a', 1000) } }).dwords(bank, 4096);
    const probes = Array.from({ length: 64 }, (_, index): Probe => ({ kind: 'store', address: bank + 64 * index }));
    const { node } = probe(probes);
    expect(node.dwords(bank, 4096)).toEqual(before);
    const printed = node.console.A.length;
    node.runNs(1_000_000);
    expect(node.console.A.length).toBeGreaterThan(printed + 5);
  });

  it('reaches all that is its own', () => {
    const own = [
      BOARD.lowStub.B.base,
      BOARD.lowStub.B.base + BOARD.lowStub.B.bytes - 4,
      BOARD.bank.B.base + BOARD.bank.B.bytes - 4,
      SIDE_IO_BASE.B + 4,
      SIDE_IO_BASE.B + SIDE_IO.rtc.offset,
    ];
    const { found } = probe(own.map((address) => ({ kind: 'load', address })));
    expect(found.map(({ cause }) => cause)).toEqual(own.map(() => 0n));
  });

  it('is denied the same when it is the production guest that has given memory away', () => {
    const probes: Probe[] = [
      { kind: 'load', address: BOARD.bank.A.base },
      { kind: 'load', address: BOARD.bank.B.base },
      { kind: 'load', address: BOARD.scratch.B.base },
    ];
    const node = new TinyNode({
      // The wait lets the partition change before it looks.
      guests: { A: `${waitTicks(300_000)}${prober('A', resultsOf('A'), probes)}`, B: ticker('B', 'b', 1000) },
    });
    node.ask({ op: 'virtualize' });
    node.bootVm('B');
    expect(node.console.A).toBe('');
    node.runUntilConsole('A', 'P');
    expect([0, 1, 2].map((index) => node.dwords(resultsOf('A') + 24 * index + 8, 1)[0])).toEqual([0n, FAULT.load, 0n]);
  });
});

describe("a slot that is another's", () => {
  const magic = (side: Side, index: number): Probe => ({ kind: 'load', address: slotBase(side, index) });

  it('reads as absent and ignores what is written', () => {
    const { node, found } = probe([
      magic('A', 0),
      magic('A', 5),
      { kind: 'store', address: slotBase('A', 0) + VIRTIO_MMIO.status },
      magic('B', 0),
    ]);
    expect(found.map(({ value, cause }) => [value, cause])).toEqual([
      [0n, 0n],
      [0n, 0n],
      [0x5a5an, 0n],
      [VIRTIO_MAGIC, 0n],
    ]);
    expect(node.status().guests.B?.exits).toMatchObject({ 'absent-device': 3 });
  });

  it('is there once it has been moved, and no more once it has been taken back', () => {
    const { found } = probe([magic('A', 3), magic('A', 4), magic('B', 6)], (node) => {
      node.ask({ op: 'createVm', side: 'B', memory: [], slots: [] });
      node.ask({ op: 'moveSlot', slot: { side: 'A', index: 3 }, owner: 'B' });
      node.ask({ op: 'moveSlot', slot: { side: 'A', index: 4 }, owner: 'B' });
      node.ask({ op: 'moveSlot', slot: { side: 'A', index: 4 }, owner: null });
      node.ask({ op: 'destroyVm', side: 'B', force: false });
      node.ask({ op: 'moveSlot', slot: { side: 'A', index: 3 }, owner: 'A' });
    });
    expect(found.map(({ value }) => value)).toEqual([0n, 0n, VIRTIO_MAGIC]);
  });

  it('cannot be jumped into', () => {
    const { found } = probe([{ kind: 'jump', address: slotBase('A', 0) }]);
    expect(found[0]?.cause).toBe(FAULT.jump);
  });
});

describe('a device', () => {
  /** The guest of side A has its disk read into memory at `target`; what came of it. */
  function readInto(target: number): { before: bigint[]; after: bigint[]; denied: bigint } {
    const { pokes, memory } = readRequest('A', 1, BOARD.bank.A.base + 0x20_0000, target);
    const node = new TinyNode({
      guests: { A: `${waitTicks(300_000)}${poker('A', pokes)}`, B: ticker('B', 'b', 1000) },
      disks: { A1: Uint8Array.from({ length: RANDOM_DISK_BYTES }, (_, index) => 1 + (index % 255)) },
    });
    for (const { address, bytes } of memory) node.machine.memory.write(address, bytes);
    node.ask({ op: 'virtualize' });
    node.bootVm('B');
    const before = node.dwords(target, 64);
    node.runUntilConsole('A', 'K');
    node.runNs(1_000_000);
    const denied = node.hart.load(PARTITION_CONTROLLER.base + PARTITION_REGISTERS.iopmpDenied + 4, 4) ?? 0n;
    return { before, after: node.dwords(target, 64), denied };
  }

  it("writes into its owner's memory", () => {
    const { before, after, denied } = readInto(BOARD.bank.A.base + 0x30_0000);
    expect(after).not.toEqual(before);
    expect(denied).toBe(0n);
  });

  it.each([
    ["the other guest's bank", BOARD.bank.B.base + 0x30_0000],
    ["the other guest's low memory", BOARD.lowStub.B.base],
    ['firmware memory', RAM_BASE + 0x1000],
  ])('moves no byte into %s', (_what, target) => {
    const { before, after, denied } = readInto(target);
    expect(after).toEqual(before);
    expect(denied).toBeGreaterThan(0n);
  });
});
