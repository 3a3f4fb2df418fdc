/**
 * Platform-level interrupt controller in the layout of SiFive's. Source: [PLIC] "RISC-V Platform-Level Interrupt
 * Controller Specification" 1.0.0, "Memory Map".
 *
 * Sources are level triggered. A level that falls before it was claimed takes its pending bit back, so that a device
 * whose driver moved to the other side's PLIC leaves nothing behind here.
 */
import { IRQ } from '../board.ts';
import type { AccessBytes, MmioDevice, Snapshotted, SnapshotValue } from '../door.ts';
import { SnapshotPart } from '../snapshot-part.ts';

// Priorities: 4 bytes per source from 0.
const PENDING = 0x00_1000; // 1 bit per source
const ENABLE = 0x00_2000; // per context
const ENABLE_BYTES = 0x80;
const CONTEXT = 0x20_0000; // per context
const CONTEXT_BYTES = 0x1000;
const THRESHOLD = 0; // offsets in a context
const CLAIM_COMPLETE = 4;

/** Width of a priority: 3 bits, 0 never interrupts. */
const PRIORITY_MAX = 7;
/** Source 0 does not exist. */
const SOURCE_MASK = 0xffff_fffe;

const VERSION = 1;

export interface PlicOptions {
  readonly name: string;
  readonly contexts: number;
  /** The interrupt notification of a context. */
  readonly onOutput: (context: number, level: boolean) => void;
}

export class Plic implements MmioDevice, Snapshotted {
  readonly name: string;
  readonly #contexts: number;
  readonly #onOutput: (context: number, level: boolean) => void;
  /** Bit masks by source. */
  #level = 0;
  #pending = 0;
  #claimed = 0;
  readonly #priority = new Uint8Array(IRQ.sources + 1);
  readonly #enable: Uint32Array;
  readonly #threshold: Uint8Array;
  readonly #output: boolean[];

  constructor(options: PlicOptions) {
    this.name = options.name;
    this.#contexts = options.contexts;
    this.#onOutput = options.onOutput;
    this.#enable = new Uint32Array(options.contexts);
    this.#threshold = new Uint8Array(options.contexts);
    this.#output = new Array<boolean>(options.contexts).fill(false);
  }

  /** Registers as out of reset; the levels of the wires stay what they are. */
  reset(): void {
    this.#pending = this.#level;
    this.#claimed = 0;
    this.#priority.fill(0);
    this.#enable.fill(0);
    this.#threshold.fill(0);
    this.#update();
  }

  setSource(source: number, level: boolean): void {
    const bit = 1 << source;
    if (level === ((this.#level & bit) !== 0)) return;
    if (level) {
      this.#level |= bit;
      this.#pending |= bit & ~this.#claimed;
    } else {
      this.#level &= ~bit;
      this.#pending &= ~bit;
    }
    this.#update();
  }

  read(offset: number, bytes: AccessBytes): bigint {
    if (bytes !== 4) return 0n;
    return BigInt(this.#read(offset) >>> 0);
  }

  write(offset: number, bytes: AccessBytes, value: bigint): void {
    if (bytes === 4) this.#write(offset, Number(BigInt.asUintN(32, value)));
  }

  #read(offset: number): number {
    if (offset < PENDING) return this.#priority[offset >> 2] ?? 0;
    if (offset < ENABLE) return offset === PENDING ? this.#pending : 0;
    if (offset < CONTEXT) return this.#enableAt(offset) === undefined ? 0 : this.#enable[this.#enableAt(offset)!]!;
    const context = Math.floor((offset - CONTEXT) / CONTEXT_BYTES);
    if (context >= this.#contexts) return 0;
    switch (offset % CONTEXT_BYTES) {
      case THRESHOLD:
        return this.#threshold[context]!;
      case CLAIM_COMPLETE:
        return this.#claim(context);
      default:
        return 0;
    }
  }

  #write(offset: number, value: number): void {
    if (offset < PENDING) {
      const source = offset >> 2;
      if (source > 0 && source <= IRQ.sources) this.#priority[source] = value & PRIORITY_MAX;
    } else if (offset >= ENABLE && offset < CONTEXT) {
      const context = this.#enableAt(offset);
      if (context !== undefined) this.#enable[context] = value & SOURCE_MASK;
    } else if (offset >= CONTEXT) {
      const context = Math.floor((offset - CONTEXT) / CONTEXT_BYTES);
      if (context >= this.#contexts) return;
      if (offset % CONTEXT_BYTES === THRESHOLD) this.#threshold[context] = value & PRIORITY_MAX;
      if (offset % CONTEXT_BYTES === CLAIM_COMPLETE) this.#complete(context, value);
    }
    this.#update();
  }

  /** The context whose only enable word is at `offset`. */
  #enableAt(offset: number): number | undefined {
    const context = Math.floor((offset - ENABLE) / ENABLE_BYTES);
    return (offset - ENABLE) % ENABLE_BYTES === 0 && context < this.#contexts ? context : undefined;
  }

  /** Pending and enabled source of the highest priority, the lowest number on a tie; 0 when there is none. */
  #best(context: number): number {
    let candidates = this.#pending & this.#enable[context]!;
    let best = 0;
    while (candidates !== 0) {
      const source = 31 - Math.clz32(candidates & -candidates);
      if (this.#priority[source]! > this.#priority[best]!) best = source;
      candidates &= candidates - 1;
    }
    return best;
  }

  /** [PLIC] "Interrupt Claim Process": "not affected by the setting of the priority threshold register". */
  #claim(context: number): number {
    const source = this.#best(context);
    if (source === 0) return 0;
    this.#pending &= ~(1 << source);
    this.#claimed |= 1 << source;
    this.#update();
    return source;
  }

  /** [PLIC] "Interrupt Completion": an ID that is not enabled for the context "is silently ignored". */
  #complete(context: number, source: number): void {
    if (source === 0 || source > IRQ.sources) return;
    const bit = 1 << source;
    if ((this.#enable[context]! & this.#claimed & bit) === 0) return;
    this.#claimed &= ~bit;
    this.#pending |= this.#level & bit;
  }

  #update(): void {
    for (let context = 0; context < this.#contexts; context++) {
      const level = this.#priority[this.#best(context)]! > this.#threshold[context]!;
      if (level === this.#output[context]) continue;
      this.#output[context] = level;
      this.#onOutput(context, level);
    }
  }

  save(): SnapshotValue {
    return {
      version: VERSION,
      level: this.#level,
      pending: this.#pending,
      claimed: this.#claimed,
      priority: this.#priority.slice(),
      enable: [...this.#enable],
      threshold: this.#threshold.slice(),
    };
  }

  restore(state: SnapshotValue): void {
    const part = new SnapshotPart(this.name, state, VERSION);
    this.#level = part.number('level');
    this.#pending = part.number('pending');
    this.#claimed = part.number('claimed');
    this.#priority.set(part.bytes('priority'));
    this.#enable.set(part.numbers('enable', this.#contexts));
    this.#threshold.set(part.bytes('threshold'));
    this.#update();
  }
}
