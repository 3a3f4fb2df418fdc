/** A hart's area in linear memory, seen from TypeScript: registers, budget. */
import {
  AREA,
  CSR_REGISTERS,
  FETCH_ENTRY,
  FETCH_ENTRY_SHIFT,
  PAGE_BYTES,
  PAGE_SHIFT,
  STATE,
  TLB_ENTRIES,
} from './layout.ts';

const TWO_POW_32 = 0x1_0000_0000;

export class HartArea {
  readonly base: number;
  /** x0..x31 and the sink; f0..f31. */
  readonly x: BigUint64Array;
  readonly f: BigUint64Array;
  /** CSRs that are nothing but registers, in the order of CSR_REGISTERS. */
  readonly csrs: BigUint64Array;
  readonly memory: DataView;
  readonly #words: Int32Array;

  constructor(buffer: ArrayBuffer, base: number) {
    this.base = base;
    this.x = new BigUint64Array(buffer, base + STATE.x, 33);
    this.f = new BigUint64Array(buffer, base + STATE.f, 32);
    this.csrs = new BigUint64Array(buffer, base + STATE.csrs, CSR_REGISTERS.length);
    this.memory = new DataView(buffer);
    this.#words = new Int32Array(buffer, base, AREA.bytes / 4);
  }

  word(field: keyof typeof STATE): number {
    return this.#words[STATE[field] >> 2] ?? 0;
  }

  setWord(field: keyof typeof STATE, value: number): void {
    this.#words[STATE[field] >> 2] = value;
  }

  double(field: keyof typeof STATE): bigint {
    return this.memory.getBigUint64(this.base + STATE[field], true);
  }

  setDouble(field: keyof typeof STATE, value: bigint): void {
    this.memory.setBigUint64(this.base + STATE[field], value, true);
  }

  /** A u64 as a number, exact below 2^53. */
  number(field: keyof typeof STATE): number {
    const at = STATE[field] >> 2;
    return ((this.#words[at + 1] ?? 0) >>> 0) * TWO_POW_32 + ((this.#words[at] ?? 0) >>> 0);
  }

  setNumber(field: keyof typeof STATE, value: number): void {
    const at = STATE[field] >> 2;
    this.#words[at] = value | 0;
    this.#words[at + 1] = Math.floor(value / TWO_POW_32) | 0;
  }

  /** Virtual address of the page that pc lies in. */
  pageOfPc(): bigint {
    return (this.double('pc') >> BigInt(PAGE_SHIFT)) << BigInt(PAGE_SHIFT);
  }

  /** Records of the page that pc lies in, as the TLB has it; 0 when it does not. */
  recordsAtPc(): number {
    // Asked at the end of each slice: by words, since a bigint is an object.
    const pageLow = this.word('pc') & -PAGE_BYTES;
    const pageHigh = this.#words[(STATE.pc >> 2) + 1];
    const index = (pageLow >>> PAGE_SHIFT) & (TLB_ENTRIES - 1);
    const entry = this.word('fetchBank') + (index << FETCH_ENTRY_SHIFT);
    const tag = entry + FETCH_ENTRY.tag;
    const isHere = this.memory.getInt32(tag, true) === pageLow && this.memory.getInt32(tag + 4, true) === pageHigh;
    return isHere ? this.memory.getInt32(entry + FETCH_ENTRY.records, true) : 0;
  }
}
