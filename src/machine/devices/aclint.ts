/**
 * ACLINT: MTIMER and MSWI in the layout of the SiFive CLINT. Source: [ACLINT] "RISC-V Advanced Core Local Interruptor
 * Specification", "MTIMER Device" and "MSWI Device".
 *
 * The time base of the board cannot be set: writes to mtime are ignored.
 */
import { TIMING } from '../board.ts';
import type { AccessBytes, MmioDevice, Snapshotted, SnapshotValue } from '../door.ts';
import type { Timer, TimerSource } from '../event-queue.ts';
import { SnapshotPart } from '../snapshot-part.ts';
import { readPart64, writePart64 } from './registers.ts';

// msip: 4 bytes per hart from 0, bit 0.
const MTIMECMP = 0x4000; // 8 bytes per hart
const MTIME = 0xbff8;

const NEVER = 0xffff_ffff_ffff_ffffn;
/** Ticks beyond this are further away than node time reaches. */
const TICKS_MAX = BigInt(Math.floor(Number.MAX_SAFE_INTEGER / TIMING.nsPerTick));

const VERSION = 1;

export interface AclintOptions {
  readonly harts: number;
  readonly timers: TimerSource;
  /** mtime now, in ticks. */
  readonly time: () => bigint;
  readonly setLine: (hartId: number, line: 'MSIP' | 'MTIP', level: boolean) => void;
}

export class Aclint implements MmioDevice, Snapshotted {
  readonly name = 'aclint';
  readonly #harts: number;
  readonly #time: () => bigint;
  readonly #setLine: AclintOptions['setLine'];
  readonly #msip: boolean[];
  readonly #mtimecmp: bigint[];
  readonly #deadlines: readonly Timer[];

  constructor(options: AclintOptions) {
    this.#harts = options.harts;
    this.#time = options.time;
    this.#setLine = options.setLine;
    this.#msip = new Array<boolean>(options.harts).fill(false);
    this.#mtimecmp = new Array<bigint>(options.harts).fill(NEVER);
    this.#deadlines = this.#mtimecmp.map((_, hartId) =>
      options.timers.timer(`mtimecmp${hartId}`, () => this.#updateTimer(hartId)),
    );
  }

  reset(): void {
    for (let hartId = 0; hartId < this.#harts; hartId++) {
      this.#setSoftware(hartId, false);
      this.#mtimecmp[hartId] = NEVER;
      this.#updateTimer(hartId);
    }
  }

  read(offset: number, bytes: AccessBytes): bigint {
    const register = offset & ~7;
    if (offset < MTIMECMP) return bytes === 4 && this.#msip[offset >> 2] ? 1n : 0n;
    if (bytes < 4) return 0n;
    if (register === MTIME) return readPart64(this.#time(), offset & 7, bytes);
    return readPart64(this.#mtimecmp[(register - MTIMECMP) >> 3] ?? 0n, offset & 7, bytes);
  }

  write(offset: number, bytes: AccessBytes, value: bigint): void {
    if (offset < MTIMECMP) {
      if (bytes === 4 && offset >> 2 < this.#harts) this.#setSoftware(offset >> 2, (value & 1n) === 1n);
      return;
    }
    const hartId = (offset - MTIMECMP) >> 3;
    const old = this.#mtimecmp[hartId];
    if (old === undefined || bytes < 4) return;
    this.#mtimecmp[hartId] = writePart64(old, offset & 7, bytes, value);
    this.#updateTimer(hartId);
  }

  #setSoftware(hartId: number, level: boolean): void {
    this.#msip[hartId] = level;
    this.#setLine(hartId, 'MSIP', level);
  }

  /** [ACLINT] "a machine-level timer interrupt is pending whenever mtime ≥ mtimecmp". */
  #updateTimer(hartId: number): void {
    const deadline = this.#mtimecmp[hartId]!;
    const isDue = this.#time() >= deadline;
    this.#setLine(hartId, 'MTIP', isDue);
    const timer = this.#deadlines[hartId]!;
    if (isDue || deadline > TICKS_MAX) timer.disarm();
    else timer.arm(Number(deadline) * TIMING.nsPerTick);
  }

  save(): SnapshotValue {
    return { version: VERSION, msip: this.#msip.slice(), mtimecmp: this.#mtimecmp.slice() };
  }

  /** The deadlines themselves are armed with the other timers. */
  restore(state: SnapshotValue): void {
    const part = new SnapshotPart(this.name, state, VERSION);
    part.list('msip', this.#harts).forEach((level, hartId) => {
      this.#setSoftware(hartId, level === true);
    });
    part.list('mtimecmp', this.#harts).forEach((ticks, hartId) => {
      this.#mtimecmp[hartId] = BigInt(ticks as bigint);
      this.#setLine(hartId, 'MTIP', this.#time() >= this.#mtimecmp[hartId]!);
    });
  }
}
