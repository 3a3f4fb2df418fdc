/** Registers of a virtio-mmio slot. Source: [VIRTIO] "MMIO Device Register Layout". */
export const VIRTIO_MMIO = {
  magicValue: 0x000,
  version: 0x004,
  deviceId: 0x008,
  deviceFeatures: 0x010,
  deviceFeaturesSel: 0x014,
  driverFeatures: 0x020,
  driverFeaturesSel: 0x024,
  queueSel: 0x030,
  queueNumMax: 0x034,
  queueNum: 0x038,
  queueReady: 0x044,
  queueNotify: 0x050,
  interruptStatus: 0x060,
  interruptAck: 0x064,
  status: 0x070,
  queueDescLow: 0x080,
  queueDriverLow: 0x090,
  queueDeviceLow: 0x0a0,
  config: 0x100,
} as const;

/** "virt" */
export const VIRTIO_MAGIC = 0x7472_6976;
export const VIRTIO_MMIO_VERSION = 2;

/** [VIRTIO] "Device Status Field". */
export const VIRTIO_STATUS = { acknowledge: 1, driver: 2, driverOk: 4, featuresOk: 8, needsReset: 64 } as const;

/** VIRTIO_F_VERSION_1 is bit 32: bit 0 of the second word of features. */
export const VIRTIO_F_VERSION_1_WORD1 = 1;

export const VIRTIO_DEVICE_BLOCK = 2;

/** [VIRTIO] "The Virtqueue Descriptor Table". */
export const DESCRIPTOR_BYTES = 16;
export const DESCRIPTOR_FLAG = { next: 1, write: 2 } as const;
