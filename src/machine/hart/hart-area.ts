/** A hart's area in linear memory, seen from TypeScript: registers, budget, TLBs. */
import {
  AREA,
  CSR_REGISTERS,
  DATA_BANK_BYTES,
  DATA_ENTRY,
  DATA_ENTRY_SHIFT,
  FETCH_BANK_BYTES,
  FETCH_ENTRY,
  FETCH_ENTRY_SHIFT,
  FILL_LOG_ENTRIES,
  invalidTag,
  PAGE_SHIFT,
  STATE,
  TLB_CLASSES,
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
  /** Times that translations were forgotten. */
  flushes = 0;
  readonly #words: Int32Array;

  constructor(buffer: ArrayBuffer, base: number) {
    this.base = base;
    this.x = new BigUint64Array(buffer, base + STATE.x, 33);
    this.f = new BigUint64Array(buffer, base + STATE.f, 32);
    this.csrs = new BigUint64Array(buffer, base + STATE.csrs, CSR_REGISTERS.length);
    this.memory = new DataView(buffer);
    this.#words = new Int32Array(buffer, base, AREA.bytes / 4);
    this.flushAll();
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

  // ----------------------------------------------------------------------------------------------------------- TLBs

  dataBank(tlbClass: number): number {
    return this.base + AREA.dataBanks + tlbClass * DATA_BANK_BYTES;
  }

  fetchBank(tlbClass: number): number {
    return this.base + AREA.fetchBanks + tlbClass * FETCH_BANK_BYTES;
  }

  /** Records of the page that pc lies in, or of one at a distance from it, as the TLB has it; 0 when it does not. */
  recordsAtPc(distance = 0): number {
    const page = BigInt.asUintN(
      64,
      ((this.double('pc') >> BigInt(PAGE_SHIFT)) << BigInt(PAGE_SHIFT)) + BigInt(distance),
    );
    const index = Number(page >> BigInt(PAGE_SHIFT)) & (TLB_ENTRIES - 1);
    const entry = this.word('fetchBank') + (index << FETCH_ENTRY_SHIFT);
    const isHere = this.memory.getBigUint64(entry + FETCH_ENTRY.tag, true) === page;
    return isHere ? this.memory.getInt32(entry + FETCH_ENTRY.records, true) : 0;
  }

  /** Forgets every translation. */
  flushAll(): void {
    this.flushes += 1;
    for (let tlbClass = 0; tlbClass < TLB_CLASSES; tlbClass++) {
      for (let i = 0; i < TLB_ENTRIES; i++) {
        this.#invalidateData(this.dataBank(tlbClass) + (i << DATA_ENTRY_SHIFT));
        this.#invalidateFetch(this.fetchBank(tlbClass) + (i << FETCH_ENTRY_SHIFT));
      }
    }
    this.setWord('dataLogCount', 0);
    this.setWord('fetchLogCount', 0);
  }

  /** Forgets what was filled since the last flush, which is everything. */
  flush(): void {
    const data = this.word('dataLogCount');
    const fetch = this.word('fetchLogCount');
    if (data > FILL_LOG_ENTRIES || fetch > FILL_LOG_ENTRIES) {
      this.flushAll();
      return;
    }
    this.flushes += 1;
    for (let i = 0; i < data; i++) this.#invalidateData(this.#words[(AREA.dataLog >> 2) + i] ?? 0);
    for (let i = 0; i < fetch; i++) this.#invalidateFetch(this.#words[(AREA.fetchLog >> 2) + i] ?? 0);
    this.setWord('dataLogCount', 0);
    this.setWord('fetchLogCount', 0);
  }

  /** Stores to the page at this linear address go the slow path from now on. */
  forbidStores(page: number): void {
    const filled = this.word('dataLogCount');
    const visit = (entry: number): void => {
      const words = (entry - this.base) >> 2;
      if (this.#words[words + (DATA_ENTRY.memory >> 2)] !== (page | 0)) return;
      const index = ((entry - this.base - AREA.dataBanks) >> DATA_ENTRY_SHIFT) & (TLB_ENTRIES - 1);
      this.#words[words + (DATA_ENTRY.storeTag >> 2)] = invalidTag(index);
      this.#words[words + (DATA_ENTRY.storeTag >> 2) + 1] = 0;
    };
    if (filled <= FILL_LOG_ENTRIES) {
      for (let i = 0; i < filled; i++) visit(this.#words[(AREA.dataLog >> 2) + i] ?? 0);
      return;
    }
    const first = this.dataBank(0);
    for (let i = 0; i < TLB_CLASSES * TLB_ENTRIES; i++) visit(first + (i << DATA_ENTRY_SHIFT));
  }

  #invalidateData(entry: number): void {
    const words = this.#words;
    const at = (entry - this.base) >> 2;
    const tag = invalidTag(((entry - this.base - AREA.dataBanks) >> DATA_ENTRY_SHIFT) & (TLB_ENTRIES - 1));
    words[at + (DATA_ENTRY.loadTag >> 2)] = tag;
    words[at + (DATA_ENTRY.loadTag >> 2) + 1] = 0;
    words[at + (DATA_ENTRY.storeTag >> 2)] = tag;
    words[at + (DATA_ENTRY.storeTag >> 2) + 1] = 0;
  }

  #invalidateFetch(entry: number): void {
    const at = (entry - this.base) >> 2;
    const index = ((entry - this.base - AREA.fetchBanks) >> FETCH_ENTRY_SHIFT) & (TLB_ENTRIES - 1);
    this.#words[at + (FETCH_ENTRY.tag >> 2)] = invalidTag(index);
    this.#words[at + (FETCH_ENTRY.tag >> 2) + 1] = 0;
  }
}
