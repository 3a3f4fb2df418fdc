/**
 * virtio-net. Source: [VIRTIO] 1.2 "Network Device". One queue pair, one buffer per frame.
 *
 * A frame takes its serialisation on the wire, in each direction; the latency of the way is the network's. A frame that
 * finds no receive buffer waits; when too many wait, the newest is dropped and counted.
 */
import { TIMING } from '../../board.ts';
import type { EthernetPort, NodeTimeNs, PluggedDevice, SnapshotValue } from '../../door.ts';
import type { Timer, TimerSource } from '../../event-queue.ts';
import { SnapshotPart } from '../../snapshot-part.ts';
import { completeChecksum } from './partial-checksum.ts';
import { gather, scatter } from './segments.ts';
import type { VirtioModel } from './virtio-model.ts';
import { type DescriptorChain, segmentBytes, type Virtqueue } from './virtqueue.ts';

const DEVICE_TYPE_NET = 1;
const QUEUE_SIZE = 256;
const RX = 0;
const TX = 1;

const FEATURES = { csum: 1n << 0n, mac: 1n << 5n, status: 1n << 16n } as const;

/** struct virtio_net_config: mac, le16 status. */
const CONFIG_BYTES = 8;
const CONFIG_STATUS = 6;
const STATUS_LINK_UP = 1;

/** struct virtio_net_hdr with num_buffers, as VIRTIO_F_VERSION_1 has it. */
const HEADER = { bytes: 12, flags: 0, csumStart: 6, csumOffset: 8, numBuffers: 10 } as const;
const HDR_F_NEEDS_CSUM = 1;

const FRAME_BYTES_MIN = 14;
const FRAME_BYTES_MAX = 1514;
/** Frames underway to the guest, those that wait for a buffer included. */
const RX_FRAMES_MAX = 1024;
/** Frames underway from the guest; those beyond stay in the ring. */
const TX_FRAMES_MAX = 256;

const VERSION = 1;

interface Frame {
  readonly atNs: NodeTimeNs;
  readonly bytes: Uint8Array;
}

export interface NetCounters {
  readonly transmitted: number;
  readonly received: number;
  /** Not a frame, or in memory that is not the owner's. */
  readonly transmitErrors: number;
  readonly receiveDropped: number;
}

export interface VirtioNetOptions {
  readonly name: string;
  /** Six bytes in hexadecimal with colons. */
  readonly mac: string;
  readonly timers: TimerSource;
}

export class VirtioNet implements VirtioModel {
  readonly deviceType = DEVICE_TYPE_NET;
  readonly features = FEATURES.csum | FEATURES.mac | FEATURES.status;
  readonly queueSizes = [QUEUE_SIZE, QUEUE_SIZE];
  readonly config: Uint8Array;
  readonly outside: PluggedDevice & { readonly ethernet: EthernetPort };
  readonly #name: string;
  readonly #timers: TimerSource;
  readonly #rxTimer: Timer;
  readonly #txTimer: Timer;
  #queues: readonly (Virtqueue | undefined)[] = [];
  /** Underway, in order of arrival. */
  #rx: Frame[] = [];
  #tx: Frame[] = [];
  /** When the last bit of the newest frame in that direction is on the wire. */
  #rxFreeAtNs: NodeTimeNs = 0;
  #txFreeAtNs: NodeTimeNs = 0;
  #counters = { transmitted: 0, received: 0, transmitErrors: 0, receiveDropped: 0 };

  /** Throws when `mac` is not a MAC address. */
  constructor(options: VirtioNetOptions) {
    this.#name = options.name;
    this.#timers = options.timers;
    this.config = new Uint8Array(CONFIG_BYTES);
    this.config.set(macBytes(options.mac));
    this.config[CONFIG_STATUS] = STATUS_LINK_UP;
    this.#rxTimer = options.timers.timer(`${options.name}.net.rx`, () => this.#deliver());
    this.#txTimer = options.timers.timer(`${options.name}.net.tx`, () => this.#emit());
    this.outside = {
      kind: 'net',
      ethernet: { onTransmit: () => {}, receive: (frame) => this.#receive(frame) },
      inFlight: () => this.#tx.length,
    };
  }

  get counters(): NetCounters {
    return this.#counters;
  }

  start(queues: readonly (Virtqueue | undefined)[]): void {
    this.#queues = queues;
  }

  notify(queue: number): void {
    if (queue === TX) this.#transmit();
    else if (this.#rx.length > 0) this.#rxTimer.arm(this.#rx[0]!.atNs);
  }

  #transmit(): void {
    const queue = this.#queues[TX];
    while (queue !== undefined && this.#tx.length < TX_FRAMES_MAX) {
      const chain = queue.pop();
      if (chain === undefined) break;
      this.#send(queue, chain);
      queue.push(chain.head, 0);
    }
    queue?.signal();
    if (this.#tx[0] !== undefined) this.#txTimer.arm(this.#tx[0].atNs);
  }

  #send(queue: Virtqueue, chain: DescriptorChain): void {
    const bytes = segmentBytes(chain.readable);
    const isFrame = bytes >= HEADER.bytes + FRAME_BYTES_MIN && bytes <= HEADER.bytes + FRAME_BYTES_MAX;
    const raw = isFrame ? gather(queue.port, chain.readable) : undefined;
    if (raw === undefined || !finishChecksum(raw)) {
      this.#counters.transmitErrors++;
      return;
    }
    this.#txFreeAtNs = Math.max(this.#timers.now(), this.#txFreeAtNs) + serialisationNs(raw.length - HEADER.bytes);
    this.#tx.push({ atNs: this.#txFreeAtNs, bytes: raw.slice(HEADER.bytes) });
  }

  #emit(): void {
    while ((this.#tx[0]?.atNs ?? Number.POSITIVE_INFINITY) <= this.#timers.now()) {
      this.#counters.transmitted++;
      this.outside.ethernet.onTransmit(this.#tx.shift()!.bytes);
    }
    this.#transmit();
  }

  #receive(frame: Uint8Array): void {
    const isFrame = frame.length >= FRAME_BYTES_MIN && frame.length <= FRAME_BYTES_MAX;
    if (!isFrame || this.#queues[RX] === undefined || this.#rx.length >= RX_FRAMES_MAX) {
      this.#counters.receiveDropped++;
      return;
    }
    this.#rxFreeAtNs = Math.max(this.#timers.now(), this.#rxFreeAtNs) + serialisationNs(frame.length);
    this.#rx.push({ atNs: this.#rxFreeAtNs, bytes: frame.slice() });
    if (this.#rx.length === 1) this.#rxTimer.arm(this.#rx[0]!.atNs);
  }

  /** Hands over what has arrived; without a buffer it stays until the driver notifies. */
  #deliver(): void {
    const queue = this.#queues[RX];
    while (queue !== undefined && (this.#rx[0]?.atNs ?? Number.POSITIVE_INFINITY) <= this.#timers.now()) {
      const chain = queue.pop();
      if (chain === undefined) break;
      const frame = this.#rx.shift()!.bytes;
      const packet = new Uint8Array(HEADER.bytes + frame.length);
      packet[HEADER.numBuffers] = 1;
      packet.set(frame, HEADER.bytes);
      const isWritten = scatter(queue.port, chain.writable, packet) === packet.length;
      this.#counters[isWritten ? 'received' : 'receiveDropped']++;
      queue.push(chain.head, isWritten ? packet.length : 0);
    }
    queue?.signal();
    const next = this.#rx[0];
    if (next !== undefined && next.atNs > this.#timers.now()) this.#rxTimer.arm(next.atNs);
  }

  reset(): void {
    this.#queues = [];
    this.#rx = [];
    this.#tx = [];
    this.#rxFreeAtNs = 0;
    this.#txFreeAtNs = 0;
    this.#rxTimer.disarm();
    this.#txTimer.disarm();
  }

  dispose(): void {
    this.#rxTimer.dispose();
    this.#txTimer.dispose();
  }

  save(): SnapshotValue {
    const frames = (list: readonly Frame[]): SnapshotValue => list.map(({ atNs, bytes }) => ({ atNs, bytes }));
    return {
      version: VERSION,
      rx: frames(this.#rx),
      tx: frames(this.#tx),
      rxFreeAtNs: this.#rxFreeAtNs,
      txFreeAtNs: this.#txFreeAtNs,
      counters: { ...this.#counters },
    };
  }

  restore(state: SnapshotValue): void {
    const part = new SnapshotPart(this.#name, state, VERSION);
    const frames = (field: string): Frame[] =>
      part.parts(field).map((frame) => ({ atNs: frame.number('atNs'), bytes: frame.bytes('bytes') }));
    this.#rx = frames('rx');
    this.#tx = frames('tx');
    this.#rxFreeAtNs = part.number('rxFreeAtNs');
    this.#txFreeAtNs = part.number('txFreeAtNs');
    const counters = new SnapshotPart(`${this.#name}.counters`, part.value('counters'));
    this.#counters = {
      transmitted: counters.number('transmitted'),
      received: counters.number('received'),
      transmitErrors: counters.number('transmitErrors'),
      receiveDropped: counters.number('receiveDropped'),
    };
  }
}

const serialisationNs = (bytes: number): number => Math.ceil((bytes * TIMING.ethernetNsPerKib) / 1024);

/** VIRTIO_NET_F_CSUM: completes the checksum the driver has left to the device; false when it is out of the frame. */
function finishChecksum(packet: Uint8Array): boolean {
  const header = new DataView(packet.buffer, packet.byteOffset, HEADER.bytes);
  if ((header.getUint8(HEADER.flags) & HDR_F_NEEDS_CSUM) === 0) return true;
  const frame = packet.subarray(HEADER.bytes);
  return completeChecksum(frame, header.getUint16(HEADER.csumStart, true), header.getUint16(HEADER.csumOffset, true));
}

function macBytes(mac: string): Uint8Array {
  if (!/^([0-9a-f]{2}:){5}[0-9a-f]{2}$/i.test(mac)) throw new RangeError(`not a MAC address: ${mac}`);
  return Uint8Array.from(mac.split(':'), (byte) => Number.parseInt(byte, 16));
}
