/**
 * 16550A UART as Linux's 8250 driver knows it (compatible "ns16550a", reg-shift 0). Source: [16550] National
 * Semiconductor PC16550D data sheet, "Registers".
 *
 * The line is infinitely fast: a byte written has left at once, a byte received is there at once and its time-out
 * interrupt, too. What does not fit into the FIFO waits on the line.
 */
import type { AccessBytes, BytePort, MmioDevice, Snapshotted, SnapshotValue, Wire } from '../door.ts';
import { SnapshotPart } from '../snapshot-part.ts';

const RBR_THR_DLL = 0;
const IER_DLM = 1;
const IIR_FCR = 2;
const LCR = 3;
const MCR = 4;
const LSR = 5;
const MSR = 6;
const SCR = 7;

const IER = { rx: 0x01, thre: 0x02, line: 0x04, modem: 0x08, mask: 0x0f } as const;
const IIR = { none: 0x01, modem: 0x00, thre: 0x02, rx: 0x04, line: 0x06, timeout: 0x0c, fifos: 0xc0 } as const;
const FCR = { enable: 0x01, clearRx: 0x02, clearTx: 0x04, triggerShift: 6 } as const;
const LCR_DLAB = 0x80;
const MCR_BITS = { dtr: 0x01, rts: 0x02, out1: 0x04, out2: 0x08, loop: 0x10, mask: 0x1f } as const;
const LSR_BITS = { dataReady: 0x01, overrun: 0x02, threEmpty: 0x20, txEmpty: 0x40 } as const;
/** Lines of a connected far end: carrier, ready, clear to send. */
const MSR_CONNECTED = 0xb0;
const MSR_LINES = { cts: 0x10, dsr: 0x20, ri: 0x40, dcd: 0x80 } as const;

const FIFO_BYTES = 16;
const RX_TRIGGER_BYTES = [1, 4, 8, 14] as const;
/** Bytes that may wait on the line; what comes beyond is lost as an overrun. */
const LINE_BYTES_MAX = 0x1_0000;

const VERSION = 1;

export interface Uart16550AOptions {
  readonly name: string;
  readonly wire: Wire;
}

export class Uart16550A implements MmioDevice, Snapshotted {
  readonly name: string;
  readonly port: BytePort = { onOutput: () => {}, input: (bytes) => this.#receive(bytes) };
  readonly #wire: Wire;
  #ier = 0;
  #fcr = 0;
  #lcr = 0;
  #mcr = 0;
  #scr = 0;
  #divisor = 0;
  #overrun = false;
  /** The transmitter-empty interrupt: raised when THR empties, taken back by reading IIR. */
  #threPending = false;
  /** Receive FIFO first, then what waits on the line. */
  #rx: number[] = [];

  constructor(options: Uart16550AOptions) {
    this.name = options.name;
    this.#wire = options.wire;
  }

  reset(): void {
    this.#ier = 0;
    this.#fcr = 0;
    this.#lcr = 0;
    this.#mcr = 0;
    this.#scr = 0;
    this.#divisor = 0;
    this.#overrun = false;
    this.#threPending = false;
    this.#rx = [];
    this.#update();
  }

  read(offset: number, bytes: AccessBytes): bigint {
    return bytes === 1 ? BigInt(this.#read(offset)) : 0n;
  }

  write(offset: number, bytes: AccessBytes, value: bigint): void {
    if (bytes !== 1) return;
    this.#write(offset, Number(value & 0xffn));
    this.#update();
  }

  #read(offset: number): number {
    switch (offset) {
      case RBR_THR_DLL:
        return this.#lcr & LCR_DLAB ? this.#divisor & 0xff : this.#readByte();
      case IER_DLM:
        return this.#lcr & LCR_DLAB ? this.#divisor >> 8 : this.#ier;
      case IIR_FCR: {
        const reason = this.#interrupt();
        if (reason === IIR.thre) {
          this.#threPending = false;
          this.#update();
        }
        return reason | (this.#fcr & FCR.enable ? IIR.fifos : 0);
      }
      case LCR:
        return this.#lcr;
      case MCR:
        return this.#mcr;
      case LSR: {
        const status = this.#lineStatus();
        this.#overrun = false;
        this.#update();
        return status;
      }
      case MSR:
        return this.#modemStatus();
      case SCR:
        return this.#scr;
      default:
        return 0;
    }
  }

  #write(offset: number, value: number): void {
    switch (offset) {
      case RBR_THR_DLL:
        if (this.#lcr & LCR_DLAB) this.#divisor = (this.#divisor & 0xff00) | value;
        else this.#transmit(value);
        break;
      case IER_DLM:
        if (this.#lcr & LCR_DLAB) {
          this.#divisor = (this.#divisor & 0xff) | (value << 8);
        } else {
          // Enabling the interrupt while THR is empty raises it.
          if (value & ~this.#ier & IER.thre) this.#threPending = true;
          this.#ier = value & IER.mask;
        }
        break;
      case IIR_FCR:
        this.#writeFcr(value);
        break;
      case LCR:
        this.#lcr = value;
        break;
      case MCR:
        this.#mcr = value & MCR_BITS.mask;
        break;
      case SCR:
        this.#scr = value;
        break;
    }
  }

  #writeFcr(value: number): void {
    const togglesFifo = ((value ^ this.#fcr) & FCR.enable) !== 0;
    if (togglesFifo || value & FCR.clearRx) this.#rx.splice(0, this.#fifoLevel());
    if (togglesFifo || value & FCR.clearTx) this.#threPending = true;
    this.#fcr = value & ~(FCR.clearRx | FCR.clearTx);
  }

  #transmit(byte: number): void {
    this.#threPending = true;
    if (this.#mcr & MCR_BITS.loop) this.#receive(Uint8Array.of(byte));
    else this.port.onOutput(Uint8Array.of(byte));
  }

  #receive(bytes: Uint8Array): void {
    for (const byte of bytes) {
      if (this.#rx.length < LINE_BYTES_MAX) this.#rx.push(byte);
      else this.#overrun = true;
    }
    this.#update();
  }

  #readByte(): number {
    const byte = this.#rx.shift() ?? 0;
    this.#update();
    return byte;
  }

  #fifoLevel(): number {
    return Math.min(this.#rx.length, this.#fcr & FCR.enable ? FIFO_BYTES : 1);
  }

  #lineStatus(): number {
    return (
      LSR_BITS.threEmpty |
      LSR_BITS.txEmpty |
      (this.#rx.length > 0 ? LSR_BITS.dataReady : 0) |
      (this.#overrun ? LSR_BITS.overrun : 0)
    );
  }

  /** [16550] "MODEM Control Register": in loopback the four outputs are the four inputs. */
  #modemStatus(): number {
    if (!(this.#mcr & MCR_BITS.loop)) return MSR_CONNECTED;
    return (
      (this.#mcr & MCR_BITS.rts ? MSR_LINES.cts : 0) |
      (this.#mcr & MCR_BITS.dtr ? MSR_LINES.dsr : 0) |
      (this.#mcr & MCR_BITS.out1 ? MSR_LINES.ri : 0) |
      (this.#mcr & MCR_BITS.out2 ? MSR_LINES.dcd : 0)
    );
  }

  /** IIR's reason of the highest priority. [16550] "Interrupt Identification Register", table of priorities. */
  #interrupt(): number {
    if (this.#ier & IER.line && this.#overrun) return IIR.line;
    if (this.#ier & IER.rx && this.#rx.length > 0) {
      const trigger = this.#fcr & FCR.enable ? RX_TRIGGER_BYTES[(this.#fcr >> FCR.triggerShift) & 3]! : 1;
      return this.#fifoLevel() >= trigger ? IIR.rx : IIR.timeout;
    }
    if (this.#ier & IER.thre && this.#threPending) return IIR.thre;
    return IIR.none;
  }

  #update(): void {
    this.#wire(this.#interrupt() !== IIR.none);
  }

  save(): SnapshotValue {
    return {
      version: VERSION,
      ier: this.#ier,
      fcr: this.#fcr,
      lcr: this.#lcr,
      mcr: this.#mcr,
      scr: this.#scr,
      divisor: this.#divisor,
      overrun: this.#overrun,
      threPending: this.#threPending,
      rx: Uint8Array.from(this.#rx),
    };
  }

  restore(state: SnapshotValue): void {
    const part = new SnapshotPart(this.name, state, VERSION);
    this.#ier = part.number('ier');
    this.#fcr = part.number('fcr');
    this.#lcr = part.number('lcr');
    this.#mcr = part.number('mcr');
    this.#scr = part.number('scr');
    this.#divisor = part.number('divisor');
    this.#overrun = part.boolean('overrun');
    this.#threPending = part.boolean('threPending');
    this.#rx = [...part.bytes('rx')];
    this.#update();
  }
}
