/** All that M-mode software in TypeScript sees of a hart. */
import type { AccessBytes, MachineModeHart, PhysicalMemory } from './door.ts';
import type { Hart, HartBus } from './hart-contract.ts';

export interface MachineModeHartOptions {
  readonly hart: Hart;
  readonly memory: PhysicalMemory;
  readonly bus: HartBus;
  readonly charge: (cycles: number) => void;
  /** Node time in ticks, what was charged included. */
  readonly time: () => bigint;
}

/** A misaligned load or store is a mistake of our own software: it throws `RangeError`. */
export function createMachineModeHart(options: MachineModeHartOptions): MachineModeHart {
  const { hart, memory, bus, charge, time } = options;
  const { state } = hart;
  return {
    hartId: hart.hartId,
    x: (register) => state.x(register),
    setX: (register, value) => state.setX(register, value),
    f: (register) => state.f(register),
    setF: (register, value) => state.setF(register, value),
    csr: (address) => state.csr(address),
    setCsr: (address, value) => state.setCsr(address, value),
    fenceVma: (address, asid) => state.fenceVma(address, asid),
    fenceI: () => state.fenceI(),
    charge,
    time,
    load(address, bytes) {
      assertAligned(address, bytes);
      return memory.contains(address, bytes) ? fromLittleEndian(memory.view(address, bytes)) : bus.read(address, bytes);
    },
    store(address, bytes, value) {
      assertAligned(address, bytes);
      if (!memory.contains(address, bytes)) return bus.write(address, bytes, BigInt.asUintN(8 * bytes, value));
      memory.write(address, littleEndian(value, bytes));
      return true;
    },
    readMemory(address, bytes) {
      return memory.contains(address, bytes) ? memory.view(address, bytes).slice() : undefined;
    },
    writeMemory(address, bytes) {
      if (!memory.contains(address, bytes.length)) return false;
      memory.write(address, bytes);
      return true;
    },
  };
}

function assertAligned(address: number, bytes: AccessBytes): void {
  if (address % bytes !== 0) {
    throw new RangeError(`expected an address aligned to ${bytes} bytes, found 0x${address.toString(16)}`);
  }
}

function fromLittleEndian(bytes: Uint8Array): bigint {
  let value = 0n;
  for (let index = bytes.length - 1; index >= 0; index--) value = (value << 8n) | BigInt(bytes[index]!);
  return value;
}

function littleEndian(value: bigint, bytes: AccessBytes): Uint8Array {
  const all = new Uint8Array(8);
  new DataView(all.buffer).setBigUint64(0, BigInt.asUintN(64, value), true);
  return all.subarray(0, bytes);
}
