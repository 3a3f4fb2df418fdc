/**
 * A virtio block device, read by the firmware: one virtqueue, several requests at once, data straight to where it
 * belongs. Source: [VIRTIO] "Block Device", "Split Virtqueues".
 */
import { type MachineModeHart, type MemoryRegion, type Side, slotBase } from '../../machine/index.ts';
import type { Waiting } from '../waiting.ts';
import { BootError } from './boot-error.ts';
import { type Disk, type DiskPiece, SECTOR_BYTES } from './disk.ts';
import { SlotInterrupt } from './slot-interrupt.ts';
import {
  DESCRIPTOR_BYTES,
  DESCRIPTOR_FLAG,
  VIRTIO_MMIO as REGISTER,
  VIRTIO_STATUS as STATUS,
  VIRTIO_DEVICE_BLOCK,
  VIRTIO_F_VERSION_1_WORD1,
  VIRTIO_MAGIC,
  VIRTIO_MMIO_VERSION,
} from './virtio-mmio.ts';

const QUEUE_SIZE = 64;
const DESCRIPTORS_PER_REQUEST = 3;
const REQUESTS_AT_ONCE = 16;
const REQUEST_BYTES_MAX = 1 << 20;

/** virtio_blk_req.type and its status: VIRTIO_BLK_T_IN, VIRTIO_BLK_S_OK. */
const TYPE_IN = 0;
const STATUS_OK = 0;
const STATUS_UNWRITTEN = 0xff;
const HEADER_BYTES = 16;

/** Layout of the driver's memory. */
const WORK = {
  descriptors: 0x0000,
  available: 0x1000,
  used: 0x2000,
  headers: 0x3000,
  statuses: 0x3800,
  buffer: 0x4000,
} as const;
export const BLOCK_BUFFER_BYTES = 64 * 1024;
export const BLOCK_WORK_BYTES = WORK.buffer + BLOCK_BUFFER_BYTES;

export class VirtioBlock implements Disk {
  readonly bytes: number;
  readonly #hart: MachineModeHart;
  readonly #mmio: number;
  readonly #work: number;
  readonly #interrupt: SlotInterrupt;
  #availableIndex = 0;
  #usedIndex = 0;

  /**
   * Takes the device in a slot into use. `work`: BLOCK_WORK_BYTES of memory the device may reach, on a page boundary.
   * Throws a BootError when there is no block device.
   */
  constructor(hart: MachineModeHart, side: Side, slot: number, work: MemoryRegion) {
    if (work.bytes < BLOCK_WORK_BYTES)
      throw new RangeError(`work memory has ${work.bytes} of ${BLOCK_WORK_BYTES} bytes`);
    this.#hart = hart;
    this.#mmio = slotBase(side, slot);
    this.#work = work.base;
    this.#interrupt = new SlotInterrupt(hart, side, slot);
    this.#identify(`slot ${slot} of side ${side}`);
    this.#initialise();
    this.#interrupt.enable();
    this.bytes = SECTOR_BYTES * (this.#get(REGISTER.config) + this.#get(REGISTER.config + 4) * 2 ** 32);
  }

  /** Resets the device and the PLIC: an OS finds both as out of reset. */
  close(): void {
    this.#set(REGISTER.status, 0);
    this.#interrupt.serve(() => undefined);
    this.#interrupt.disable();
  }

  *read(offset: number, bytes: number): Waiting<Uint8Array> {
    if (bytes > BLOCK_BUFFER_BYTES) throw new RangeError(`a short read of ${bytes} bytes`);
    const address = this.#work + WORK.buffer;
    yield* this.readInto([{ offset, address, bytes }]);
    return this.#hart.readMemory(address, bytes) ?? new Uint8Array(bytes);
  }

  *readInto(pieces: readonly DiskPiece[]): Waiting<void> {
    const requests = pieces.flatMap(splitPiece);
    for (const { offset, bytes } of requests) {
      if (offset + bytes > this.bytes)
        throw new BootError('disk', `read at ${offset} beyond the disk's ${this.bytes} bytes`);
    }
    const free = Array.from({ length: REQUESTS_AT_ONCE }, (_, index) => index);
    const inFlight = new Map<number, DiskPiece>();
    let next = 0;
    while (next < requests.length || inFlight.size > 0) {
      const before = this.#availableIndex;
      while (next < requests.length && free.length > 0) {
        const index = free.pop()!;
        const request = requests[next++]!;
        this.#submit(index, request);
        inFlight.set(index, request);
      }
      if (this.#availableIndex !== before) this.#set(REGISTER.queueNotify, 0);
      for (const index of yield* this.#completed()) {
        const request = inFlight.get(index);
        if (request === undefined)
          throw new BootError('disk', `the disk completed request ${index}, which it was not given`);
        this.#check(index, request);
        inFlight.delete(index);
        free.push(index);
      }
    }
  }

  #identify(where: string): void {
    const magic = this.#get(REGISTER.magicValue);
    const version = this.#get(REGISTER.version);
    const device = this.#get(REGISTER.deviceId);
    if (magic !== VIRTIO_MAGIC || version !== VIRTIO_MMIO_VERSION || device !== VIRTIO_DEVICE_BLOCK) {
      throw new BootError(
        'disk',
        `${where} has no virtio block device (magic 0x${magic.toString(16)}, device ${device})`,
      );
    }
  }

  /** [VIRTIO] "Driver Requirements: Device Initialization". */
  #initialise(): void {
    this.#set(REGISTER.status, 0);
    let status: number = STATUS.acknowledge | STATUS.driver;
    this.#set(REGISTER.status, status);
    this.#set(REGISTER.driverFeaturesSel, 0);
    this.#set(REGISTER.driverFeatures, 0);
    this.#set(REGISTER.driverFeaturesSel, 1);
    this.#set(REGISTER.driverFeatures, VIRTIO_F_VERSION_1_WORD1);
    status |= STATUS.featuresOk;
    this.#set(REGISTER.status, status);
    if ((this.#get(REGISTER.status) & STATUS.featuresOk) === 0) {
      throw new BootError('disk', 'the disk refuses VIRTIO_F_VERSION_1');
    }
    this.#hart.writeMemory(this.#work, new Uint8Array(WORK.buffer));
    this.#set(REGISTER.queueSel, 0);
    this.#set(REGISTER.queueNum, QUEUE_SIZE);
    this.#setAddress(REGISTER.queueDescLow, this.#work + WORK.descriptors);
    this.#setAddress(REGISTER.queueDriverLow, this.#work + WORK.available);
    this.#setAddress(REGISTER.queueDeviceLow, this.#work + WORK.used);
    this.#set(REGISTER.queueReady, 1);
    this.#set(REGISTER.status, status | STATUS.driverOk);
  }

  /** Puts request `index` in the ring: header, data, status. */
  #submit(index: number, { offset, address, bytes }: DiskPiece): void {
    const header = this.#work + WORK.headers + HEADER_BYTES * index;
    const status = this.#work + WORK.statuses + index;
    const first = DESCRIPTORS_PER_REQUEST * index;
    this.#hart.store(header, 4, BigInt(TYPE_IN));
    this.#hart.store(header + 8, 8, BigInt(offset / SECTOR_BYTES));
    this.#hart.store(status, 1, BigInt(STATUS_UNWRITTEN));
    this.#describe(first, header, HEADER_BYTES, DESCRIPTOR_FLAG.next, first + 1);
    this.#describe(first + 1, address, bytes, DESCRIPTOR_FLAG.next | DESCRIPTOR_FLAG.write, first + 2);
    this.#describe(first + 2, status, 1, DESCRIPTOR_FLAG.write, 0);
    const available = this.#work + WORK.available;
    this.#hart.store(available + 4 + 2 * (this.#availableIndex % QUEUE_SIZE), 2, BigInt(first));
    this.#availableIndex = (this.#availableIndex + 1) & 0xffff;
    this.#hart.store(available + 2, 2, BigInt(this.#availableIndex));
  }

  #describe(index: number, address: number, bytes: number, flags: number, next: number): void {
    const descriptor = this.#work + WORK.descriptors + DESCRIPTOR_BYTES * index;
    this.#hart.store(descriptor, 8, BigInt(address));
    this.#hart.store(descriptor + 8, 4, BigInt(bytes));
    this.#hart.store(descriptor + 12, 2, BigInt(flags));
    this.#hart.store(descriptor + 14, 2, BigInt(next));
  }

  /** Waits until the device has used something; the requests it is done with. */
  *#completed(): Waiting<number[]> {
    const used = this.#work + WORK.used;
    for (;;) {
      const index = Number(this.#hart.load(used + 2, 2) ?? 0n);
      const done: number[] = [];
      for (; this.#usedIndex !== index; this.#usedIndex = (this.#usedIndex + 1) & 0xffff) {
        const element = Number(this.#hart.load(used + 4 + 8 * (this.#usedIndex % QUEUE_SIZE), 4) ?? 0n);
        done.push(Math.floor(element / DESCRIPTORS_PER_REQUEST));
      }
      if (done.length > 0) return done;
      if ((this.#get(REGISTER.status) & STATUS.needsReset) !== 0) throw new BootError('disk', 'the disk needs a reset');
      yield 'wfi';
      this.#interrupt.serve(() => this.#set(REGISTER.interruptAck, this.#get(REGISTER.interruptStatus)));
    }
  }

  #check(index: number, { offset, bytes }: DiskPiece): void {
    const status = Number(this.#hart.load(this.#work + WORK.statuses + index, 1) ?? 0n);
    if (status !== STATUS_OK) {
      throw new BootError('disk', `the disk answered ${status} to a read of ${bytes} bytes at ${offset}`);
    }
  }

  #get(register: number): number {
    return Number(this.#hart.load(this.#mmio + register, 4) ?? 0n);
  }

  #set(register: number, value: number): void {
    this.#hart.store(this.#mmio + register, 4, BigInt(value));
  }

  #setAddress(registerLow: number, address: number): void {
    this.#set(registerLow, address % 2 ** 32);
    this.#set(registerLow + 4, Math.floor(address / 2 ** 32));
  }
}

function splitPiece({ offset, address, bytes }: DiskPiece): DiskPiece[] {
  const parts: DiskPiece[] = [];
  for (let done = 0; done < bytes; done += REQUEST_BYTES_MAX) {
    parts.push({ offset: offset + done, address: address + done, bytes: Math.min(REQUEST_BYTES_MAX, bytes - done) });
  }
  return parts;
}
