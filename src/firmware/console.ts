/** A side's 16550 UART, polled. Source: [16550] "Registers". */
import { type MachineModeHart, SIDE_IO, SIDE_IO_BASE, type Side } from '../machine/index.ts';

const RBR_THR = 0;
const LSR = 5;
const LSR_DATA_READY = 0x01n;
const LSR_THR_EMPTY = 0x20n;
/** A UART that stays busy this long is broken: the byte is dropped. */
const POLLS_MAX = 10_000;

const uartBase = (side: Side): number => SIDE_IO_BASE[side] + SIDE_IO.uart.offset;

export function consoleWriteByte(hart: MachineModeHart, side: Side, byte: number): boolean {
  const base = uartBase(side);
  for (let polls = 0; polls < POLLS_MAX; polls++) {
    if (((hart.load(base + LSR, 1) ?? 0n) & LSR_THR_EMPTY) !== 0n) return hart.store(base + RBR_THR, 1, BigInt(byte));
  }
  return false;
}

/** The next byte received, or undefined. */
export function consoleReadByte(hart: MachineModeHart, side: Side): number | undefined {
  const base = uartBase(side);
  if (((hart.load(base + LSR, 1) ?? 0n) & LSR_DATA_READY) === 0n) return undefined;
  return Number(hart.load(base + RBR_THR, 1) ?? 0n);
}

/** Prints an ASCII line. */
export function consoleLine(hart: MachineModeHart, side: Side, line: string): void {
  for (const character of `${line}\r\n`) consoleWriteByte(hart, side, character.charCodeAt(0) & 0x7f);
}
