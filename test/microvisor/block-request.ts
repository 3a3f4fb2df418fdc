/** A virtio block request written by hand: what a driver stores to have sector 0 read into `target`. */
import { VIRTIO_MMIO as REGISTER, VIRTIO_STATUS as STATUS } from '../../src/firmware/boot/virtio-mmio.ts';
import { type Side, slotBase } from '../../src/machine/index.ts';

export const RANDOM_DISK_BYTES = 64 * 512;

const QUEUE_SIZE = 8;
const NEXT = 1;
const WRITE = 2;

export interface BlockRequest {
  readonly pokes: readonly (readonly [number, number])[];
  readonly memory: readonly { readonly address: number; readonly bytes: Uint8Array }[];
}

/** `work`: 16 KiB of memory for the ring. */
export function readRequest(side: Side, slot: number, work: number, target: number): BlockRequest {
  const register = (offset: number): number => slotBase(side, slot) + offset;
  const at = { descriptors: work, available: work + 0x1000, used: work + 0x2000, header: work + 0x3000 };
  const address64 = (low: number, address: number): readonly (readonly [number, number])[] => [
    [register(low), address],
    [register(low + 4), 0],
  ];
  const descriptors = new Uint8Array(3 * 16);
  const view = new DataView(descriptors.buffer);
  const describe = (index: number, address: number, bytes: number, flags: number): void => {
    view.setBigUint64(16 * index, BigInt(address), true);
    view.setUint32(16 * index + 8, bytes, true);
    view.setUint16(16 * index + 12, flags, true);
    view.setUint16(16 * index + 14, index + 1, true);
  };
  describe(0, at.header, 16, NEXT);
  describe(1, target, 512, NEXT | WRITE);
  describe(2, at.header + 64, 1, WRITE);
  // flags 0, idx 1, ring[0] = descriptor 0
  const available = Uint8Array.of(0, 0, 1, 0, 0, 0);
  return {
    pokes: [
      [register(REGISTER.status), 0],
      [register(REGISTER.status), STATUS.acknowledge | STATUS.driver],
      [register(REGISTER.driverFeaturesSel), 1],
      [register(REGISTER.driverFeatures), 1],
      [register(REGISTER.status), STATUS.acknowledge | STATUS.driver | STATUS.featuresOk],
      [register(REGISTER.queueSel), 0],
      [register(REGISTER.queueNum), QUEUE_SIZE],
      ...address64(REGISTER.queueDescLow, at.descriptors),
      ...address64(REGISTER.queueDriverLow, at.available),
      ...address64(REGISTER.queueDeviceLow, at.used),
      [register(REGISTER.queueReady), 1],
      [register(REGISTER.status), STATUS.acknowledge | STATUS.driver | STATUS.featuresOk | STATUS.driverOk],
      [register(REGISTER.queueNotify), 0],
    ],
    memory: [
      { address: at.descriptors, bytes: descriptors },
      { address: at.available, bytes: available },
      { address: at.header, bytes: new Uint8Array(128) },
    ],
  };
}
