/** Registers of virtio-mmio version 2. Source: [VIRTIO] 1.2 "MMIO Device Register Layout". */

export const MAGIC_VALUE = 0x000;
export const VERSION_REGISTER = 0x004;
export const DEVICE_ID = 0x008;
export const VENDOR_ID = 0x00c;
export const DEVICE_FEATURES = 0x010;
export const DEVICE_FEATURES_SEL = 0x014;
export const DRIVER_FEATURES = 0x020;
export const DRIVER_FEATURES_SEL = 0x024;
export const QUEUE_SEL = 0x030;
export const QUEUE_SIZE_MAX = 0x034;
export const QUEUE_SIZE = 0x038;
export const QUEUE_READY = 0x044;
export const QUEUE_NOTIFY = 0x050;
export const INTERRUPT_STATUS = 0x060;
export const INTERRUPT_ACK = 0x064;
export const STATUS = 0x070;
export const QUEUE_DESC_LOW = 0x080;
export const QUEUE_DESC_HIGH = 0x084;
export const QUEUE_DRIVER_LOW = 0x090;
export const QUEUE_DRIVER_HIGH = 0x094;
export const QUEUE_DEVICE_LOW = 0x0a0;
export const QUEUE_DEVICE_HIGH = 0x0a4;
export const SHM_LEN_LOW = 0x0b0;
export const SHM_BASE_HIGH = 0x0bc;
export const CONFIG_GENERATION = 0x0fc;
export const CONFIG = 0x100;

export const MAGIC = 0x7472_6976; // "virt"
export const MMIO_VERSION = 2;
export const VENDOR = 0x5652_554d; // "MURV"
/** [VIRTIO]: "If the shared memory region does not exist, reading returns 0xffffffffffffffff". */
export const NO_SHARED_MEMORY = 0xffff_ffff;

export const INTERRUPT = { usedBuffer: 1, configChange: 2 } as const;
export const STATUS_BITS = { driverOk: 4, featuresOk: 8, needsReset: 64 } as const;
