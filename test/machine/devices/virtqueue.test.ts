import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { VirtioEntropy } from '../../../src/machine/devices/virtio/entropy.ts';
import { type Bench, bytesOf, createBench, type DriverQueue, FEATURE, RAM, REG, startDevice } from './support.ts';

const BUFFER = RAM.base + 0x8000;
const NEEDS_RESET = 64;

/** The entropy device as the simplest user of a queue: it fills what it is given with 0xee. */
function start(features = 0n): { bench: Bench; queue: DriverQueue } {
  const bench = createBench();
  const random = (bytes: number) => new Uint8Array(bytes).fill(0xee);
  const [queue] = startDevice(bench, new VirtioEntropy({ name: 'rng', random, timers: bench.events }), {
    queues: [0],
    size: 8,
    features,
  });
  return { bench, queue: queue! };
}

const run = ({ bench, queue }: { bench: Bench; queue: DriverQueue }): void => {
  queue.notify();
  bench.advance(0);
};

describe('a split virtqueue', () => {
  it('returns each chain with the bytes written and interrupts', () => {
    const { bench, queue } = start();
    const head = queue.add([
      { address: BUFFER, bytes: 4, writable: true },
      { address: BUFFER + 16, bytes: 2, writable: true },
    ]);
    run({ bench, queue });
    expect(queue.takeUsed()).toEqual([{ id: head, length: 6 }]);
    expect(bytesOf(bench, BUFFER, 6)).toEqual([0xee, 0xee, 0xee, 0xee, 0, 0]);
    expect(bytesOf(bench, BUFFER + 16, 3)).toEqual([0xee, 0xee, 0]);
    expect([bench.wire, bench.read(REG.interruptStatus)]).toEqual([true, 1]);
    bench.write(REG.interruptAck, 1);
    expect([bench.wire, bench.read(REG.interruptStatus)]).toEqual([false, 0]);
  });

  it('wraps around its indices', () => {
    const { bench, queue } = start();
    for (let turn = 0; turn < 70_000; turn++) {
      queue.add([{ address: BUFFER, bytes: 1, writable: true }]);
      queue.notify();
      if (turn % 8 === 7) bench.advance(0);
      if (turn % 8 === 7) expect(queue.takeUsed()).toHaveLength(8);
    }
  });

  it('follows an indirect table', () => {
    const { bench, queue } = start(FEATURE.indirect);
    const table = RAM.base + 0x9000;
    queue.writeDescriptor(0, BUFFER, 3, 1 | 2, 1, table);
    queue.writeDescriptor(1, BUFFER + 8, 2, 2, 0, table);
    queue.writeDescriptor(5, table, 32, 4, 0);
    queue.makeAvailable(5);
    run({ bench, queue });
    expect(queue.takeUsed()).toEqual([{ id: 5, length: 5 }]);
  });

  it('does not interrupt a driver that has said it does not want it', () => {
    const { bench, queue } = start();
    queue.write16(queue.driver, 1);
    queue.add([{ address: BUFFER, bytes: 1, writable: true }]);
    run({ bench, queue });
    expect(bench.wire).toBe(false);
    expect(queue.takeUsed()).toHaveLength(1);
  });

  it('with event idx interrupts when the used index passes used_event, and says after which buffer to notify', () => {
    const { bench, queue } = start(FEATURE.eventIdx);
    const usedEvent = queue.driver + 4 + 2 * queue.size;
    const availEvent = queue.device + 4 + 8 * queue.size;
    queue.write16(usedEvent, 1);
    queue.add([{ address: BUFFER, bytes: 1, writable: true }]);
    run({ bench, queue });
    expect([bench.wire, queue.read16(availEvent)]).toEqual([false, 1]);
    queue.add([{ address: BUFFER, bytes: 1, writable: true }]);
    run({ bench, queue });
    expect([bench.wire, queue.read16(availEvent)]).toEqual([true, 2]);
  });

  it('with event idx interrupts once for each time used_event is passed, in batches, too', () => {
    fc.assert(
      fc.property(
        fc.array(fc.record({ batch: fc.integer({ min: 1, max: 8 }), ahead: fc.integer({ min: -3, max: 9 }) })),
        (turns) => {
          const { bench, queue } = start(FEATURE.eventIdx);
          let used = 0;
          for (const { batch, ahead } of turns) {
            const event = (used + ahead) & 0xffff;
            queue.write16(queue.driver + 4 + 2 * queue.size, event);
            for (let index = 0; index < batch; index++) queue.add([{ address: BUFFER, bytes: 1, writable: true }]);
            run({ bench, queue });
            const passed = Array.from({ length: batch }, (_, index) => (used + index) & 0xffff).includes(event);
            expect(bench.wire).toBe(passed);
            bench.write(REG.interruptAck, 1);
            used += batch;
          }
        },
      ),
      { numRuns: 20 },
    );
  });

  const table = RAM.base + 0x9000;
  const broken: readonly (readonly [string, (queue: DriverQueue) => void])[] = [
    ['a head outside the table', (queue) => queue.makeAvailable(8)],
    [
      'a next outside the table',
      (queue) => {
        queue.writeDescriptor(0, BUFFER, 1, 1 | 2, 99);
        queue.makeAvailable(0);
      },
    ],
    [
      'a loop',
      (queue) => {
        queue.writeDescriptor(0, BUFFER, 1, 1 | 2, 0);
        queue.makeAvailable(0);
      },
    ],
    ['an available index too far ahead', (queue) => queue.write16(queue.driver + 2, 9)],
    [
      'a readable part after a writable one',
      (queue) =>
        void queue.add([
          { address: BUFFER, bytes: 1, writable: true },
          { address: BUFFER, bytes: 1 },
        ]),
    ],
    [
      'an indirect table that is not whole descriptors',
      (queue) => {
        queue.writeDescriptor(0, table, 17, 4, 0);
        queue.makeAvailable(0);
      },
    ],
    [
      'an indirect descriptor inside an indirect table',
      (queue) => {
        queue.writeDescriptor(0, table, 16, 4, 0, table);
        queue.writeDescriptor(0, table, 16, 4, 0);
        queue.makeAvailable(0);
      },
    ],
    [
      'an indirect table outside RAM',
      (queue) => {
        queue.writeDescriptor(0, 2 ** 52, 16, 4, 0);
        queue.makeAvailable(0);
      },
    ],
    [
      'a chain of more bytes than there can be',
      (queue) => void queue.add([{ address: BUFFER, bytes: 0xffff_ffff, writable: true }]),
    ],
  ];
  it.each(broken)('with %s asks for a reset, once, and moves nothing', (_, breakRing) => {
    const { bench, queue } = start(FEATURE.indirect);
    breakRing(queue);
    run({ bench, queue });
    expect(bench.read(REG.status) & NEEDS_RESET).toBe(NEEDS_RESET);
    expect(bench.transport.brokenReason).not.toBe('');
    expect([bench.wire, bench.read(REG.interruptStatus)]).toEqual([true, 2]);
    run({ bench, queue });
    expect(queue.takeUsed()).toEqual([]);
    bench.write(REG.status, 0);
    expect([bench.wire, bench.read(REG.status)]).toEqual([false, 0]);
  });

  it('outside the memory of its owner asks for a reset, and the access is counted', () => {
    const { bench, queue } = start();
    queue.add([{ address: BUFFER, bytes: 1, writable: true }]);
    bench.own(BUFFER, 0x1000);
    run({ bench, queue });
    expect(bench.read(REG.status) & NEEDS_RESET).toBe(NEEDS_RESET);
    expect(bench.iopmp.denied(3)).toBe(1);
  });
});
