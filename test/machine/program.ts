/** Small guest programs, assembled from the rows of the instruction table. */
import { encode } from '../../src/machine/isa/encode.ts';
import type { Operands } from '../../src/machine/isa/operand.ts';
import { INSTRUCTION_BY_NAME } from '../../src/machine/isa/table.ts';

/** Registers by number, as the ABI names them. */
export const X = {
  zero: 0,
  ra: 1,
  t0: 5,
  t1: 6,
  t2: 7,
  s0: 8,
  s1: 9,
  a0: 10,
  a1: 11,
  a2: 12,
  a7: 17,
  s2: 18,
  t3: 28,
} as const;

export class Program {
  readonly base: number;
  readonly #words: (() => number)[] = [];
  readonly #labels = new Map<string, number>();

  constructor(base: number) {
    this.base = base;
  }

  /** Address of the next instruction. */
  get here(): number {
    return this.base + 4 * this.#words.length;
  }

  op(name: string, operands: Partial<Operands> = {}): this {
    const row = INSTRUCTION_BY_NAME.get(name);
    if (row === undefined) throw new Error(`no instruction ${name}`);
    this.#words.push(() => encode(row, operands));
    return this;
  }

  label(name: string): this {
    this.#labels.set(name, this.here);
    return this;
  }

  address(name: string): number {
    const address = this.#labels.get(name);
    if (address === undefined) throw new Error(`no label ${name}`);
    return address;
  }

  /** A branch or `jal` to a label. */
  to(name: string, label: string, operands: Partial<Operands> = {}): this {
    const row = INSTRUCTION_BY_NAME.get(name);
    if (row === undefined) throw new Error(`no instruction ${name}`);
    const at = this.here;
    this.#words.push(() => encode(row, { ...operands, imm: this.address(label) - at }));
    return this;
  }

  /** A constant of up to 52 bits that is not negative. */
  li(rd: number, value: number): this {
    const low = value % 2048;
    if (value < 2048) return this.op('addi', { rd, imm: value });
    this.li(rd, Math.floor(value / 2048));
    this.op('slli', { rd, rs1: rd, imm: 11 });
    return low === 0 ? this : this.op('addi', { rd, rs1: rd, imm: low });
  }

  /** Stores a constant of `bytes` bytes at an absolute address, through t0 and t1. */
  store(address: number, value: number, bytes: 1 | 4 | 8 = 4): this {
    this.li(X.t0, address).li(X.t1, value);
    return this.op(({ 1: 'sb', 4: 'sw', 8: 'sd' } as const)[bytes], { rs1: X.t0, rs2: X.t1 });
  }

  load(rd: number, address: number, bytes: 1 | 4 | 8 = 4): this {
    return this.li(X.t0, address).op(({ 1: 'lbu', 4: 'lwu', 8: 'ld' } as const)[bytes], { rd, rs1: X.t0 });
  }

  csrw(csr: number, rs1: number): this {
    return this.op('csrrw', { rd: 0, rs1, imm: csr });
  }

  csrr(rd: number, csr: number): this {
    return this.op('csrrs', { rd, rs1: 0, imm: csr });
  }

  bytes(): Uint8Array {
    return new Uint8Array(Uint32Array.from(this.#words, (word) => word() >>> 0).buffer);
  }
}
