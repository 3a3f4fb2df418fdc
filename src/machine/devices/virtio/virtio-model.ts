/** What a virtio device and the transport of its slot are to each other. */
import type { PluggedDevice, VirtioDevice } from '../../door.ts';
import type { Virtqueue } from './virtqueue.ts';

/** Feature bits every device of this board offers. [VIRTIO] "Reserved Feature Bits". */
export const RESERVED_FEATURES = {
  indirectDesc: 1n << 28n,
  eventIdx: 1n << 29n,
  version1: 1n << 32n,
} as const;

export interface VirtioModel extends VirtioDevice {
  /** Device-specific feature bits that are offered. */
  readonly features: bigint;
  /** Largest size of each queue: a power of two. */
  readonly queueSizes: readonly number[];
  /** Device configuration space as the driver reads it; it has no writable fields. */
  readonly config: Uint8Array;
  /** The outside of the device. */
  readonly outside: PluggedDevice;
  /**
   * The driver set DRIVER_OK, or a snapshot was restored that was taken after that. Queues it did not set up are
   * undefined. No other effect: a driver notifies.
   */
  start(queues: readonly (Virtqueue | undefined)[], features: bigint): void;
  /** The driver made buffers available in that queue. Called inside an instruction. */
  notify(queue: number): void;
  /** Forgets the driver: queues, requests in flight. What is outside stays connected. */
  reset(): void;
  /** The device leaves its slot. */
  dispose(): void;
}
