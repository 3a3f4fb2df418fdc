/**
 * Device side of a split virtqueue. Source: [VIRTIO] 1.2 "Split Virtqueues".
 *
 * Everything in the ring is the guest's word: indices, addresses and lengths are checked before they are used, every
 * loop is bounded, and every access goes through the slot's DMA port. A ring that breaks a rule is *broken*: the queue
 * gives nothing more, and the transport sets DEVICE_NEEDS_RESET.
 */
import type { DmaPort, SnapshotValue } from '../../door.ts';
import { SnapshotPart } from '../../snapshot-part.ts';

/** Descriptors in the longest chain that is taken, direct or indirect. */
const CHAIN_DESCRIPTORS_MAX = 1024;
/** Bytes in the longest chain that is taken. */
const CHAIN_BYTES_MAX = 0x400_0000;

const DESCRIPTOR_BYTES = 16; // le64 addr, le32 len, le16 flags, le16 next
const DESC_F_NEXT = 1;
const DESC_F_WRITE = 2;
const DESC_F_INDIRECT = 4;

const AVAIL_FLAGS = 0;
const AVAIL_IDX = 2;
const AVAIL_RING = 4; // le16 per entry, then used_event
const AVAIL_F_NO_INTERRUPT = 1;

const USED_IDX = 2;
const USED_RING = 4; // le32 id, le32 len per entry, then avail_event
const USED_ELEMENT_BYTES = 8;

const VERSION = 1;

export interface Segment {
  readonly address: number;
  readonly bytes: number;
}

interface Descriptor extends Segment {
  readonly flags: number;
  readonly next: number;
}

/** A buffer the driver has made available: what the device may read, then what it may write. */
export interface DescriptorChain {
  readonly head: number;
  readonly readable: readonly Segment[];
  readonly writable: readonly Segment[];
}

/** Where the driver put the parts of a queue, and how many descriptors it has. */
export interface QueueLayout {
  size: number;
  descriptors: number;
  /** Driver area: available ring. */
  driver: number;
  /** Device area: used ring. */
  device: number;
}

export interface VirtqueueOptions {
  readonly layout: Readonly<QueueLayout>;
  readonly port: DmaPort;
  /** VIRTIO_F_EVENT_IDX was negotiated. */
  readonly eventIdx: boolean;
  readonly onInterrupt: () => void;
  /** The driver broke a rule, or the ring lies outside the owner's memory. */
  readonly onBroken: (reason: string) => void;
}

export const segmentBytes = (segments: readonly Segment[]): number =>
  segments.reduce((sum, segment) => sum + segment.bytes, 0);

const uint16 = (value: number): Uint8Array => Uint8Array.of(value & 0xff, (value >> 8) & 0xff);

export class Virtqueue {
  readonly #layout: Readonly<QueueLayout>;
  readonly #port: DmaPort;
  readonly #eventIdx: boolean;
  readonly #onInterrupt: () => void;
  readonly #onBroken: (reason: string) => void;
  #broken = false;
  /** Free-running 16-bit indices. */
  #availIdx = 0;
  #usedIdx = 0;
  /** Used index when the driver was last considered for an interrupt. */
  #signalledIdx = 0;

  constructor(options: VirtqueueOptions) {
    this.#layout = options.layout;
    this.#port = options.port;
    this.#eventIdx = options.eventIdx;
    this.#onInterrupt = options.onInterrupt;
    this.#onBroken = options.onBroken;
  }

  get port(): DmaPort {
    return this.#port;
  }

  /** Takes the next chain; undefined when the driver has made none available, or the queue is broken. */
  pop(): DescriptorChain | undefined {
    const { size, driver } = this.#layout;
    const idx = this.#read16(driver + AVAIL_IDX);
    if (idx === undefined) return undefined;
    const waiting = (idx - this.#availIdx) & 0xffff;
    if (waiting > size) return this.#break(`the available index is ${waiting} ahead in a queue of ${size}`);
    if (waiting === 0) {
      this.#askForNotification();
      return undefined;
    }
    // A descriptor that the device has is not the driver's to offer again: what is taken would grow without end.
    const taken = (this.#availIdx - this.#usedIdx) & 0xffff;
    if (taken >= size)
      return this.#break(`${taken} chains are taken from a queue of ${size} and one more is available`);
    const head = this.#read16(driver + AVAIL_RING + 2 * (this.#availIdx % size));
    if (head === undefined) return undefined;
    const chain = this.#walk(head);
    if (chain !== undefined) this.#availIdx = (this.#availIdx + 1) & 0xffff;
    return chain;
  }

  /** Returns a chain to the driver; `written` counts bytes from the start of its writable part. */
  push(head: number, written: number): void {
    if (this.#broken) return;
    const { size, device } = this.#layout;
    const element = new Uint8Array(USED_ELEMENT_BYTES);
    const view = new DataView(element.buffer);
    view.setUint32(0, head, true);
    view.setUint32(4, written, true);
    const next = (this.#usedIdx + 1) & 0xffff;
    const isWritten =
      this.#port.write(device + USED_RING + USED_ELEMENT_BYTES * (this.#usedIdx % size), element) &&
      this.#port.write(device + USED_IDX, uint16(next));
    if (isWritten) this.#usedIdx = next;
    else this.#break('the used ring is outside the memory of the owner');
  }

  /** Interrupts the driver if it wants to know of what was pushed since the last call. */
  signal(): void {
    if (this.#broken || this.#usedIdx === this.#signalledIdx) return;
    const wants = this.#wantsInterrupt(this.#signalledIdx);
    this.#signalledIdx = this.#usedIdx;
    if (wants) this.#onInterrupt();
  }

  /** [VIRTIO] "Used Buffer Notification Suppression": with event idx, only when the index passes used_event. */
  #wantsInterrupt(old: number): boolean {
    const { size, driver } = this.#layout;
    if (!this.#eventIdx) {
      const flags = this.#read16(driver + AVAIL_FLAGS);
      return flags !== undefined && (flags & AVAIL_F_NO_INTERRUPT) === 0;
    }
    const usedEvent = this.#read16(driver + AVAIL_RING + 2 * size);
    if (usedEvent === undefined) return false;
    return ((this.#usedIdx - usedEvent - 1) & 0xffff) < ((this.#usedIdx - old) & 0xffff);
  }

  /** With event idx the driver notifies when it passes avail_event: the first buffer after those taken. */
  #askForNotification(): void {
    if (!this.#eventIdx) return;
    const { size, device } = this.#layout;
    if (!this.#port.write(device + USED_RING + USED_ELEMENT_BYTES * size, uint16(this.#availIdx))) {
      this.#break('the used ring is outside the memory of the owner');
    }
  }

  #walk(head: number): DescriptorChain | undefined {
    const { size, descriptors } = this.#layout;
    if (head >= size) return this.#break(`descriptor ${head} in a queue of ${size}`);
    const first = this.#descriptor(descriptors, head);
    if (first === undefined) return undefined;
    if ((first.flags & DESC_F_INDIRECT) === 0) return this.#follow(head, descriptors, size, head);
    // [VIRTIO] "Indirect Descriptors": not together with NEXT, and a whole number of descriptors.
    if (first.flags & DESC_F_NEXT) return this.#break('an indirect descriptor with a next one');
    const count = first.bytes / DESCRIPTOR_BYTES;
    if (!Number.isInteger(count) || count === 0) return this.#break(`an indirect table of ${first.bytes} bytes`);
    return this.#follow(head, first.address, count, 0);
  }

  /** Follows a chain through a table of `count` descriptors. */
  #follow(head: number, table: number, count: number, start: number): DescriptorChain | undefined {
    const readable: Segment[] = [];
    const writable: Segment[] = [];
    let total = 0;
    let index = start;
    for (let length = 0; length < Math.min(count, CHAIN_DESCRIPTORS_MAX); length++) {
      if (index >= count) return this.#break(`descriptor ${index} in a table of ${count}`);
      const descriptor = this.#descriptor(table, index);
      if (descriptor === undefined) return undefined;
      const { address, bytes, flags, next } = descriptor;
      if (flags & DESC_F_INDIRECT) return this.#break('an indirect descriptor inside a chain');
      if ((flags & DESC_F_WRITE) === 0 && writable.length > 0) return this.#break('a readable part after a writable');
      total += bytes;
      if (total > CHAIN_BYTES_MAX) return this.#break(`a chain of more than ${CHAIN_BYTES_MAX} bytes`);
      (flags & DESC_F_WRITE ? writable : readable).push({ address, bytes });
      if ((flags & DESC_F_NEXT) === 0) return { head, readable, writable };
      index = next;
    }
    return this.#break('a chain that is too long or a loop');
  }

  #descriptor(table: number, index: number): Descriptor | undefined {
    const raw = this.#port.read(table + DESCRIPTOR_BYTES * index, DESCRIPTOR_BYTES);
    if (raw === undefined) return this.#break('a descriptor is outside the memory of the owner');
    const view = new DataView(raw.buffer, raw.byteOffset, DESCRIPTOR_BYTES);
    return {
      address: Number(view.getBigUint64(0, true)),
      bytes: view.getUint32(8, true),
      flags: view.getUint16(12, true),
      next: view.getUint16(14, true),
    };
  }

  #read16(address: number): number | undefined {
    if (this.#broken) return undefined;
    const raw = this.#port.read(address, 2);
    if (raw === undefined) return this.#break('the available ring is outside the memory of the owner');
    return raw[0]! | (raw[1]! << 8);
  }

  #break(reason: string): undefined {
    if (this.#broken) return;
    this.#broken = true;
    this.#onBroken(reason);
  }

  save(): SnapshotValue {
    return {
      version: VERSION,
      broken: this.#broken,
      availIdx: this.#availIdx,
      usedIdx: this.#usedIdx,
      signalledIdx: this.#signalledIdx,
    };
  }

  restore(state: SnapshotValue): void {
    const part = new SnapshotPart('virtqueue', state, VERSION);
    this.#broken = part.boolean('broken');
    this.#availIdx = part.number('availIdx');
    this.#usedIdx = part.number('usedIdx');
    this.#signalledIdx = part.number('signalledIdx');
  }
}
