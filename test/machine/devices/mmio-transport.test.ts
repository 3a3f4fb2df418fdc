import { beforeEach, describe, expect, it } from 'vitest';
import { VirtioEntropy } from '../../../src/machine/devices/virtio/entropy.ts';
import { SnapshotError } from '../../../src/machine/snapshot-part.ts';
import { type Bench, createBench, DriverQueue, RAM, REG, startDevice, startDriver } from './support.ts';

const RUNNING = 0xf;

let bench: Bench;
let device: VirtioEntropy;
beforeEach(() => {
  bench = createBench();
  device = new VirtioEntropy({ name: 'rng', random: (bytes) => new Uint8Array(bytes), timers: bench.events });
});

describe('a virtio-mmio slot', () => {
  it('reads as a version 2 transport without a device while it is empty, and ignores writes', () => {
    bench.write(REG.status, 0xf);
    expect([REG.magic, REG.version, REG.deviceId, REG.status, REG.queueSizeMax].map(bench.read)).toEqual([
      0x7472_6976, 2, 0, 0, 0,
    ]);
  });

  it('offers VIRTIO_F_VERSION_1, indirect descriptors and event idx', () => {
    bench.transport.plug(device);
    const offered = [0, 1, 2].map((half) => {
      bench.write(REG.deviceFeaturesSel, half);
      return bench.read(REG.deviceFeatures);
    });
    expect(offered).toEqual([(1 << 28) | (1 << 29), 1, 0]);
  });

  it.each([
    ['without VIRTIO_F_VERSION_1', 0, 0],
    ['with a feature that is not offered', 1, 1],
  ])('does not accept features %s', (_, low, high) => {
    bench.transport.plug(device);
    bench.write(REG.status, 3);
    bench.write(REG.driverFeaturesSel, 0);
    bench.write(REG.driverFeatures, low);
    bench.write(REG.driverFeaturesSel, 1);
    bench.write(REG.driverFeatures, high);
    bench.write(REG.status, 0xb);
    expect(bench.read(REG.status)).toBe(3);
  });

  it('takes a queue size that is a power of two up to the largest', () => {
    bench.transport.plug(device);
    bench.write(REG.queueSel, 1);
    expect(bench.read(REG.queueSizeMax)).toBe(0);
    bench.write(REG.queueSel, 0);
    expect(bench.read(REG.queueSizeMax)).toBe(8);
    const [queue] = startDriver(bench, { queues: [0], size: 16 });
    queue!.add([{ address: RAM.base + 0x8000, bytes: 1, writable: true }]);
    queue!.notify();
    bench.advance(0);
    expect(queue!.takeUsed()).toEqual([]);
  });

  it('forgets the driver when 0 is written to its status', () => {
    startDevice(bench, device, { queues: [0] });
    expect([bench.read(REG.status), bench.read(REG.queueReady)]).toEqual([RUNNING, 1]);
    bench.write(REG.status, 0);
    expect([bench.read(REG.status), bench.read(REG.queueReady)]).toEqual([0, 0]);
  });

  it('goes with the driver that has said both FEATURES_OK and DRIVER_OK, in whatever order, and so after a restore', () => {
    bench.transport.plug(device);
    bench.write(REG.status, 0x3);
    bench.write(REG.driverFeaturesSel, 1);
    bench.write(REG.driverFeatures, 1);
    const queue = new DriverQueue(bench, 0, RAM.base, 8);
    bench.write(REG.status, 0x7);
    bench.write(REG.status, 0xf);
    bench.transport.restore(bench.transport.save());
    queue.add([{ address: RAM.base + 0x8000, bytes: 1, writable: true }]);
    queue.notify();
    bench.advance(0);
    expect(queue.takeUsed()).toHaveLength(1);
  });

  it('has no shared memory', () => {
    bench.transport.plug(device);
    expect([bench.read(0xb0), bench.read(0xb4)]).toEqual([0xffff_ffff, 0xffff_ffff]);
  });

  it('holds one device', () => {
    bench.transport.plug(device);
    expect(() => bench.transport.plug(device)).toThrow('slot holds a rng device already');
  });

  it('refuses a snapshot that was taken with another device', () => {
    const empty = bench.transport.save();
    bench.transport.plug(device);
    expect(() => bench.transport.restore(empty)).toThrow(SnapshotError);
  });
});
