/**
 * A virtio-mmio slot: register block, virtqueues and interrupt of whatever device is plugged in. Source: [VIRTIO] 1.2
 * "MMIO Device Register Layout"; version 2 only. An empty slot reads DeviceID 0 and ignores writes.
 */
import type { AccessBytes, DmaPort, MmioDevice, Snapshotted, SnapshotValue, Wire } from '../../door.ts';
import { SnapshotPart } from '../../snapshot-part.ts';
import {
  CONFIG,
  CONFIG_GENERATION,
  DEVICE_FEATURES,
  DEVICE_FEATURES_SEL,
  DEVICE_ID,
  DRIVER_FEATURES,
  DRIVER_FEATURES_SEL,
  INTERRUPT,
  INTERRUPT_ACK,
  INTERRUPT_STATUS,
  MAGIC,
  MAGIC_VALUE,
  MMIO_VERSION,
  NO_SHARED_MEMORY,
  QUEUE_DESC_HIGH,
  QUEUE_DESC_LOW,
  QUEUE_DEVICE_HIGH,
  QUEUE_DEVICE_LOW,
  QUEUE_DRIVER_HIGH,
  QUEUE_DRIVER_LOW,
  QUEUE_NOTIFY,
  QUEUE_READY,
  QUEUE_SEL,
  QUEUE_SIZE,
  QUEUE_SIZE_MAX,
  SHM_BASE_HIGH,
  SHM_LEN_LOW,
  STATUS,
  STATUS_BITS,
  VENDOR,
  VENDOR_ID,
  VERSION_REGISTER,
} from './mmio-registers.ts';
import { RESERVED_FEATURES, type VirtioModel } from './virtio-model.ts';
import { type QueueLayout, Virtqueue } from './virtqueue.ts';

const WORD = 2 ** 32;
const SNAPSHOT_VERSION = 1;

interface QueueRegisters extends QueueLayout {
  ready: boolean;
}

export interface MmioTransportOptions {
  readonly name: string;
  readonly port: DmaPort;
  readonly wire: Wire;
}

export class MmioTransport implements MmioDevice, Snapshotted {
  readonly name: string;
  readonly #port: DmaPort;
  readonly #wire: Wire;
  #model: VirtioModel | undefined;
  #queues: (Virtqueue | undefined)[] = [];
  #registers: QueueRegisters[] = [];
  #deviceFeaturesSel = 0;
  #driverFeaturesSel = 0;
  #driverFeatures = 0n;
  #queueSel = 0;
  #interruptStatus = 0;
  #status = 0;
  /** Why the device needs a reset, for people. */
  #brokenReason = '';

  constructor(options: MmioTransportOptions) {
    this.name = options.name;
    this.#port = options.port;
    this.#wire = options.wire;
  }

  get model(): VirtioModel | undefined {
    return this.#model;
  }

  /** What the driver did wrong since the last reset, or ''. */
  get brokenReason(): string {
    return this.#brokenReason;
  }

  /** Throws when the slot is occupied. */
  assertEmpty(): void {
    if (this.#model !== undefined) throw new Error(`${this.name} holds a ${this.#model.outside.kind} device already`);
  }

  plug(model: VirtioModel): void {
    this.assertEmpty();
    this.#model = model;
    this.reset();
  }

  unplug(): void {
    this.#model?.reset();
    this.#model?.dispose();
    this.#model = undefined;
    this.reset();
  }

  reset(): void {
    this.#model?.reset();
    this.#queues = [];
    this.#registers = (this.#model?.queueSizes ?? []).map(() => ({
      ready: false,
      size: 0,
      descriptors: 0,
      driver: 0,
      device: 0,
    }));
    this.#deviceFeaturesSel = 0;
    this.#driverFeaturesSel = 0;
    this.#driverFeatures = 0n;
    this.#queueSel = 0;
    this.#status = 0;
    this.#brokenReason = '';
    this.#setInterrupt(0);
  }

  read(offset: number, bytes: AccessBytes): bigint {
    if (offset >= CONFIG) return this.#readConfig(offset - CONFIG, bytes);
    return bytes === 4 ? BigInt(this.#read(offset) >>> 0) : 0n;
  }

  write(offset: number, bytes: AccessBytes, value: bigint): void {
    if (bytes === 4 && this.#model !== undefined) this.#write(offset, Number(BigInt.asUintN(32, value)), this.#model);
  }

  #readConfig(offset: number, bytes: AccessBytes): bigint {
    let value = 0n;
    for (let byte = 0; byte < bytes; byte++) {
      value |= BigInt(this.#model?.config[offset + byte] ?? 0) << BigInt(8 * byte);
    }
    return value;
  }

  #read(offset: number): number {
    if (offset === MAGIC_VALUE) return MAGIC;
    if (offset === VERSION_REGISTER) return MMIO_VERSION;
    if (this.#model === undefined) return 0;
    if (offset >= SHM_LEN_LOW && offset <= SHM_BASE_HIGH) return NO_SHARED_MEMORY;
    switch (offset) {
      case DEVICE_ID:
        return this.#model.deviceType;
      case VENDOR_ID:
        return VENDOR;
      case DEVICE_FEATURES:
        return this.#deviceFeaturesSel > 1
          ? 0
          : Number((this.#offered() >> BigInt(32 * this.#deviceFeaturesSel)) & 0xffff_ffffn);
      case QUEUE_SIZE_MAX:
        return this.#model.queueSizes[this.#queueSel] ?? 0;
      case QUEUE_READY:
        return this.#registers[this.#queueSel]?.ready ? 1 : 0;
      case INTERRUPT_STATUS:
        return this.#interruptStatus;
      case STATUS:
        return this.#status;
      case CONFIG_GENERATION:
        return 0; // No device of this board changes its configuration.
      default:
        return 0;
    }
  }

  #write(offset: number, value: number, model: VirtioModel): void {
    switch (offset) {
      case DEVICE_FEATURES_SEL:
        this.#deviceFeaturesSel = value;
        break;
      case DRIVER_FEATURES_SEL:
        this.#driverFeaturesSel = value;
        break;
      case DRIVER_FEATURES:
        this.#writeDriverFeatures(value);
        break;
      case QUEUE_SEL:
        this.#queueSel = value;
        break;
      case QUEUE_NOTIFY:
        if (this.#isRunning() && this.#queues[value] !== undefined) model.notify(value);
        break;
      case INTERRUPT_ACK:
        this.#setInterrupt(this.#interruptStatus & ~value);
        break;
      case STATUS:
        this.#writeStatus(value, model);
        break;
      default:
        this.#writeQueue(offset, value);
    }
  }

  #writeDriverFeatures(value: number): void {
    if (this.#driverFeaturesSel > 1 || this.#status & STATUS_BITS.featuresOk) return;
    const shift = BigInt(32 * this.#driverFeaturesSel);
    this.#driverFeatures = (this.#driverFeatures & ~(0xffff_ffffn << shift)) | (BigInt(value) << shift);
  }

  #writeQueue(offset: number, value: number): void {
    const queue = this.#registers[this.#queueSel];
    if (queue === undefined) return;
    if (offset === QUEUE_READY) {
      queue.ready = (value & 1) === 1;
      if (this.#isRunning()) this.#queues[this.#queueSel] = queue.ready ? this.#createQueue(queue) : undefined;
      return;
    }
    if (queue.ready) return;
    switch (offset) {
      case QUEUE_SIZE:
        queue.size = this.#legalSize(value);
        break;
      case QUEUE_DESC_LOW:
        queue.descriptors = withLow(queue.descriptors, value);
        break;
      case QUEUE_DESC_HIGH:
        queue.descriptors = withHigh(queue.descriptors, value);
        break;
      case QUEUE_DRIVER_LOW:
        queue.driver = withLow(queue.driver, value);
        break;
      case QUEUE_DRIVER_HIGH:
        queue.driver = withHigh(queue.driver, value);
        break;
      case QUEUE_DEVICE_LOW:
        queue.device = withLow(queue.device, value);
        break;
      case QUEUE_DEVICE_HIGH:
        queue.device = withHigh(queue.device, value);
        break;
    }
  }

  /** [VIRTIO] "Split Virtqueues": "Queue Size value is always a power of 2". Anything else leaves the queue without one. */
  #legalSize(value: number): number {
    const max = this.#model?.queueSizes[this.#queueSel] ?? 0;
    return value > 0 && value <= max && (value & (value - 1)) === 0 ? value : 0;
  }

  #writeStatus(value: number, model: VirtioModel): void {
    if (value === 0) {
      this.reset();
      return;
    }
    const rises = value & ~this.#status;
    const wasRunning = this.#isRunning();
    let accepted = value & 0xff & ~STATUS_BITS.needsReset;
    if (rises & STATUS_BITS.featuresOk && !this.#featuresAreLegal()) accepted &= ~STATUS_BITS.featuresOk;
    this.#status = accepted | (this.#status & STATUS_BITS.needsReset);
    if (!wasRunning && this.#isRunning()) this.#start(model);
  }

  #offered(): bigint {
    return (
      (this.#model?.features ?? 0n) |
      RESERVED_FEATURES.version1 |
      RESERVED_FEATURES.indirectDesc |
      RESERVED_FEATURES.eventIdx
    );
  }

  #featuresAreLegal(): boolean {
    const isSubset = (this.#driverFeatures & ~this.#offered()) === 0n;
    return isSubset && (this.#driverFeatures & RESERVED_FEATURES.version1) !== 0n;
  }

  #isRunning(): boolean {
    const needed = STATUS_BITS.featuresOk | STATUS_BITS.driverOk;
    return (this.#status & (needed | STATUS_BITS.needsReset)) === needed;
  }

  #start(model: VirtioModel): void {
    this.#queues = this.#registers.map((queue) => (queue.ready ? this.#createQueue(queue) : undefined));
    model.start(this.#queues, this.#driverFeatures);
  }

  #createQueue(queue: QueueRegisters): Virtqueue | undefined {
    if (queue.size === 0) return undefined;
    return new Virtqueue({
      layout: { ...queue },
      port: this.#port,
      eventIdx: (this.#driverFeatures & RESERVED_FEATURES.eventIdx) !== 0n,
      onInterrupt: () => this.#setInterrupt(this.#interruptStatus | INTERRUPT.usedBuffer),
      onBroken: (reason) => this.#needsReset(reason),
    });
  }

  /** [VIRTIO] "Device Status Field": DEVICE_NEEDS_RESET, with a configuration change notification. */
  #needsReset(reason: string): void {
    if (this.#status & STATUS_BITS.needsReset) return;
    this.#brokenReason = reason;
    this.#status |= STATUS_BITS.needsReset;
    this.#model?.reset();
    this.#setInterrupt(this.#interruptStatus | INTERRUPT.configChange);
  }

  #setInterrupt(status: number): void {
    this.#interruptStatus = status;
    this.#wire(status !== 0);
  }

  save(): SnapshotValue {
    return {
      version: SNAPSHOT_VERSION,
      deviceType: this.#model?.deviceType ?? 0,
      registers: this.#registers.map((queue) => ({ ...queue })),
      queues: this.#queues.map((queue) => queue?.save() ?? null),
      deviceFeaturesSel: this.#deviceFeaturesSel,
      driverFeaturesSel: this.#driverFeaturesSel,
      driverFeatures: this.#driverFeatures,
      queueSel: this.#queueSel,
      interruptStatus: this.#interruptStatus,
      status: this.#status,
      brokenReason: this.#brokenReason,
      device: this.#model?.save() ?? null,
    };
  }

  /** Throws `SnapshotError` unless a device of the same type is plugged in as when it was saved. */
  restore(state: SnapshotValue): void {
    const part = new SnapshotPart(this.name, state, SNAPSHOT_VERSION);
    const deviceType = part.number('deviceType');
    if (deviceType !== (this.#model?.deviceType ?? 0)) {
      part.refuse('deviceType', `the device that is plugged in, of type ${this.#model?.deviceType ?? 0}`);
    }
    this.reset();
    this.#registers = part.parts('registers', this.#registers.length).map((queue) => ({
      ready: queue.boolean('ready'),
      size: queue.number('size'),
      descriptors: queue.number('descriptors'),
      driver: queue.number('driver'),
      device: queue.number('device'),
    }));
    this.#deviceFeaturesSel = part.number('deviceFeaturesSel');
    this.#driverFeaturesSel = part.number('driverFeaturesSel');
    this.#driverFeatures = part.bigint('driverFeatures');
    this.#queueSel = part.number('queueSel');
    this.#status = part.number('status');
    this.#brokenReason = part.string('brokenReason');
    if (this.#model !== undefined && this.#isRunning()) {
      this.#start(this.#model);
      part.list('queues', this.#queues.length).forEach((queue, index) => {
        if (queue !== null) this.#queues[index]?.restore(queue);
      });
    }
    this.#model?.restore(part.value('device'));
    this.#setInterrupt(part.number('interruptStatus'));
  }
}

const withLow = (address: number, low: number): number => Math.floor(address / WORD) * WORD + low;
const withHigh = (address: number, high: number): number => high * WORD + (address % WORD);
