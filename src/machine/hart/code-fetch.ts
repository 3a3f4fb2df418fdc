/** Code on its way from RAM to records: decoding on first execution, pairs, page crossings, pages that PMP cuts. */
import type { GuestMemory } from '../memory.ts';
import { opBefore, opBytes, ownOp } from './handlers.ts';
import type { HartArea } from './hart-area.ts';
import type { HartControl } from './hart-control.ts';
import {
  AREA,
  CROSSING_DECODED,
  PAGE_BYTES,
  PAGE_FOOTER,
  PERMISSION,
  RECORD,
  RECORD_BYTES,
  TLB_CLASS,
} from './layout.ts';
import { ACCESS } from './page-walk.ts';
import { pmpAllows } from './pmp.ts';
import { predecode } from './predecode.ts';
import { CAUSE } from './trap-cause.ts';

const isLong = (halfword: number): boolean => (halfword & 3) === 3;

/** As `Translation.walk`. */
export type Walk = (address: bigint, access: number, tlbClass: number) => number;

export class CodeFetch {
  readonly #area: HartArea;
  readonly #memory: GuestMemory;
  readonly #control: HartControl;
  readonly #walk: Walk;

  constructor(area: HartArea, memory: GuestMemory, control: HartControl, walk: Walk) {
    this.#area = area;
    this.#memory = memory;
    this.#control = control;
    this.#walk = walk;
  }

  /** Fills in a record that was never executed, or dropped since. */
  decodeRecord(record: number): void {
    const records = this.#memory.recordsContaining(record);
    const offset = (record - records) / 4;
    const at = this.#memory.pageOfRecords(records) + offset;
    const { memory } = this.#area;
    const low = memory.getUint16(at, true);
    if (isLong(low) && offset === PAGE_BYTES - 2) {
      memory.setUint8(record + RECORD.op, ownOp('crossing'));
      memory.setInt32(records + PAGE_FOOTER.crossingHalf, 0, true);
    } else {
      predecode(memory, record, isLong(low) ? memory.getInt32(at, true) : low, offset, true);
    }
    this.#pairUp(record, offset);
  }

  /** Records that execute this instruction together with the one before or after it, where there is a handler for both. */
  #pairUp(record: number, offset: number): void {
    const { memory } = this.#area;
    const op = memory.getUint8(record + RECORD.op);
    for (const bytes of [2, 4] as const) {
      const before = record - (bytes / 2) * RECORD_BYTES;
      if (offset < bytes) break;
      const first = memory.getUint8(before + RECORD.op);
      if (opBytes(first) === bytes) memory.setUint8(before + RECORD.op, opBefore(first, op));
    }
    const bytes = opBytes(op);
    if (bytes === 0 || offset + bytes >= PAGE_BYTES) return;
    const after = record + (bytes / 2) * RECORD_BYTES;
    memory.setUint8(record + RECORD.op, opBefore(op, memory.getUint8(after + RECORD.op)));
  }

  /**
   * The rest of the instruction at pc lies in another page, mapped wherever that page is now. False after a trap.
   */
  decodeCrossing(record: number): boolean {
    const { memory } = this.#area;
    const records = this.#memory.recordsContaining(record);
    const low = memory.getUint16(this.#memory.pageOfRecords(records) + PAGE_BYTES - 2, true);
    const high = this.#halfword(BigInt.asUintN(64, this.#area.double('pc') + 2n));
    if (high === undefined) return false;
    predecode(memory, records + PAGE_FOOTER.crossing, (high << 16) | low, PAGE_BYTES - 2, false);
    memory.setInt32(records + PAGE_FOOTER.crossingHalf, high | CROSSING_DECODED, true);
    return true;
  }

  /** One instruction of a page that PMP cuts in pieces, in a record of its own; 0 after a trap. */
  checkedRecord(address: bigint): number {
    const { memory, base } = this.#area;
    const low = this.#halfword(address);
    if (low === undefined) return 0;
    const high = isLong(low) ? this.#halfword(BigInt.asUintN(64, address + 2n)) : 0;
    if (high === undefined) return 0;
    const record = base + AREA.checkedRecords;
    predecode(memory, record, (high << 16) | low, Number(address & BigInt(PAGE_BYTES - 1)), false);
    memory.setUint8(record + (isLong(low) ? 2 : 1) * RECORD_BYTES + RECORD.op, ownOp('pageEnd'));
    return record;
  }

  /** The instruction at pc for mtval; 0 when its mapping is gone since it was fetched. */
  wordAtPc(): number {
    const pc = this.#area.double('pc');
    const low = this.#read(pc);
    if ('cause' in low) return 0;
    if (!isLong(low.halfword)) return low.halfword;
    const high = this.#read(BigInt.asUintN(64, pc + 2n));
    return 'cause' in high ? 0 : ((high.halfword << 16) | low.halfword) >>> 0;
  }

  /** Two bytes of code; undefined after a trap of the instruction at pc. */
  #halfword(address: bigint): number | undefined {
    const read = this.#read(address);
    if ('halfword' in read) return read.halfword;
    this.#control.takeException(read.cause, address);
    return undefined;
  }

  /** Translates, checks and reads two bytes of code, or says what exception that is. */
  #read(address: bigint): { readonly halfword: number } | { readonly cause: number } {
    const { fetchClass } = this.#control;
    const cause = this.#walk(address, ACCESS.fetch, fetchClass);
    if (cause !== 0) return { cause };
    const physical = this.#area.number('walkAddress');
    const isMachine = fetchClass === TLB_CLASS.machine;
    const isAllowed =
      this.#memory.contains(physical, 2) &&
      pmpAllows(this.#control.pmp.intervals, BigInt(physical), 2, PERMISSION.fetch, isMachine);
    if (!isAllowed) return { cause: CAUSE.instructionAccess };
    return { halfword: this.#area.memory.getUint16(this.#memory.toLinear(physical), true) };
  }
}
