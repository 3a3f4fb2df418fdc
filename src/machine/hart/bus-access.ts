/** Loads and stores that are not plain RAM: devices, and RAM where a PMP boundary lies inside the page. */
import type { AccessBytes } from '../door.ts';
import type { HartBus } from '../hart-contract.ts';
import type { GuestMemory } from '../memory.ts';
import type { HartArea } from './hart-area.ts';
import type { HartControl } from './hart-control.ts';
import { PERMISSION } from './layout.ts';
import { ACCESS } from './page-walk.ts';
import { pmpAllows } from './pmp.ts';
import { CAUSE } from './trap-cause.ts';

const PTE_BYTES = 8;

export class BusAccess {
  readonly #area: HartArea;
  readonly #memory: GuestMemory;
  readonly #control: HartControl;
  readonly #bus: HartBus;

  constructor(area: HartArea, memory: GuestMemory, control: HartControl, bus: HartBus) {
    this.#area = area;
    this.#memory = memory;
    this.#control = control;
    this.#bus = bus;
  }

  /** Loads from the physical address in state into state `value`, or takes a trap. */
  load(bytes: AccessBytes): void {
    const address = this.#area.number('walkAddress');
    const refused = this.#refusal(address, bytes, PERMISSION.load, CAUSE.loadMisaligned, CAUSE.loadAccess);
    if (refused !== undefined) {
      this.#trap(refused);
      return;
    }
    const value = this.#memory.contains(address, bytes)
      ? readLittleEndian(this.#area.memory, this.#memory.toLinear(address), bytes)
      : this.#bus.read(address, bytes);
    if (value === undefined) this.#trap(CAUSE.loadAccess);
    else this.#area.setDouble('value', value);
  }

  /** Stores state `value`. */
  store(bytes: AccessBytes): void {
    const address = this.#area.number('walkAddress');
    const refused = this.#refusal(address, bytes, PERMISSION.store, CAUSE.storeMisaligned, CAUSE.storeAccess);
    if (refused !== undefined) {
      this.#trap(refused);
      return;
    }
    const value = BigInt.asUintN(bytes * 8, this.#area.double('value'));
    if (this.#memory.contains(address, bytes)) {
      writeLittleEndian(this.#area.memory, this.#memory.toLinear(address), bytes, value);
      this.#memory.written(address, bytes);
    } else if (!this.#bus.write(address, bytes, value)) {
      this.#trap(CAUSE.storeAccess);
    }
  }

  /** Linear address for an atomic at the physical address in state; 0 after a trap. Atomics need memory. */
  atomicAddress(bytes: AccessBytes, access: number): number {
    const address = this.#area.number('walkAddress');
    const isLoad = access === ACCESS.load;
    const permission = isLoad ? PERMISSION.load : PERMISSION.store;
    const denied = isLoad ? CAUSE.loadAccess : CAUSE.storeAccess;
    const refused = this.#refusal(address, bytes, permission, denied, denied);
    if (refused !== undefined || !this.#memory.contains(address, bytes)) {
      this.#trap(denied);
      return 0;
    }
    if (!isLoad) this.#memory.written(address, bytes);
    return this.#memory.toLinear(address);
  }

  /** Whether S-mode may access the page table entry at a physical address. */
  allowsEntry(address: bigint, permission: number): boolean {
    return pmpAllows(this.#control.pmp.intervals, BigInt.asUintN(64, address), PTE_BYTES, permission, false);
  }

  #trap(cause: number): void {
    this.#control.takeException(cause, this.#area.double('accessAddress'));
  }

  #refusal(
    address: number,
    bytes: AccessBytes,
    permission: number,
    misaligned: number,
    denied: number,
  ): number | undefined {
    if (address % bytes !== 0) return misaligned;
    const isMachine = this.#control.dataPrivilege === 3;
    const { intervals } = this.#control.pmp;
    return pmpAllows(intervals, BigInt(address), bytes, permission, isMachine) ? undefined : denied;
  }
}

function readLittleEndian(memory: DataView, at: number, bytes: AccessBytes): bigint {
  switch (bytes) {
    case 1:
      return BigInt(memory.getUint8(at));
    case 2:
      return BigInt(memory.getUint16(at, true));
    case 4:
      return BigInt(memory.getUint32(at, true));
    case 8:
      return memory.getBigUint64(at, true);
  }
}

function writeLittleEndian(memory: DataView, at: number, bytes: AccessBytes, value: bigint): void {
  for (let i = 0; i < bytes; i++) memory.setUint8(at + i, Number((value >> BigInt(i * 8)) & 0xffn));
}
