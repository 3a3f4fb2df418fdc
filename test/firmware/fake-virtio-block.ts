import type { FakeDevice, FakeHart } from './fake-hart.ts';

const SECTOR_BYTES = 512;

/** A virtio block device of 64 descriptors that answers when `complete` is called, the latest request first. */
export class FakeVirtioBlock implements FakeDevice {
  readonly base: number;
  readonly bytes = 0x1000;
  readonly disk: Uint8Array;
  readonly #hart: FakeHart;
  readonly #registers = new Map<number, number>();
  #taken = 0;
  #pending: number[] = [];
  /** Largest number of requests the driver had in flight. */
  mostInFlight = 0;
  deviceId = 2;
  failing = false;

  constructor(hart: FakeHart, base: number, disk: Uint8Array) {
    this.#hart = hart;
    this.base = base;
    this.disk = disk;
  }

  register(offset: number): number {
    return this.#registers.get(offset) ?? 0;
  }

  read(offset: number): bigint {
    const fixed: Record<number, number> = {
      0: 0x74726976,
      4: 2,
      8: this.deviceId,
      52: 256,
      256: this.disk.length / SECTOR_BYTES,
    };
    return BigInt(fixed[offset] ?? this.register(offset));
  }

  write(offset: number, value: bigint): void {
    this.#registers.set(offset, Number(value));
    if (offset === 0x70 && value === 0n) this.#taken = 0;
    if (offset === 0x50) this.#take();
  }

  complete(): void {
    const used = this.register(0xa0);
    for (const head of this.#pending.reverse()) {
      this.#serve(head);
      const index = Number(this.#hart.load(used + 2, 2));
      this.#hart.store(used + 4 + 8 * (index % 64), 4, BigInt(head));
      this.#hart.store(used + 2, 2, BigInt((index + 1) & 0xffff));
    }
    this.#pending = [];
  }

  #take(): void {
    const available = this.register(0x90);
    const index = Number(this.#hart.load(available + 2, 2));
    for (; this.#taken !== index; this.#taken = (this.#taken + 1) & 0xffff) {
      this.#pending.push(Number(this.#hart.load(available + 4 + 2 * (this.#taken % 64), 2)));
    }
    this.mostInFlight = Math.max(this.mostInFlight, this.#pending.length);
  }

  #serve(head: number): void {
    const [header, data, status] = this.#chain(head);
    if (header === undefined || data === undefined || status === undefined)
      throw new Error('a request of three descriptors');
    const sector = Number(this.#hart.load(header.address + 8, 8));
    this.#hart.writeMemory(data.address, this.disk.subarray(sector * SECTOR_BYTES, sector * SECTOR_BYTES + data.bytes));
    this.#hart.store(status.address, 1, this.failing ? 1n : 0n);
  }

  #chain(head: number): { address: number; bytes: number }[] {
    const chain: { address: number; bytes: number }[] = [];
    for (let index = head; ; ) {
      const at = this.register(0x80) + 16 * index;
      chain.push({ address: Number(this.#hart.load(at, 8)), bytes: Number(this.#hart.load(at + 8, 4)) });
      if ((Number(this.#hart.load(at + 12, 2)) & 1) === 0) return chain;
      index = Number(this.#hart.load(at + 14, 2));
    }
  }
}
