import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { MIB, RAM_BASE, SIDE_IO_BASE, SIDE_IO_BYTES } from '../../../src/machine/board.ts';
import { BoardDevices } from '../../../src/machine/board-devices.ts';
import { VirtioBlock } from '../../../src/machine/devices/virtio/block.ts';
import { VirtioConsole } from '../../../src/machine/devices/virtio/console.ts';
import { VirtioEntropy } from '../../../src/machine/devices/virtio/entropy.ts';
import { VirtioNet } from '../../../src/machine/devices/virtio/net.ts';
import type { VirtioModel } from '../../../src/machine/devices/virtio/virtio-model.ts';
import type { AccessBytes, BlockStore } from '../../../src/machine/door.ts';
import type { TimerSource } from '../../../src/machine/event-queue.ts';
import { EventQueue } from '../../../src/machine/event-queue.ts';
import { createPhysicalMemory } from '../../../src/machine/memory.ts';
import { createBench, FEATURE, RAM, REG, SLOT, startDevice } from './support.ts';

const OWN_BYTES = RAM.bytes / 2;
const FOREIGN = RAM.base + OWN_BYTES;
const QUEUE_SIZE = 8;
/** Rings are at 4 KiB a queue from the start of RAM; buffers and headers after them. */
const BUFFERS = RAM.base + 0x8000;

const disk = (): BlockStore => {
  const data = new Uint8Array(0x1_0000).fill(0x77);
  return {
    bytes: data.length,
    readOnly: false,
    read: (offset, into) => into.set(data.subarray(offset, offset + into.length)),
    write: (offset, from) => data.set(from, offset),
    flush: () => {},
  };
};

interface Subject {
  readonly kind: string;
  readonly queues: readonly number[];
  readonly features: bigint;
  readonly create: (timers: TimerSource) => VirtioModel;
}

const SUBJECTS: readonly Subject[] = [
  {
    kind: 'block',
    queues: [0],
    features: 1n << 9n,
    create: (timers) => new VirtioBlock({ name: 'block', store: disk(), serial: 'x', timers }),
  },
  {
    kind: 'net',
    queues: [0, 1],
    features: 1n,
    create: (timers) => new VirtioNet({ name: 'net', mac: '52:54:00:00:00:01', timers }),
  },
  {
    kind: 'console',
    queues: [2, 3, 4, 5],
    features: 2n,
    create: (timers) => new VirtioConsole({ name: 'console', ports: ['port'], timers }),
  },
  {
    kind: 'rng',
    queues: [0],
    features: 0n,
    create: (timers) => new VirtioEntropy({ name: 'rng', random: (bytes) => new Uint8Array(bytes).fill(0xee), timers }),
  },
];

const address = fc.oneof(
  { weight: 6, arbitrary: fc.integer({ min: 0, max: 0x3fff }).map((at) => BUFFERS + at) },
  { weight: 2, arbitrary: fc.integer({ min: -64, max: 0x3fff }).map((at) => FOREIGN + at) },
  { weight: 1, arbitrary: fc.constantFrom(0, RAM.base - 1, RAM.base + RAM.bytes - 1, 2 ** 53) },
  { weight: 1, arbitrary: fc.integer({ min: 0, max: 0x3000 }).map((at) => RAM.base + at) },
);
const length = fc.oneof(
  { weight: 8, arbitrary: fc.constantFrom(0, 1, 8, 12, 16, 20, 74, 512, 513, 1526) },
  { weight: 1, arbitrary: fc.constantFrom(0x4000, 0x10_0000, 0xffff_ffff) },
);
const descriptor = fc.record({
  address,
  length,
  flags: fc.constantFrom(0, 1, 1, 1, 2, 3, 3, 4, 5, 0xffff),
  next: fc.oneof({ weight: 8, arbitrary: fc.nat(QUEUE_SIZE - 1) }, { weight: 1, arbitrary: fc.nat(0xffff) }),
});
const ring = fc.record({
  descriptors: fc.array(descriptor, { minLength: QUEUE_SIZE, maxLength: QUEUE_SIZE }),
  heads: fc.array(
    fc.oneof({ weight: 9, arbitrary: fc.nat(QUEUE_SIZE - 1) }, { weight: 1, arbitrary: fc.nat(0xffff) }),
    {
      minLength: 1,
      maxLength: QUEUE_SIZE,
    },
  ),
  /** Request headers and indirect tables lie among the buffers. */
  buffers: fc.uint8Array({ minLength: 256, maxLength: 256 }),
});

describe('a driver that writes whatever it likes into its rings', () => {
  const memory = createPhysicalMemory(RAM.base, RAM.bytes);
  const zeros = new Uint8Array(OWN_BYTES);
  const foreign = new Uint8Array(RAM.bytes - OWN_BYTES).fill(0x3c);

  it.each(SUBJECTS)('gets no byte of foreign memory moved by a $kind device, and no error', (subject) => {
    let denied = 0;
    let completed = 0;
    let broken = 0;
    fc.assert(
      fc.property(fc.array(ring, { minLength: 4, maxLength: 4 }), fc.boolean(), (rings, eventIdx) => {
        memory.write(RAM.base, zeros);
        memory.write(FOREIGN, foreign);
        const bench = createBench(memory);
        const model = subject.create(bench.events);
        bench.own(RAM.base, OWN_BYTES);
        const features = subject.features | FEATURE.indirect | (eventIdx ? FEATURE.eventIdx : 0n);
        const queues = startDevice(bench, model, { queues: subject.queues, size: QUEUE_SIZE, features });
        queues.forEach((queue, order) => {
          const { descriptors, heads, buffers } = rings[order]!;
          memory.write(BUFFERS + 0x1000 * order, buffers);
          descriptors.forEach((each, index) => {
            queue.writeDescriptor(index, each.address, each.length, each.flags, each.next);
          });
          for (const head of heads) queue.makeAvailable(head);
          queue.notify();
          model.outside.ethernet?.receive(new Uint8Array(60).fill(0x99));
          model.outside.ports?.get('port')?.input(new Uint8Array(100).fill(0x99));
          bench.advance(1_000_000);
          completed += queue.read16(queue.device + 2);
        });
        denied += bench.iopmp.denied(SLOT);
        broken += bench.transport.brokenReason === '' ? 0 : 1;
        expect(Buffer.compare(memory.view(FOREIGN, foreign.length), foreign)).toBe(0);
      }),
      { numRuns: 300 },
    );
    // The rings were bad enough to say something, and good enough, too.
    for (const count of [denied, completed, broken]) expect(count).toBeGreaterThan(0);
  });
});

describe('a driver that writes registers while its requests are under way', () => {
  const memory = createPhysicalMemory(RAM.base, RAM.bytes);
  const LOOKS_MAX = 100_000;
  const empty = new Uint8Array(0x1_0000);
  /** The clock of a bench that is looked at without end when an event schedules itself for the same instant. */
  const boundedClock = (clock: { ns: number }): void => {
    let looks = 0;
    let ns = 0;
    Object.defineProperty(clock, 'ns', {
      get: () => {
        looks += 1;
        if (looks > LOOKS_MAX) throw new Error('node time stands still');
        return ns;
      },
      set: (to: number) => {
        ns = to;
      },
    });
  };
  const act = fc.oneof(
    fc.constantFrom('offer', 'notify', 'receive', 'save').map((what) => ({ what, register: 0, value: 0 })),
    fc.nat(300_000).map((value) => ({ what: 'wait', register: 0, value })),
    fc.record({
      what: fc.constant('write'),
      register: fc.oneof(
        fc.constantFrom(REG.queueReady, REG.queueSel, REG.status),
        fc.constantFrom(...Object.values(REG)),
      ),
      value: fc.constantFrom(0, 1, 3, 4, 7, 0xb, 0xf, 0x40, 0xffff_ffff, RAM.base),
    }),
  );

  it.each(SUBJECTS)('has neither an error nor a standstill of a $kind device', (subject) => {
    fc.assert(
      fc.property(fc.array(act, { minLength: 20, maxLength: 60 }), (acts) => {
        memory.write(RAM.base, empty);
        const bench = createBench(memory);
        boundedClock(bench.clock);
        const model = subject.create(bench.events);
        const queues = startDevice(bench, model, { ...subject, size: QUEUE_SIZE });
        for (const [index, { what, register, value }] of acts.entries()) {
          const queue = queues[index % queues.length]!;
          if (what === 'offer') {
            queue.add([
              { address: BUFFERS, bytes: 16 },
              { address: BUFFERS + 16, bytes: 64, writable: true },
            ]);
            queue.notify();
          } else if (what === 'notify') queue.notify();
          else if (what === 'wait') bench.advance(value);
          else if (what === 'write') bench.write(register, value);
          else if (what === 'save') bench.transport.restore(bench.transport.save());
          else {
            model.outside.ethernet?.receive(new Uint8Array(60));
            model.outside.ports?.get('port')?.input(new Uint8Array(100));
          }
        }
        bench.advance(10_000_000_000);
      }),
      { numRuns: 300 },
    );
  });
});

describe('software that reads and writes registers at random', () => {
  const createBoard = () => {
    const memory = createPhysicalMemory(RAM_BASE, MIB);
    const clock = { ns: 0 };
    const events = new EventQueue(
      () => clock.ns,
      () => {},
    );
    const board: BoardDevices = new BoardDevices({
      harts: 2,
      memory,
      timers: events,
      time: () => BigInt(Math.floor(clock.ns / 100)),
      setLine: () => {},
      onPower: () => {},
      onResponse: (deliver) => deliver(),
    });
    SUBJECTS.forEach((subject, index) => {
      board.sides.A.slots[index]!.plug(subject.create(events));
    });
    return { board, events, clock };
  };
  const at = fc.oneof(
    fc.integer({ min: 0, max: 0x1_ffff }).map((offset) => 0x0200_0000 + offset),
    fc.integer({ min: 0, max: 0x3000 }).map((offset) => 0x0210_0000 + offset),
    fc.integer({ min: 0, max: 2 * SIDE_IO_BYTES }).map((offset) => SIDE_IO_BASE.A + offset),
    fc.integer({ min: 0, max: 0x3fff }).map((offset) => SIDE_IO_BASE.A + 0x41_0000 + offset),
    fc.integer({ min: 0, max: 0x1fff }).map((offset) => SIDE_IO_BASE.A + 0x40_0000 + offset),
  );
  const value = fc.oneof(
    fc.constantFrom(0n, 1n, 3n, 0xbn, 0xfn, 0xffff_ffffn),
    fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }),
  );
  const access = fc.record({ at, bytes: fc.constantFrom<AccessBytes>(1, 2, 4, 8), value: fc.option(value) });

  it('gets an answer of the width it asked for, and no error', () => {
    fc.assert(
      fc.property(fc.array(access, { minLength: 50, maxLength: 200 }), (accesses) => {
        const { board, events, clock } = createBoard();
        for (const { at, bytes, value } of accesses) {
          const address = at - (at % bytes);
          if (value !== null) board.bus.write(address, bytes, BigInt.asUintN(8 * bytes, value));
          const answer = board.bus.read(address, bytes);
          if (answer !== undefined) expect(BigInt.asUintN(8 * bytes, answer)).toBe(answer);
          clock.ns += 1000;
          events.runDue(clock.ns);
        }
        const saved = board.save();
        board.restore(saved);
        expect(board.save()).toEqual(saved);
      }),
      { numRuns: 100 },
    );
  });
});
