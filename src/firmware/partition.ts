/** What M-mode software does with the partition controller: steering, DMA ranges, mailbox, power. */
import {
  type MachineModeHart,
  type MemoryRegion,
  PARTITION_CONTROLLER,
  PARTITION_REGISTERS,
  SIDES,
  type Side,
  SLOTS_PER_SIDE,
} from '../machine/index.ts';

const REGISTER = PARTITION_REGISTERS;
const IOPMP_RANGE_BYTES = 16;

/** Where the interrupts of a side's PLIC go: nowhere, to the OS, or to M-mode. */
export const STEER = { off: 0, seip: 1, meip: 2 } as const;
export type Steer = (typeof STEER)[keyof typeof STEER];

export const PENDING = { A: 1, B: 2, mailbox: 4 } as const;

/** Longest request the mailbox is read for. */
export const MAILBOX_REQUEST_BYTES_MAX = 1 << 20;

const at = (offset: number): number => PARTITION_CONTROLLER.base + offset;

/** Steers the S context of `hartId` of a side's PLIC. */
export function steer(hart: MachineModeHart, side: Side, hartId: number, to: Steer): void {
  const register = at(REGISTER.steer + 4 * SIDES.indexOf(side));
  const shift = BigInt(2 * hartId);
  const others = (hart.load(register, 4) ?? 0n) & ~(3n << shift);
  hart.store(register, 4, others | (BigInt(to) << shift));
}

/** Bits of PENDING. */
export const pendingAtMachineMode = (hart: MachineModeHart): number => Number(hart.load(at(REGISTER.pending), 4) ?? 0n);

/** Gives the DMA of a slot exactly these ranges (at most four). */
export function setDmaRanges(hart: MachineModeHart, side: Side, slot: number, ranges: readonly MemoryRegion[]): void {
  const perSlot = REGISTER.iopmpRangesPerSlot;
  if (ranges.length > perSlot) throw new RangeError(`a slot has ${perSlot} DMA ranges, not ${ranges.length}`);
  const index = SIDES.indexOf(side) * SLOTS_PER_SIDE + slot;
  for (let range = 0; range < perSlot; range++) {
    const register = at(REGISTER.iopmp + index * perSlot * IOPMP_RANGE_BYTES + range * IOPMP_RANGE_BYTES);
    const { base, bytes } = ranges[range] ?? { base: 0, bytes: 0 };
    // Off while the base changes, so that no moment gives the device more than before or after.
    hart.store(register + 8, 8, 0n);
    hart.store(register, 8, BigInt(base));
    hart.store(register + 8, 8, BigInt(bytes));
  }
}

/** Takes the request out of the mailbox, cut off at MAILBOX_REQUEST_BYTES_MAX; undefined when there is none. */
export function takeMailboxRequest(hart: MachineModeHart): Uint8Array | undefined {
  if ((pendingAtMachineMode(hart) & PENDING.mailbox) === 0) return undefined;
  const waiting = Number(hart.load(at(REGISTER.mailboxRequestBytes), 4) ?? 0n);
  const bytes = Math.min(waiting, MAILBOX_REQUEST_BYTES_MAX);
  const request = new Uint8Array(Math.ceil(bytes / 4) * 4);
  const view = new DataView(request.buffer);
  for (let offset = 0; offset < bytes; offset += 4) {
    view.setUint32(offset, Number(hart.load(at(REGISTER.mailboxData), 4) ?? 0n), true);
  }
  return request.subarray(0, bytes);
}

/** Answers the request taken before; the mailbox is empty afterwards. */
export function answerMailbox(hart: MachineModeHart, response: Uint8Array): void {
  const padded = new Uint8Array(Math.ceil(response.length / 4) * 4);
  padded.set(response);
  const view = new DataView(padded.buffer);
  for (let offset = 0; offset < padded.length; offset += 4) {
    hart.store(at(REGISTER.mailboxResponse), 4, BigInt(view.getUint32(offset, true)));
  }
  hart.store(at(REGISTER.mailboxDone), 4, BigInt(response.length));
}

export const POWER = { reset: 1n, off: 2n } as const;

export function setPower(hart: MachineModeHart, power: bigint): void {
  hart.store(at(REGISTER.power), 4, power);
}
