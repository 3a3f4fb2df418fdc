import { type AccessBytes, IllegalCsrError, type MachineModeHart, RAM_BASE } from '../../src/machine/index.ts';

export interface FakeDevice {
  readonly base: number;
  readonly bytes: number;
  read(offset: number): bigint;
  write(offset: number, value: bigint): void;
}

/** A hart that is registers, a CSR file without WARL rules, RAM, and devices; what it was charged is counted. */
export class FakeHart implements MachineModeHart {
  readonly hartId: number;
  readonly ram: Uint8Array;
  readonly registers = new Map<number, bigint>();
  readonly csrs = new Map<number, bigint>();
  readonly devices: FakeDevice[] = [];
  readonly fences: string[] = [];
  charged = 0;

  constructor(ramBytes: number, hartId = 0, ram = new Uint8Array(ramBytes)) {
    this.hartId = hartId;
    this.ram = ram;
  }

  x(register: number): bigint {
    return register === 0 ? 0n : (this.registers.get(register) ?? 0n);
  }
  setX(register: number, value: bigint): void {
    this.registers.set(register, value);
  }
  f(): bigint {
    return 0n;
  }
  setF(): void {}
  csr(address: number): bigint {
    if (address > 0xfff) throw new IllegalCsrError(address);
    return this.csrs.get(address) ?? 0n;
  }
  setCsr(address: number, value: bigint): void {
    this.csrs.set(address, BigInt.asUintN(64, value));
  }
  load(address: number, bytes: AccessBytes): bigint | undefined {
    const device = this.#deviceAt(address);
    if (device !== undefined) return device.read(address - device.base);
    const view = this.readMemory(address, bytes);
    return view?.reduceRight((value, byte) => (value << 8n) | BigInt(byte), 0n);
  }
  store(address: number, bytes: AccessBytes, value: bigint): boolean {
    const device = this.#deviceAt(address);
    if (device !== undefined) {
      device.write(address - device.base, BigInt.asUintN(8 * bytes, value));
      return true;
    }
    const contents = Uint8Array.from({ length: bytes }, (_, index) => Number((value >> BigInt(8 * index)) & 0xffn));
    return this.writeMemory(address, contents);
  }
  readMemory(address: number, bytes: number): Uint8Array | undefined {
    const offset = address - RAM_BASE;
    return offset >= 0 && offset + bytes <= this.ram.length ? this.ram.slice(offset, offset + bytes) : undefined;
  }
  writeMemory(address: number, bytes: Uint8Array): boolean {
    const offset = address - RAM_BASE;
    if (offset < 0 || offset + bytes.length > this.ram.length) return false;
    this.ram.set(bytes, offset);
    return true;
  }
  fenceVma(address?: bigint, asid?: bigint): void {
    const at = address === undefined ? '' : ` at 0x${address.toString(16)}`;
    this.fences.push(`sfence.vma${at}${asid === undefined ? '' : ` of ${asid}`}`);
  }
  fenceI(): void {
    this.fences.push('fence.i');
  }
  charge(cycles: number): void {
    this.charged += cycles;
  }
  time(): bigint {
    return BigInt(Math.floor(this.charged / 100));
  }

  #deviceAt(address: number): FakeDevice | undefined {
    return this.devices.find(({ base, bytes }) => address >= base && address < base + bytes);
  }
}

/** Registers that keep what is written. */
export function latch(base: number, bytes: number): FakeDevice & { readonly values: Map<number, bigint> } {
  const values = new Map<number, bigint>();
  return {
    base,
    bytes,
    values,
    read: (offset) => values.get(offset) ?? 0n,
    write: (offset, value) => {
      values.set(offset, value);
    },
  };
}

/** A UART that is always ready. */
export function fakeUart(base: number): FakeDevice & { text: string } {
  const uart = {
    base,
    bytes: 0x1000,
    text: '',
    read: (offset: number) => (offset === 5 ? 0x20n : 0n),
    write(offset: number, value: bigint) {
      if (offset === 0) uart.text += String.fromCharCode(Number(value));
    },
  };
  return uart;
}
