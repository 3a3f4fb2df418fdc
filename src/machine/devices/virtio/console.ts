/**
 * virtio-console with named ports (VIRTIO_CONSOLE_F_MULTIPORT): udev in the guest makes /dev/virtio-ports/NAME. Source:
 * [VIRTIO] 1.2 "Console Device". The far end of every port is always open.
 *
 * Port 0 exists only as the pair of queues the standard gives it; named ports are numbered from 1.
 */
import type { ConsolePort as OutsidePort, PluggedDevice, SnapshotValue } from '../../door.ts';
import type { Timer, TimerSource } from '../../event-queue.ts';
import { SnapshotPart } from '../../snapshot-part.ts';
import { gather, scatter } from './segments.ts';
import type { VirtioModel } from './virtio-model.ts';
import { segmentBytes, type Virtqueue } from './virtqueue.ts';

const DEVICE_TYPE_CONSOLE = 3;
const QUEUE_SIZE = 64;
const FEATURE_MULTIPORT = 1n << 1n;

/** struct virtio_console_config: le16 cols, le16 rows, le32 max_nr_ports, le32 emerg_wr. */
const CONFIG = { maxPorts: 4, bytes: 12 } as const;

const CONTROL_RX = 2;
const CONTROL_TX = 3;
/** [VIRTIO] "Console Device", "Virtqueues": port 0 has 0 and 1, the control queues follow, port n has 2n+2 and 2n+3. */
const receiveQueue = (port: number): number => 2 * port + 2;
const transmitQueue = (port: number): number => 2 * port + 3;

/** struct virtio_console_control: le32 id, le16 event, le16 value. */
const CONTROL_BYTES = 8;
const EVENT = { deviceReady: 0, portAdd: 1, portReady: 3, portOpen: 6, portName: 7 } as const;

/** Bytes that may wait for the guest to read a port; what comes beyond is dropped. */
const INPUT_BYTES_MAX = 0x40_0000;
/** In one buffer of the guest's; Linux sends half as much. Time does not pass while it is taken. */
const OUTPUT_BYTES_MAX = 0x1_0000;
/** Control messages that may wait for buffers: a guest that gives none loses the newest. */
const CONTROL_MESSAGES_MAX = 256;

const VERSION = 2;

interface ConsolePort {
  readonly id: number;
  readonly name: string;
  readonly outside: OutsidePort;
  /** The guest has it open, or had since the last reset. */
  isOpen: boolean;
  wasOpened: boolean;
  /** For the guest, oldest first. */
  input: Uint8Array[];
}

export interface VirtioConsoleOptions {
  readonly name: string;
  readonly ports: readonly string[];
  readonly timers: TimerSource;
}

export class VirtioConsole implements VirtioModel {
  readonly deviceType = DEVICE_TYPE_CONSOLE;
  readonly features = FEATURE_MULTIPORT;
  readonly queueSizes: readonly number[];
  readonly config = new Uint8Array(CONFIG.bytes);
  readonly outside: PluggedDevice;
  readonly #name: string;
  readonly #timers: TimerSource;
  readonly #timer: Timer;
  readonly #ports: readonly ConsolePort[];
  #queues: readonly (Virtqueue | undefined)[] = [];
  #isMultiport = false;
  /** Control messages for the guest. */
  #control: Uint8Array[] = [];

  constructor(options: VirtioConsoleOptions) {
    this.#name = options.name;
    this.#timers = options.timers;
    this.#timer = options.timers.timer(`${options.name}.console`, () => this.#serve());
    this.#ports = options.ports.map((name, index) => this.#createPort(name, index + 1));
    this.queueSizes = new Array<number>(2 * (options.ports.length + 1) + 2).fill(QUEUE_SIZE);
    new DataView(this.config.buffer).setUint32(CONFIG.maxPorts, options.ports.length + 1, true);
    this.outside = {
      kind: 'console',
      ports: new Map(this.#ports.map((port) => [port.name, port.outside])),
      inFlight: () => (this.#timer.atNs === undefined ? 0 : 1),
    };
  }

  #createPort(name: string, id: number): ConsolePort {
    const port: ConsolePort = {
      id,
      name,
      isOpen: false,
      wasOpened: false,
      input: [],
      outside: {
        onOutput: () => {},
        onReset: () => {},
        input: (bytes) => this.#input(port, bytes),
        get wasOpened() {
          return port.wasOpened;
        },
      },
    };
    return port;
  }

  start(queues: readonly (Virtqueue | undefined)[], features: bigint): void {
    this.#queues = queues;
    this.#isMultiport = (features & FEATURE_MULTIPORT) !== 0n;
  }

  notify(): void {
    this.#wake();
  }

  #wake(): void {
    if (this.#timer.atNs === undefined) this.#timer.arm(this.#timers.now());
  }

  #input(port: ConsolePort, bytes: Uint8Array): void {
    const waiting = port.input.reduce((sum, part) => sum + part.length, 0);
    const fits = bytes.slice(0, INPUT_BYTES_MAX - waiting);
    if (fits.length === 0) return;
    port.input.push(fits);
    this.#wake();
  }

  #serve(): void {
    if (!this.#isMultiport) return;
    this.#drain(CONTROL_TX, (bytes) => this.#controlFromGuest(bytes));
    for (const port of this.#ports) {
      this.#drain(transmitQueue(port.id), (bytes) => {
        if (bytes.length > 0) port.outside.onOutput(bytes);
      });
    }
    this.#fill(CONTROL_RX, this.#control);
    for (const port of this.#ports) {
      if (port.isOpen) this.#fill(receiveQueue(port.id), port.input);
    }
  }

  /** Takes all that the guest has sent on a queue. Too much, or memory that is not the owner's, is as if nothing was sent. */
  #drain(index: number, take: (bytes: Uint8Array) => void): void {
    for (;;) {
      const queue = this.#queues[index];
      const chain = queue?.pop();
      if (queue === undefined || chain === undefined) break;
      const fits = segmentBytes(chain.readable) <= OUTPUT_BYTES_MAX;
      const bytes = fits ? gather(queue.port, chain.readable) : undefined;
      queue.push(chain.head, 0);
      if (bytes !== undefined) take(bytes);
    }
    this.#queues[index]?.signal();
  }

  /** Hands over as much of `waiting` as there are buffers for, each buffer filled from one item. */
  #fill(index: number, waiting: Uint8Array[]): void {
    for (;;) {
      const queue = this.#queues[index];
      const next = waiting[0];
      const chain = next === undefined ? undefined : queue?.pop();
      if (queue === undefined || next === undefined || chain === undefined) break;
      const bytes = next.subarray(0, segmentBytes(chain.writable));
      const written = scatter(queue.port, chain.writable, bytes);
      if (bytes.length === next.length) waiting.shift();
      else waiting[0] = next.subarray(bytes.length);
      queue.push(chain.head, written);
    }
    this.#queues[index]?.signal();
  }

  #controlFromGuest(bytes: Uint8Array): void {
    if (bytes.length < CONTROL_BYTES) return;
    const view = new DataView(bytes.buffer, bytes.byteOffset);
    const event = view.getUint16(4, true);
    const value = view.getUint16(6, true);
    if (event === EVENT.deviceReady) {
      if (value === 1) for (const port of this.#ports) this.#send(port.id, EVENT.portAdd, 1);
      return;
    }
    const port = this.#ports.find((candidate) => candidate.id === view.getUint32(0, true));
    if (port === undefined) return;
    if (event === EVENT.portReady && value === 1) {
      this.#send(port.id, EVENT.portName, 1, new TextEncoder().encode(port.name));
      this.#send(port.id, EVENT.portOpen, 1);
    }
    if (event === EVENT.portOpen) {
      port.isOpen = value === 1;
      port.wasOpened ||= port.isOpen;
    }
  }

  #send(id: number, event: number, value: number, name: Uint8Array = new Uint8Array(0)): void {
    if (this.#control.length >= CONTROL_MESSAGES_MAX) return;
    const message = new Uint8Array(CONTROL_BYTES + name.length);
    const view = new DataView(message.buffer);
    view.setUint32(0, id, true);
    view.setUint16(4, event, true);
    view.setUint16(6, value, true);
    message.set(name, CONTROL_BYTES);
    this.#control.push(message);
  }

  /** What waits for the guest goes with the driver that was to read it. */
  reset(): void {
    this.#queues = [];
    this.#isMultiport = false;
    this.#control = [];
    this.#timer.disarm();
    for (const port of this.#ports) {
      const { wasOpened } = port;
      port.isOpen = false;
      port.wasOpened = false;
      port.input = [];
      if (wasOpened) port.outside.onReset();
    }
  }

  dispose(): void {
    this.#timer.dispose();
  }

  save(): SnapshotValue {
    return {
      version: VERSION,
      control: this.#control.map((message) => message.slice()),
      ports: this.#ports.map((port) => ({
        name: port.name,
        isOpen: port.isOpen,
        wasOpened: port.wasOpened,
        input: port.input.map((bytes) => bytes.slice()),
      })),
    };
  }

  restore(state: SnapshotValue): void {
    const part = new SnapshotPart(this.#name, state, VERSION);
    this.#control = part.list('control').map((message) => (message as Uint8Array).slice());
    const ports = part.parts('ports', this.#ports.length);
    this.#ports.forEach((port, index) => {
      const saved = ports[index]!;
      if (saved.string('name') !== port.name) saved.refuse('name', `the port ${port.name} that is plugged in`);
      port.isOpen = saved.boolean('isOpen');
      port.wasOpened = saved.boolean('wasOpened');
      port.input = saved.list('input').map((bytes) => (bytes as Uint8Array).slice());
    });
  }
}
