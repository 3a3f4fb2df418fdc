import { type AccessBytes, IllegalCsrError, type MachineModeHart } from '../../src/machine/index.ts';

/** A hart whose CSRs and registers hold what is written to them, but for those that are `stuck`; memory is a map of accesses. */
export class FakeHart implements MachineModeHart {
  readonly hartId = 0;
  readonly registers = new Array<bigint>(32).fill(0n);
  readonly floats = new Array<bigint>(32).fill(0n);
  readonly csrs: Map<number, bigint>;
  readonly memory = new Map<number, bigint>();
  readonly stuck = new Set<number>();
  readonly writes: string[] = [];
  cycles = 0;

  constructor(csrs: Iterable<readonly [number, bigint]>) {
    this.csrs = new Map(csrs);
  }

  x(register: number): bigint {
    return register === 0 ? 0n : this.registers[register]!;
  }

  setX(register: number, value: bigint): void {
    if (register !== 0) this.registers[register] = BigInt.asUintN(64, value);
  }

  f(register: number): bigint {
    return this.floats[register]!;
  }

  setF(register: number, value: bigint): void {
    this.floats[register] = value;
  }

  csr(address: number): bigint {
    const value = this.csrs.get(address);
    if (value === undefined) throw new IllegalCsrError(address);
    return value;
  }

  setCsr(address: number, value: bigint): void {
    this.csr(address);
    this.writes.push(`csr ${address.toString(16)}`);
    if (!this.stuck.has(address)) this.csrs.set(address, BigInt.asUintN(64, value));
  }

  load(address: number, bytes: AccessBytes): bigint | undefined {
    return BigInt.asUintN(8 * bytes, this.memory.get(address) ?? 0n);
  }

  store(address: number, bytes: AccessBytes, value: bigint): boolean {
    this.writes.push(`store ${address.toString(16)}`);
    this.memory.set(address, BigInt.asUintN(8 * bytes, value));
    return true;
  }

  readMemory(_address: number, bytes: number): Uint8Array {
    return new Uint8Array(bytes);
  }

  writeMemory(): boolean {
    return true;
  }

  fenceVma(): void {}
  fenceI(): void {}

  charge(cycles: number): void {
    this.cycles += cycles;
  }

  time(): bigint {
    return BigInt(Math.floor(this.cycles / 100));
  }
}
