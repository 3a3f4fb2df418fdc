/**
 * What each slot's DMA may touch: four ranges per slot, programmed through the partition controller. After the idea of
 * [IOPMP] "RISC-V IOPMP Architecture Specification", reduced to base and size.
 */
import { type MemoryRegion, SLOTS_PER_SIDE } from '../board.ts';
import {
  type DmaPort,
  PARTITION_REGISTERS,
  type PhysicalMemory,
  type Snapshotted,
  type SnapshotValue,
} from '../door.ts';
import { SnapshotPart } from '../snapshot-part.ts';

const DMA_SLOTS = 2 * SLOTS_PER_SIDE;
const RANGES = PARTITION_REGISTERS.iopmpRangesPerSlot;

const VERSION = 1;

interface Range {
  base: bigint;
  bytes: bigint;
}

/** A range that is on, as the check uses it. */
interface Extent {
  readonly base: number;
  readonly end: number;
}

export class Iopmp implements Snapshotted {
  readonly #memory: PhysicalMemory;
  /** By slot * RANGES + range. */
  readonly #ranges: Range[];
  /** By slot: what `#ranges` says. */
  readonly #extents: Extent[][];
  readonly #denied = new Uint32Array(DMA_SLOTS);

  constructor(memory: PhysicalMemory) {
    this.#memory = memory;
    this.#ranges = Array.from({ length: DMA_SLOTS * RANGES }, () => ({ base: 0n, bytes: 0n }));
    this.#extents = Array.from({ length: DMA_SLOTS }, () => []);
    this.reset();
  }

  /** The first range of each slot is all of RAM, the others are off; counters start again. */
  reset(): void {
    this.#ranges.forEach((range, index) => {
      const isFirst = index % RANGES === 0;
      range.base = isFirst ? BigInt(this.#memory.base) : 0n;
      range.bytes = isFirst ? BigInt(this.#memory.bytes) : 0n;
    });
    this.#updateExtents();
    this.#denied.fill(0);
  }

  /** The registers of the range with that number, `slot * 4 + range`. */
  range(index: number): Readonly<Range> | undefined {
    return this.#ranges[index];
  }

  setRange(index: number, field: 'base' | 'bytes', value: bigint): void {
    const range = this.#ranges[index];
    if (range === undefined) return;
    range[field] = value;
    this.#updateExtents();
  }

  /** Accesses of a slot denied since reset. */
  denied(slot: number): number {
    return this.#denied[slot] ?? 0;
  }

  /** Whether every byte is in RAM and in some range of the slot. */
  allows(slot: number, address: number, bytes: number): boolean {
    if (!this.#memory.contains(address, bytes)) return false;
    const end = address + bytes;
    const extents = this.#extents[slot]!;
    // Each turn leaves one range behind: no range is entered twice.
    for (let at = address, turn = 0; turn < RANGES; turn++) {
      const extent = extents.find((candidate) => at >= candidate.base && at < candidate.end);
      if (extent === undefined) return false;
      if (end <= extent.end) return true;
      at = extent.end;
    }
    return false;
  }

  #updateExtents(): void {
    for (let slot = 0; slot < DMA_SLOTS; slot++) {
      this.#extents[slot] = this.rangesOf(slot).map(({ base, bytes }) => ({ base, end: base + bytes }));
    }
  }

  /** The memory as the device in `slot` reaches it. A view that `read` gives is live, for use at this instant. */
  port(slot: number): DmaPort {
    const isAllowed = (address: number, bytes: number): boolean => {
      if (this.allows(slot, address, bytes)) return true;
      this.#denied[slot] = this.#denied[slot]! + 1;
      return false;
    };
    return {
      read: (address, bytes) => (isAllowed(address, bytes) ? this.#memory.view(address, bytes) : undefined),
      write: (address, bytes) => {
        if (!isAllowed(address, bytes.length)) return false;
        this.#memory.write(address, bytes);
        return true;
      },
    };
  }

  /** The ranges that a slot has on. */
  rangesOf(slot: number): readonly MemoryRegion[] {
    return this.#ranges
      .slice(slot * RANGES, (slot + 1) * RANGES)
      .filter((range) => range.bytes > 0n)
      .map((range) => ({ base: Number(range.base), bytes: Number(range.bytes) }));
  }

  save(): SnapshotValue {
    return {
      version: VERSION,
      ranges: this.#ranges.flatMap((range) => [range.base, range.bytes]),
      denied: [...this.#denied],
    };
  }

  restore(state: SnapshotValue): void {
    const part = new SnapshotPart('iopmp', state, VERSION);
    const cells = part.list('ranges', 2 * this.#ranges.length);
    this.#ranges.forEach((range, index) => {
      range.base = BigInt(cells[2 * index] as bigint);
      range.bytes = BigInt(cells[2 * index + 1] as bigint);
    });
    this.#updateExtents();
    this.#denied.set(part.numbers('denied', DMA_SLOTS));
  }
}
