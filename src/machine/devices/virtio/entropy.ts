/** virtio-rng. Source: [VIRTIO] 1.2 "Entropy Device". The bytes come from outside: the machine has no random source. */
import type { PluggedDevice, SnapshotValue } from '../../door.ts';
import type { Timer, TimerSource } from '../../event-queue.ts';
import { SnapshotPart } from '../../snapshot-part.ts';
import { scatter } from './segments.ts';
import type { VirtioModel } from './virtio-model.ts';
import { segmentBytes, type Virtqueue } from './virtqueue.ts';

const DEVICE_TYPE_ENTROPY = 4;
const QUEUE_SIZE = 8;
/** A request gets no more than this; [VIRTIO] lets a device "place fewer bytes". */
const BYTES_MAX = 4096;

const VERSION = 1;

export interface VirtioEntropyOptions {
  readonly name: string;
  readonly random: (bytes: number) => Uint8Array;
  readonly timers: TimerSource;
}

export class VirtioEntropy implements VirtioModel {
  readonly deviceType = DEVICE_TYPE_ENTROPY;
  readonly features = 0n;
  readonly queueSizes = [QUEUE_SIZE];
  readonly config = new Uint8Array(0);
  readonly outside: PluggedDevice = { kind: 'rng', inFlight: () => (this.#timer.atNs === undefined ? 0 : 1) };
  readonly #name: string;
  readonly #random: (bytes: number) => Uint8Array;
  readonly #timers: TimerSource;
  readonly #timer: Timer;
  #queues: readonly (Virtqueue | undefined)[] = [];

  constructor(options: VirtioEntropyOptions) {
    this.#name = options.name;
    this.#random = options.random;
    this.#timers = options.timers;
    this.#timer = options.timers.timer(`${options.name}.rng`, () => this.#serve());
  }

  start(queues: readonly (Virtqueue | undefined)[]): void {
    this.#queues = queues;
  }

  notify(): void {
    this.#timer.arm(this.#timers.now());
  }

  #serve(): void {
    const queue = this.#queues[0];
    for (;;) {
      const chain = queue?.pop();
      if (queue === undefined || chain === undefined) break;
      const bytes = this.#random(Math.min(segmentBytes(chain.writable), BYTES_MAX));
      queue.push(chain.head, scatter(queue.port, chain.writable, bytes));
    }
    queue?.signal();
  }

  reset(): void {
    this.#queues = [];
    this.#timer.disarm();
  }

  dispose(): void {
    this.#timer.dispose();
  }

  save(): SnapshotValue {
    return { version: VERSION };
  }

  restore(state: SnapshotValue): void {
    new SnapshotPart(this.#name, state, VERSION);
  }
}
