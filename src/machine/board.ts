/**
 * The board's data sheet as data: memory map, interrupt wiring, clocks and latencies. Everything that depends on the
 * board (devices, device tree, firmware, Microvisor) reads it from here.
 *
 * The node has two *sides*, A and B. Each side has a register block of its own (PLIC, UART, real-time clock, eight
 * virtio-mmio slots), so that one naturally aligned PMP entry gives or denies it all to an OS. Memory is two banks of
 * 128 MiB blocks; each OS also owns 2 MiB of low memory, because Linux can only add memory that lies above its lowest
 * memory node.
 */

export type Side = 'A' | 'B';
export const SIDES: readonly Side[] = ['A', 'B'];

export const MIB = 0x10_0000;

/** Naturally aligned region that only M-mode may touch: ACLINT and partition controller. */
export const M_MODE_IO = { base: 0x0200_0000, bytes: 0x0100_0000 } as const;

/** ACLINT MTIMER + MSWI in the layout of the SiFive CLINT: msip at +0, mtimecmp at +0x4000, mtime at +0xbff8. */
export const ACLINT = { base: 0x0200_0000, bytes: 0x1_0000 } as const;

/** Partition controller: interrupt steering, IOPMP, service mailbox, power. M-mode only. */
export const PARTITION_CONTROLLER = { base: 0x0210_0000, bytes: 0x1_0000 } as const;

export const SIDE_IO_BYTES = 0x80_0000;
export const SIDE_IO_BASE: Readonly<Record<Side, number>> = { A: 0x1000_0000, B: 0x1080_0000 };

/** Offsets inside a side's register block. */
export const SIDE_IO = {
  plic: { offset: 0x00_0000, bytes: 0x40_0000 },
  uart: { offset: 0x40_0000, bytes: 0x1000 },
  rtc: { offset: 0x40_1000, bytes: 0x1000 },
  slots: { offset: 0x41_0000, bytes: 0x1000 },
} as const;

export const SLOTS_PER_SIDE = 8;

/**
 * Interrupt sources of both PLICs. Every slot of both sides is wired to both PLICs under the same number, so that a
 * device can move to the other OS; the UART and clock of a side are wired to that side's PLIC only.
 */
export const IRQ = {
  slot: (side: Side, slot: number): number => (side === 'A' ? 1 : 1 + SLOTS_PER_SIDE) + slot,
  uart: 17,
  rtc: 18,
  sources: 31,
} as const;

/** PLIC context of a hart's M-mode (unused by Linux) and S-mode, as on most boards. */
export const plicContext = (hartId: number, mode: 'M' | 'S'): number => hartId * 2 + (mode === 'S' ? 1 : 0);

export const slotBase = (side: Side, slot: number): number =>
  SIDE_IO_BASE[side] + SIDE_IO.slots.offset + slot * SIDE_IO.slots.bytes;

export const RAM_BASE = 0x8000_0000;

/** Memory of the firmware and the Microvisor; denied to S and U mode for ever. */
export const FIRMWARE_MEMORY = { base: RAM_BASE, bytes: 2 * MIB } as const;

export interface MemoryRegion {
  readonly base: number;
  readonly bytes: number;
}

/** What the memory of a node looks like when each side's bank has `bankBytes` (a multiple of 128 MiB). */
export interface MemoryMap {
  readonly ramBytes: number;
  readonly firmware: MemoryRegion;
  /** 2 MiB of an OS's own at the bottom of memory. */
  readonly lowStub: Readonly<Record<Side, MemoryRegion>>;
  readonly bank: Readonly<Record<Side, MemoryRegion>>;
  /** 2 MiB ending at a bank: where Linux keeps the devdax info block of that bank when it takes it up. */
  readonly scratch: Readonly<Record<Side, MemoryRegion>>;
}

export const MEMORY_BLOCK_BYTES = 128 * MIB;

export function memoryMap(bankBytes: number): MemoryMap {
  if (bankBytes <= 0 || bankBytes % MEMORY_BLOCK_BYTES !== 0) {
    throw new RangeError(`a bank is a multiple of 128 MiB, not ${bankBytes} bytes`);
  }
  const bankA = RAM_BASE + MEMORY_BLOCK_BYTES;
  const bankB = bankA + bankBytes + MEMORY_BLOCK_BYTES;
  const region = (base: number, bytes: number): MemoryRegion => ({ base, bytes });
  return {
    ramBytes: bankB + bankBytes - RAM_BASE,
    firmware: FIRMWARE_MEMORY,
    lowStub: { A: region(RAM_BASE + 2 * MIB, 2 * MIB), B: region(RAM_BASE + 4 * MIB, 2 * MIB) },
    bank: { A: region(bankA, bankBytes), B: region(bankB, bankBytes) },
    scratch: { A: region(bankA - 2 * MIB, 2 * MIB), B: region(bankB - 2 * MIB, 2 * MIB) },
  };
}

/** Clock rates and latencies of the data sheet. Virtual time is made of these and nothing else. */
export const TIMING = {
  /** One instruction per nanosecond: a 1 GHz in-order hart. */
  nsPerInstruction: 1,
  /** `time` and `mtime` count at 10 MHz. */
  timebaseHz: 10_000_000,
  nsPerTick: 100,
  /** Block device: fixed cost of a request, of a flush, and cost of a byte (about 2 GB/s). */
  blockRequestNs: 20_000,
  blockFlushNs: 100_000,
  blockNsPerKib: 500,
  /** Ethernet: one way, plus serialisation at 10 Gbit/s. */
  ethernetLatencyNs: 20_000,
  ethernetNsPerKib: 800,
  /** The service processor's way to and from memory (about 3 GB/s, PCI Express 3.0 x4). */
  serviceProcessorNsPerKib: 330,
} as const;

/** Real-time clock at virtual time zero: the node's calendar is part of its determinism. 2026-11-01T00:00:00Z. */
export const RTC_EPOCH_MS = 1_793_491_200_000;
