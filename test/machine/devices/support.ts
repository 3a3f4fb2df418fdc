/** A bench for devices: RAM, a hand-driven clock, and the driver's side of a virtio-mmio slot. */
import { SLOTS_PER_SIDE } from '../../../src/machine/board.ts';
import { Iopmp } from '../../../src/machine/devices/iopmp.ts';
import { MmioTransport } from '../../../src/machine/devices/virtio/mmio-transport.ts';
import type { VirtioModel } from '../../../src/machine/devices/virtio/virtio-model.ts';
import { EventQueue } from '../../../src/machine/event-queue.ts';
import { createPhysicalMemory } from '../../../src/machine/memory.ts';

export const RAM = { base: 0x8000_0000, bytes: 0x10_0000 };
export const SLOT = 3;

export const REG = {
  magic: 0x00,
  version: 0x04,
  deviceId: 0x08,
  deviceFeatures: 0x10,
  deviceFeaturesSel: 0x14,
  driverFeatures: 0x20,
  driverFeaturesSel: 0x24,
  queueSel: 0x30,
  queueSizeMax: 0x34,
  queueSize: 0x38,
  queueReady: 0x44,
  queueNotify: 0x50,
  interruptStatus: 0x60,
  interruptAck: 0x64,
  status: 0x70,
  queueDesc: 0x80,
  queueDriver: 0x90,
  queueDevice: 0xa0,
  config: 0x100,
} as const;

export const FEATURE = { indirect: 1n << 28n, eventIdx: 1n << 29n, version1: 1n << 32n } as const;

export function createBench(memory = createPhysicalMemory(RAM.base, RAM.bytes)) {
  const clock = { ns: 0 };
  const events = new EventQueue(
    () => clock.ns,
    () => {},
  );
  const iopmp = new Iopmp(memory);
  let level = false;
  const transport = new MmioTransport({
    name: 'slot',
    port: iopmp.port(SLOT),
    wire: (to) => {
      level = to;
    },
  });
  const bench = {
    memory,
    clock,
    events,
    iopmp,
    transport,
    get wire() {
      return level;
    },
    read: (offset: number): number => Number(transport.read(offset, 4)),
    write: (offset: number, value: number): void => transport.write(offset, 4, BigInt(value)),
    /** Lets `ns` pass, event by event. */
    advance(ns: number): void {
      const until = clock.ns + ns;
      while (events.nextNs() <= until) {
        clock.ns = Math.max(clock.ns, events.nextNs());
        events.runDue(clock.ns);
      }
      clock.ns = until;
    },
    /** Restricts the slot to one range. */
    own(base: number, bytes: number): void {
      iopmp.setRange(SLOT * 4, 'base', BigInt(base));
      iopmp.setRange(SLOT * 4, 'bytes', BigInt(bytes));
    },
  };
  if (SLOT >= SLOTS_PER_SIDE) throw new Error('the bench uses a slot of side A');
  return bench;
}

export type Bench = ReturnType<typeof createBench>;

export interface Buffer {
  readonly address: number;
  readonly bytes: number;
  readonly writable?: boolean;
}

export interface UsedElement {
  readonly id: number;
  readonly length: number;
}

/** The driver of a queue: rings of its own at `base`, descriptors never reused. */
export class DriverQueue {
  readonly descriptors: number;
  readonly driver: number;
  readonly device: number;
  readonly size: number;
  readonly #bench: Bench;
  readonly #index: number;
  #nextDescriptor = 0;
  #availIdx = 0;
  #usedIdx = 0;

  constructor(bench: Bench, index: number, base: number, size: number) {
    this.#bench = bench;
    this.#index = index;
    this.size = size;
    this.descriptors = base;
    this.driver = base + 16 * size;
    this.device = base + 0x800 + 16 * size;
    const { write } = bench;
    write(REG.queueSel, index);
    write(REG.queueSize, size);
    write(REG.queueDesc, this.descriptors);
    write(REG.queueDriver, this.driver);
    write(REG.queueDevice, this.device);
    write(REG.queueReady, 1);
  }

  writeDescriptor(index: number, address: number, bytes: number, flags: number, next: number, table?: number): void {
    const raw = new Uint8Array(16);
    const view = new DataView(raw.buffer);
    view.setBigUint64(0, BigInt(address), true);
    view.setUint32(8, bytes, true);
    view.setUint16(12, flags, true);
    view.setUint16(14, next, true);
    this.#bench.memory.write((table ?? this.descriptors) + 16 * index, raw);
  }

  /** Adds a chain of buffers and makes it available; gives its head. */
  add(buffers: readonly Buffer[]): number {
    const head = this.#nextDescriptor;
    buffers.forEach((buffer, index) => {
      const isLast = index === buffers.length - 1;
      const flags = (isLast ? 0 : 1) | (buffer.writable ? 2 : 0);
      const at = (this.#nextDescriptor + index) % this.size;
      this.writeDescriptor(at, buffer.address, buffer.bytes, flags, isLast ? 0 : (at + 1) % this.size);
    });
    this.#nextDescriptor = (this.#nextDescriptor + buffers.length) % this.size;
    this.makeAvailable(head);
    return head;
  }

  makeAvailable(head: number): void {
    this.write16(this.driver + 4 + 2 * (this.#availIdx % this.size), head);
    this.#availIdx = (this.#availIdx + 1) & 0xffff;
    this.write16(this.driver + 2, this.#availIdx);
  }

  notify(): void {
    this.#bench.write(REG.queueNotify, this.#index);
  }

  /** Used elements since the last call. */
  takeUsed(): UsedElement[] {
    const used: UsedElement[] = [];
    while (this.read16(this.device + 2) !== this.#usedIdx) {
      const at = this.device + 4 + 8 * (this.#usedIdx % this.size);
      used.push({ id: this.read32(at), length: this.read32(at + 4) });
      this.#usedIdx = (this.#usedIdx + 1) & 0xffff;
    }
    return used;
  }

  write16(address: number, value: number): void {
    this.#bench.memory.write(address, Uint8Array.of(value & 0xff, value >> 8));
  }

  read16(address: number): number {
    const [low, high] = this.#bench.memory.view(address, 2);
    return low! | (high! << 8);
  }

  read32(address: number): number {
    return this.read16(address) | (this.read16(address + 2) << 16);
  }
}

export interface StartOptions {
  readonly features?: bigint;
  /** Queues to set up, 4 KiB apart from the start of RAM. */
  readonly queues: readonly number[];
  readonly size?: number;
}

/** Plugs a model and brings it up as a driver does; gives the queues asked for. */
export function startDevice(bench: Bench, model: VirtioModel, options: StartOptions): DriverQueue[] {
  bench.transport.plug(model);
  return startDriver(bench, options);
}

export function startDriver(bench: Bench, { features = 0n, queues, size = 16 }: StartOptions): DriverQueue[] {
  const { write } = bench;
  const accepted = features | FEATURE.version1;
  write(REG.status, 0);
  write(REG.status, 3);
  for (const half of [0, 1]) {
    write(REG.driverFeaturesSel, half);
    write(REG.driverFeatures, Number((accepted >> BigInt(32 * half)) & 0xffff_ffffn));
  }
  write(REG.status, 0xb);
  const made = queues.map((index, order) => new DriverQueue(bench, index, RAM.base + order * 0x1000, size));
  write(REG.status, 0xf);
  return made;
}

export const bytesOf = (bench: Bench, address: number, bytes: number): number[] => [
  ...bench.memory.view(address, bytes),
];
