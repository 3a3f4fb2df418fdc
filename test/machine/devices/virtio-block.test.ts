import { beforeEach, describe, expect, it } from 'vitest';
import { TIMING } from '../../../src/machine/board.ts';
import { VirtioBlock } from '../../../src/machine/devices/virtio/block.ts';
import { type BlockStore, MediumError } from '../../../src/machine/door.ts';
import {
  type Bench,
  type Buffer,
  bytesOf,
  createBench,
  type DriverQueue,
  RAM,
  REG,
  SLOT,
  startDevice,
  startDriver,
} from './support.ts';

const HEADER = RAM.base + 0x8000;
const STATUS = RAM.base + 0x8100;
const DATA = RAM.base + 0x9000;
const IN = 0;
const OUT = 1;
const FLUSH = 4;
const GET_ID = 8;
const WRITE_ZEROES = 13;
const DISK_BYTES = 0x1_0000;

class DiskOfTest implements BlockStore {
  readonly bytes = DISK_BYTES;
  readonly readOnly: boolean;
  readonly disk = new Uint8Array(DISK_BYTES);
  flushes = 0;
  isFull = false;
  constructor(readOnly = false) {
    this.readOnly = readOnly;
  }
  read(offset: number, into: Uint8Array): void {
    into.set(this.disk.subarray(offset, offset + into.length));
  }
  write(offset: number, from: Uint8Array): void {
    this.disk.set(from, offset);
  }
  flush(): void {
    if (this.isFull) throw new MediumError('the medium is full');
    this.flushes++;
  }
}

let bench: Bench;
let store: DiskOfTest;
let queue: DriverQueue;
let device: VirtioBlock;

function plug(readOnly = false): void {
  bench = createBench();
  store = new DiskOfTest(readOnly);
  device = new VirtioBlock({ name: 'disk', store, serial: 'disk-of-test', timers: bench.events });
  queue = startDevice(bench, device, { queues: [0] })[0]!;
}

/** Queues a request; its status byte is 0xff until the device writes it. */
function request(type: number, sector: number, data: readonly Buffer[], header = HEADER, status = STATUS): number {
  const raw = new DataView(new ArrayBuffer(16));
  raw.setUint32(0, type, true);
  raw.setBigUint64(8, BigInt(sector), true);
  bench.memory.write(header, new Uint8Array(raw.buffer));
  bench.memory.write(status, Uint8Array.of(0xff));
  const head = queue.add([{ address: header, bytes: 16 }, ...data, { address: status, bytes: 1, writable: true }]);
  queue.notify();
  return head;
}

const status = (address = STATUS): number => bytesOf(bench, address, 1)[0]!;

beforeEach(() => plug());

describe('virtio-blk', () => {
  it('reads sectors into the buffers of a request after the latency of the data sheet, not before', () => {
    store.disk.fill(0x5a, 1024, 2048);
    const head = request(IN, 2, [
      { address: DATA, bytes: 512, writable: true },
      { address: DATA + 4096, bytes: 512, writable: true },
    ]);
    expect(device.outside.inFlight()).toBe(1);
    bench.advance(TIMING.blockRequestNs + TIMING.blockNsPerKib - 1);
    expect([queue.takeUsed(), status(), bench.wire]).toEqual([[], 0xff, false]);
    bench.advance(1);
    expect(queue.takeUsed()).toEqual([{ id: head, length: 1025 }]);
    expect([status(), bench.wire, device.outside.inFlight()]).toEqual([0, true, 0]);
    expect(bytesOf(bench, DATA, 513)).toEqual([...new Array(512).fill(0x5a), 0]);
    expect(bytesOf(bench, DATA + 4096, 512)).toEqual(new Array(512).fill(0x5a));
  });

  it('writes the buffers of a request to sectors', () => {
    bench.memory.write(DATA, new Uint8Array(512).fill(7));
    request(OUT, 5, [{ address: DATA, bytes: 512 }]);
    bench.advance(100_000);
    expect(status()).toBe(0);
    expect(store.disk.subarray(5 * 512, 6 * 512).every((byte) => byte === 7)).toBe(true);
    expect(queue.takeUsed()).toEqual([{ id: 0, length: 1 }]);
  });

  it('flushes after the writes that came before', () => {
    request(OUT, 0, [{ address: DATA, bytes: 512 }]);
    request(FLUSH, 0, [], HEADER + 32, STATUS + 1);
    bench.advance(TIMING.blockFlushNs - 1);
    expect([status(), status(STATUS + 1), store.flushes]).toEqual([0, 0xff, 0]);
    bench.advance(1000);
    expect([status(STATUS + 1), store.flushes]).toEqual([0, 1]);
  });

  it('fails a request that the medium fails, and goes on with the next', () => {
    store.isFull = true;
    request(FLUSH, 0, []);
    bench.advance(TIMING.blockFlushNs);
    expect([status(), store.flushes]).toEqual([1, 0]);
    store.isFull = false;
    request(FLUSH, 0, []);
    bench.advance(TIMING.blockFlushNs);
    expect([status(), store.flushes]).toEqual([0, 1]);
  });

  it('says what its serial is', () => {
    request(GET_ID, 0, [{ address: DATA, bytes: 20, writable: true }]);
    bench.advance(100_000);
    expect(new TextDecoder().decode(Uint8Array.from(bytesOf(bench, DATA, 20)))).toBe(`disk-of-test${'\0'.repeat(8)}`);
  });

  it('writes zeroes', () => {
    store.disk.fill(1);
    const range = new DataView(new ArrayBuffer(16));
    range.setBigUint64(0, 3n, true);
    range.setUint32(8, 2, true);
    bench.memory.write(DATA, new Uint8Array(range.buffer));
    request(WRITE_ZEROES, 0, [{ address: DATA, bytes: 16 }]);
    bench.advance(100_000);
    expect(status()).toBe(0);
    expect([store.disk[3 * 512 - 1], store.disk[3 * 512], store.disk[5 * 512 - 1], store.disk[5 * 512]]).toEqual([
      1, 0, 0, 1,
    ]);
  });

  it('answers an unknown request with VIRTIO_BLK_S_UNSUPP and one beyond the disk with VIRTIO_BLK_S_IOERR', () => {
    request(99, 0, []);
    request(IN, DISK_BYTES / 512, [{ address: DATA, bytes: 512, writable: true }], HEADER + 32, STATUS + 1);
    request(OUT, 0, [{ address: DATA, bytes: 100 }], HEADER + 64, STATUS + 2);
    bench.advance(1_000_000);
    expect([status(), status(STATUS + 1), status(STATUS + 2)]).toEqual([2, 1, 1]);
  });

  it('refuses to write to a read-only disk, and says that it is', () => {
    plug(true);
    request(OUT, 0, [{ address: DATA, bytes: 512 }]);
    bench.advance(100_000);
    expect(status()).toBe(1);
    bench.write(REG.deviceFeaturesSel, 0);
    expect(bench.read(REG.deviceFeatures) & (1 << 5)).not.toBe(0);
    expect([bench.read(REG.config), bench.read(REG.config + 4)]).toEqual([DISK_BYTES / 512, 0]);
  });

  describe('told to reach memory that is not the owner’s', () => {
    const OWN_BYTES = 0xa000;
    const FOREIGN = RAM.base + OWN_BYTES;
    beforeEach(() => bench.own(RAM.base, OWN_BYTES));

    it('writes no byte there, fails the request and counts the access', () => {
      bench.memory.write(FOREIGN, new Uint8Array(512).fill(0x11));
      store.disk.fill(0x77);
      request(IN, 0, [{ address: FOREIGN, bytes: 512, writable: true }]);
      bench.advance(100_000);
      expect(status()).toBe(1);
      expect(bytesOf(bench, FOREIGN, 512)).toEqual(new Array(512).fill(0x11));
      expect(bench.iopmp.denied(SLOT)).toBe(1);
    });

    it('reads no byte from there, fails the request and counts the access', () => {
      bench.memory.write(FOREIGN, new Uint8Array(512).fill(0x11));
      request(OUT, 0, [{ address: FOREIGN, bytes: 512 }]);
      bench.advance(100_000);
      expect([status(), bench.iopmp.denied(SLOT)]).toEqual([1, 1]);
      expect(store.disk.every((byte) => byte === 0)).toBe(true);
    });

    it('treats a buffer that is only partly the owner’s as foreign', () => {
      store.disk.fill(0x77);
      request(IN, 0, [{ address: FOREIGN - 256, bytes: 512, writable: true }]);
      bench.advance(100_000);
      expect([status(), bytesOf(bench, FOREIGN - 256, 512).some((byte) => byte !== 0)]).toEqual([1, false]);
    });

    it('reaches a buffer that two adjacent ranges of the owner cover together', () => {
      bench.iopmp.setRange(SLOT * 4 + 1, 'base', BigInt(FOREIGN));
      bench.iopmp.setRange(SLOT * 4 + 1, 'bytes', 0x1000n);
      request(IN, 0, [{ address: FOREIGN - 256, bytes: 512, writable: true }]);
      bench.advance(100_000);
      expect([status(), bench.iopmp.denied(SLOT)]).toEqual([0, 0]);
    });

    it('moves no byte when ownership changes while the request is in flight', () => {
      store.disk.fill(0x77);
      request(IN, 0, [{ address: DATA, bytes: 512, writable: true }]);
      bench.own(FOREIGN, 0x1000);
      bench.advance(100_000);
      expect(bytesOf(bench, DATA, 512).every((byte) => byte === 0)).toBe(true);
      expect(bench.iopmp.denied(SLOT)).toBeGreaterThan(0);
    });
  });

  it('drops requests in flight when it is unplugged, and can be plugged in again', () => {
    request(IN, 0, [{ address: DATA, bytes: 512, writable: true }]);
    bench.transport.unplug();
    bench.advance(1_000_000);
    expect([bench.read(REG.deviceId), status(), bench.wire]).toEqual([0, 0xff, false]);
    const again = new VirtioBlock({ name: 'disk', store, serial: '', timers: bench.events });
    bench.transport.plug(again);
    queue = startDriver(bench, { queues: [0] })[0]!;
    request(IN, 0, [{ address: DATA, bytes: 512, writable: true }]);
    bench.advance(100_000);
    expect([bench.read(REG.deviceId), status()]).toEqual([2, 0]);
  });

  it('completes after a snapshot what was in flight in it', () => {
    store.disk.fill(0x5a);
    request(FLUSH, 0, []);
    bench.advance(1_000_000);
    request(IN, 0, [{ address: DATA, bytes: 512, writable: true }]);
    bench.advance(1000);
    const saved = [
      bench.transport.save(),
      bench.events.save(),
      bench.memory.view(RAM.base, RAM.bytes).slice(),
    ] as const;
    const original = { bench, queue };
    plug();
    store.disk.fill(0x5a);
    bench.clock.ns = original.bench.clock.ns;
    bench.memory.write(RAM.base, saved[2]);
    bench.transport.restore(saved[0]);
    bench.events.restore(saved[1]);
    expect(bench.transport.save()).toEqual(saved[0]);
    for (const each of [original.bench, bench]) each.advance(100_000);
    expect(status()).toBe(0);
    expect(bench.memory.view(RAM.base, RAM.bytes)).toEqual(original.bench.memory.view(RAM.base, RAM.bytes));
    expect(bench.transport.save()).toEqual(original.bench.transport.save());
  });
});

describe('a driver that offers a descriptor again which the device has', () => {
  it('gets no more taken than the queue is long', () => {
    plug();
    queue.writeDescriptor(0, HEADER, 16, 1, 1);
    queue.writeDescriptor(1, STATUS, 1, 2, 0);
    for (let offered = 0; offered < 10 * queue.size; offered++) {
      queue.makeAvailable(0);
      if ((offered + 1) % queue.size === 0) queue.notify();
    }
    expect(bench.transport.brokenReason).toContain('one more is available');
    expect(device.outside.inFlight()).toBe(0);
  });
});

describe('a driver that takes the queue away while a request is under way', () => {
  it('is not told of it, and time goes on', () => {
    plug();
    queue.add([
      { address: HEADER, bytes: 16 },
      { address: STATUS, bytes: 1, writable: true },
    ]);
    queue.notify();
    expect(device.outside.inFlight()).toBe(1);
    bench.write(REG.queueSel, 0);
    bench.write(REG.queueReady, 0);
    let looks = 0;
    let ns = 0;
    Object.defineProperty(bench.clock, 'ns', {
      get: () => {
        if (++looks > 10_000) throw new Error('time stands still');
        return ns;
      },
      set: (to: number) => {
        ns = to;
      },
    });
    bench.advance(1e9);
    expect(device.outside.inFlight()).toBe(0);
    expect(queue.takeUsed()).toEqual([]);
  });
});
