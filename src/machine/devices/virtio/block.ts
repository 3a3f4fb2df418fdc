/**
 * virtio-blk. Source: [VIRTIO] 1.2 "Block Device". With VIRTIO_BLK_F_FLUSH the guest knows of a volatile write cache: a
 * write is durable only after a flush.
 *
 * A request is taken from the ring when the driver notifies, and done as a whole at the end of its latency: that is when
 * its bytes move. The bus transfers one request after the other; the fixed part of the latency overlaps.
 */
import { TIMING } from '../../board.ts';
import { type BlockStore, MediumError, type NodeTimeNs, type PluggedDevice, type SnapshotValue } from '../../door.ts';
import type { Timer, TimerSource } from '../../event-queue.ts';
import { SnapshotPart } from '../../snapshot-part.ts';
import { gather, scatter, slice } from './segments.ts';
import type { VirtioModel } from './virtio-model.ts';
import { type DescriptorChain, type Segment, segmentBytes, type Virtqueue } from './virtqueue.ts';

const DEVICE_TYPE_BLOCK = 2;
const QUEUE_SIZE = 128;
const SECTOR_BYTES = 512;

const FEATURES = {
  segMax: 1n << 2n,
  readOnly: 1n << 5n,
  blockSize: 1n << 6n,
  flush: 1n << 9n,
  writeZeroes: 1n << 14n,
} as const;

/** Offsets of struct virtio_blk_config. */
const CONFIG = {
  capacity: 0,
  segMax: 12,
  blockSize: 20,
  maxWriteZeroesSectors: 48,
  maxWriteZeroesSegments: 52,
  bytes: 60,
} as const;
/** Two descriptors of a chain are its header and its status. */
const SEG_MAX = QUEUE_SIZE - 2;
const WRITE_ZEROES_SECTORS_MAX = 0x8000;

const REQUEST = { in: 0, out: 1, flush: 4, getId: 8, writeZeroes: 13 } as const;
const HEADER_BYTES = 16; // le32 type, le32 reserved, le64 sector
const RANGE_BYTES = 16; // le64 sector, le32 num_sectors, le32 flags
const ID_BYTES = 20;

const STATUS = { ok: 0, ioError: 1, unsupported: 2 } as const;

const VERSION = 1;

const failed = { status: STATUS.ioError, written: 0 } as const;

interface BlockRequest {
  readonly doneAtNs: NodeTimeNs;
  readonly head: number;
  readonly type: number;
  readonly sector: number;
  /** Without header. */
  readonly readable: readonly Segment[];
  /** With the status byte at its end. */
  readonly writable: readonly Segment[];
}

export interface VirtioBlockOptions {
  readonly name: string;
  readonly store: BlockStore;
  /** At most 20 ASCII characters: udev makes /dev/disk/by-id/virtio-SERIAL of it. */
  readonly serial: string;
  readonly timers: TimerSource;
}

export class VirtioBlock implements VirtioModel {
  readonly deviceType = DEVICE_TYPE_BLOCK;
  readonly features: bigint;
  readonly queueSizes = [QUEUE_SIZE];
  readonly config: Uint8Array;
  readonly outside: PluggedDevice = { kind: 'block', inFlight: () => this.#requests.length };
  readonly #name: string;
  readonly #store: BlockStore;
  readonly #serial: Uint8Array;
  readonly #timers: TimerSource;
  readonly #timer: Timer;
  #queues: readonly (Virtqueue | undefined)[] = [];
  /** Taken and not completed, in order of completion. */
  #requests: BlockRequest[] = [];
  #busFreeAtNs: NodeTimeNs = 0;

  /** Throws when the store is not made of whole sectors or the serial does not fit. */
  constructor(options: VirtioBlockOptions) {
    const { name, store, serial, timers } = options;
    if (store.bytes % SECTOR_BYTES !== 0) {
      throw new RangeError(`${name}: a disk is made of sectors of ${SECTOR_BYTES} bytes, not of ${store.bytes} bytes`);
    }
    this.#serial = new TextEncoder().encode(serial);
    if (this.#serial.length > ID_BYTES) throw new RangeError(`${name}: serial ${serial} is longer than ${ID_BYTES}`);
    this.#name = name;
    this.#store = store;
    this.#timers = timers;
    this.#timer = timers.timer(`${name}.block`, () => this.#complete());
    this.features =
      FEATURES.segMax |
      FEATURES.blockSize |
      FEATURES.flush |
      (store.readOnly ? FEATURES.readOnly : FEATURES.writeZeroes);
    this.config = configSpace(store);
  }

  start(queues: readonly (Virtqueue | undefined)[]): void {
    this.#queues = queues;
  }

  notify(): void {
    const queue = this.#queues[0];
    for (;;) {
      const chain = queue?.pop();
      if (queue === undefined || chain === undefined) break;
      const request = this.#take(queue, chain);
      if (request !== undefined) this.#requests.push(request);
    }
    queue?.signal();
    this.#arm();
  }

  /** Reads the header; a chain without room for header and status goes back untouched. */
  #take(queue: Virtqueue, chain: DescriptorChain): BlockRequest | undefined {
    const raw = gather(queue.port, slice(chain.readable, 0, HEADER_BYTES));
    if (raw === undefined || raw.length < HEADER_BYTES || segmentBytes(chain.writable) === 0) {
      queue.push(chain.head, 0);
      return undefined;
    }
    const header = new DataView(raw.buffer);
    const readable = slice(chain.readable, HEADER_BYTES, Number.POSITIVE_INFINITY);
    const type = header.getUint32(0, true);
    const dataBytes = segmentBytes(readable) + segmentBytes(chain.writable) - 1;
    return {
      doneAtNs: this.#schedule(type, dataBytes),
      head: chain.head,
      type,
      sector: Number(header.getBigUint64(8, true)),
      readable,
      writable: chain.writable,
    };
  }

  #schedule(type: number, bytes: number): NodeTimeNs {
    const startNs = Math.max(this.#timers.now(), this.#busFreeAtNs);
    const transferNs = Math.ceil((bytes * TIMING.blockNsPerKib) / 1024);
    this.#busFreeAtNs = startNs + transferNs;
    const doneAtNs = this.#busFreeAtNs + (type === REQUEST.flush ? TIMING.blockFlushNs : TIMING.blockRequestNs);
    // Requests complete in order: nothing overtakes a flush.
    return Math.max(doneAtNs, this.#requests.at(-1)?.doneAtNs ?? 0);
  }

  #arm(): void {
    const next = this.#requests[0];
    if (next === undefined) this.#timer.disarm();
    else if (this.#timer.atNs !== next.doneAtNs) this.#timer.arm(next.doneAtNs);
  }

  #complete(): void {
    const queue = this.#queues[0];
    // The driver has taken the queue away from beneath them: nobody can be told of them.
    if (queue === undefined) this.#requests = [];
    while (queue !== undefined && (this.#requests[0]?.doneAtNs ?? Number.POSITIVE_INFINITY) <= this.#timers.now()) {
      const request = this.#requests.shift()!;
      const dataBytes = segmentBytes(request.writable) - 1;
      const { status, written } = this.#execute(queue, request, dataBytes);
      scatter(queue.port, slice(request.writable, dataBytes, dataBytes + 1), Uint8Array.of(status));
      queue.push(request.head, written + 1);
    }
    queue?.signal();
    this.#arm();
  }

  #execute(queue: Virtqueue, request: BlockRequest, dataBytes: number): { status: number; written: number } {
    try {
      return this.#ask(queue, request, dataBytes);
    } catch (error) {
      if (error instanceof MediumError) return failed;
      throw error;
    }
  }

  /** Throws MediumError. */
  #ask(queue: Virtqueue, request: BlockRequest, dataBytes: number): { status: number; written: number } {
    const ok = { status: STATUS.ok, written: 0 };
    if (request.type !== REQUEST.getId && this.#store.fails?.() === true) return failed;
    switch (request.type) {
      case REQUEST.in: {
        if (!this.#contains(request.sector, dataBytes)) return failed;
        const data = new Uint8Array(dataBytes);
        this.#store.read(request.sector * SECTOR_BYTES, data);
        const written = scatter(queue.port, slice(request.writable, 0, dataBytes), data);
        return { status: written === dataBytes ? STATUS.ok : STATUS.ioError, written };
      }
      case REQUEST.out: {
        const data = gather(queue.port, request.readable);
        return data !== undefined && this.#write(request.sector, data) ? ok : failed;
      }
      case REQUEST.flush:
        this.#store.flush();
        return ok;
      case REQUEST.getId: {
        const id = new Uint8Array(Math.min(ID_BYTES, dataBytes));
        id.set(this.#serial.subarray(0, id.length));
        const written = scatter(queue.port, slice(request.writable, 0, id.length), id);
        return { status: written === id.length ? STATUS.ok : STATUS.ioError, written };
      }
      case REQUEST.writeZeroes: {
        const ranges = gather(queue.port, request.readable);
        return ranges !== undefined && this.#writeZeroes(ranges) ? ok : failed;
      }
      default:
        return { status: STATUS.unsupported, written: 0 };
    }
  }

  #contains(sector: number, bytes: number): boolean {
    return bytes % SECTOR_BYTES === 0 && sector * SECTOR_BYTES + bytes <= this.#store.bytes;
  }

  #write(sector: number, data: Uint8Array): boolean {
    if (this.#store.readOnly || !this.#contains(sector, data.length)) return false;
    this.#store.write(sector * SECTOR_BYTES, data);
    return true;
  }

  /** One range, as the configuration says. */
  #writeZeroes(ranges: Uint8Array): boolean {
    if (ranges.length !== RANGE_BYTES) return false;
    const view = new DataView(ranges.buffer, ranges.byteOffset);
    const sectors = view.getUint32(8, true);
    if (sectors > WRITE_ZEROES_SECTORS_MAX) return false;
    return this.#write(Number(view.getBigUint64(0, true)), new Uint8Array(sectors * SECTOR_BYTES));
  }

  reset(): void {
    this.#queues = [];
    this.#requests = [];
    this.#busFreeAtNs = 0;
    this.#timer.disarm();
  }

  dispose(): void {
    this.#timer.dispose();
  }

  save(): SnapshotValue {
    return {
      version: VERSION,
      busFreeAtNs: this.#busFreeAtNs,
      requests: this.#requests.map((request) => ({
        ...request,
        readable: request.readable.flatMap((segment) => [segment.address, segment.bytes]),
        writable: request.writable.flatMap((segment) => [segment.address, segment.bytes]),
      })),
    };
  }

  restore(state: SnapshotValue): void {
    const part = new SnapshotPart(this.#name, state, VERSION);
    this.#busFreeAtNs = part.number('busFreeAtNs');
    this.#requests = part.parts('requests').map((request) => ({
      doneAtNs: request.number('doneAtNs'),
      head: request.number('head'),
      type: request.number('type'),
      sector: request.number('sector'),
      readable: segmentPairs(request.numbers('readable')),
      writable: segmentPairs(request.numbers('writable')),
    }));
  }
}

function configSpace(store: BlockStore): Uint8Array {
  const config = new Uint8Array(CONFIG.bytes);
  const view = new DataView(config.buffer);
  view.setBigUint64(CONFIG.capacity, BigInt(store.bytes / SECTOR_BYTES), true);
  view.setUint32(CONFIG.segMax, SEG_MAX, true);
  view.setUint32(CONFIG.blockSize, SECTOR_BYTES, true);
  view.setUint32(CONFIG.maxWriteZeroesSectors, WRITE_ZEROES_SECTORS_MAX, true);
  view.setUint32(CONFIG.maxWriteZeroesSegments, 1, true);
  return config;
}

const segmentPairs = (numbers: readonly number[]): Segment[] =>
  numbers.flatMap((address, index) => (index % 2 === 0 ? [{ address, bytes: numbers[index + 1]! }] : []));
