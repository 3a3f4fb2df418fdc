/**
 * The interrupt of one slot for as long as the firmware drives its device: enabled for the hart's S context of the
 * side's PLIC, whose output is steered to M-mode. Source: [PLIC] "Memory Map", "Interrupt Claim Process".
 */
import { IRQ, type MachineModeHart, plicContext, SIDE_IO, SIDE_IO_BASE, type Side } from '../../machine/index.ts';

const PRIORITY = 0x0;
const ENABLE = 0x2000;
const ENABLE_CONTEXT_BYTES = 0x80;
const CONTEXT = 0x20_0000;
const CONTEXT_BYTES = 0x1000;
const THRESHOLD = 0x0;
const CLAIM_COMPLETE = 0x4;

export class SlotInterrupt {
  readonly #hart: MachineModeHart;
  readonly #source: number;
  readonly #plic: number;
  readonly #context: number;

  constructor(hart: MachineModeHart, side: Side, slot: number) {
    this.#hart = hart;
    this.#source = IRQ.slot(side, slot);
    this.#plic = SIDE_IO_BASE[side] + SIDE_IO.plic.offset;
    this.#context = plicContext(hart.hartId, 'S');
  }

  enable(): void {
    this.#write(PRIORITY + 4 * this.#source, 1);
    this.#write(ENABLE + ENABLE_CONTEXT_BYTES * this.#context, 1 << this.#source);
    this.#write(CONTEXT + CONTEXT_BYTES * this.#context + THRESHOLD, 0);
  }

  /** Leaves the PLIC as it is out of reset. */
  disable(): void {
    this.#write(ENABLE + ENABLE_CONTEXT_BYTES * this.#context, 0);
    this.#write(PRIORITY + 4 * this.#source, 0);
  }

  /** Claims whatever is pending, lets `silence` make the device lower its wire, and completes. */
  serve(silence: () => void): void {
    const register = this.#plic + CONTEXT + CONTEXT_BYTES * this.#context + CLAIM_COMPLETE;
    const claimed = this.#hart.load(register, 4) ?? 0n;
    silence();
    if (claimed !== 0n) this.#hart.store(register, 4, claimed);
  }

  #write(offset: number, value: number): void {
    this.#hart.store(this.#plic + offset, 4, BigInt(value >>> 0));
  }
}
