import { beforeEach, describe, expect, it } from 'vitest';
import { Uart16550A } from '../../../src/machine/devices/uart-16550a.ts';

const DATA = 0;
const IER = 1;
const IIR = 2;
const FCR = 2;
const LCR = 3;
const MCR = 4;
const LSR = 5;
const MSR = 6;
const SCR = 7;

let uart: Uart16550A;
let wire: boolean;
let output: number[];

const read = (offset: number): number => Number(uart.read(offset, 1));
const write = (offset: number, value: number): void => uart.write(offset, 1, BigInt(value));

beforeEach(() => {
  wire = false;
  output = [];
  uart = new Uart16550A({
    name: 'uart',
    wire: (level) => {
      wire = level;
    },
  });
  uart.port.onOutput = (bytes) => output.push(...bytes);
});

describe('the 16550A UART', () => {
  it('sends what is written and is ready for more at once', () => {
    write(DATA, 0x48);
    write(DATA, 0x69);
    expect([output, read(LSR)]).toEqual([[0x48, 0x69], 0x60]);
  });

  it('has a divisor latch behind DLAB', () => {
    write(LCR, 0x83);
    write(DATA, 2);
    write(IER, 1);
    expect([read(DATA), read(IER), output]).toEqual([2, 1, []]);
    write(LCR, 3);
    expect([read(LCR), read(IER)]).toEqual([3, 0]);
  });

  it('passes the probes of Linux’s autoconfig: IER, scratch, loopback, FIFO and no enhanced features', () => {
    write(IER, 0);
    expect(read(IER) & 0x0f).toBe(0);
    write(IER, 0x0f);
    expect(read(IER) & 0x0f).toBe(0x0f);
    write(IER, 0x4f);
    expect(read(IER)).toBe(0x0f);
    write(IER, 0);
    write(SCR, 0xa5);
    expect(read(SCR)).toBe(0xa5);
    write(MCR, 0x10 | 0x0a);
    expect(read(MSR) & 0xf0).toBe(0x90);
    write(MCR, 0);
    write(FCR, 1);
    expect(read(IIR) >> 6).toBe(3);
    write(LCR, 0xbf);
    expect(read(2)).not.toBe(0);
  });

  it('interrupts when the transmitter is empty, until IIR is read', () => {
    write(IER, 2);
    expect([wire, read(IIR), wire]).toEqual([true, 0x02, false]);
    write(DATA, 1);
    expect([wire, read(IIR), read(IIR)]).toEqual([true, 0x02, 0x01]);
  });

  it('interrupts for received bytes until they are read', () => {
    write(IER, 1);
    uart.port.input(Uint8Array.of(0x61, 0x62));
    expect([wire, read(IIR), read(LSR) & 1, read(DATA), read(DATA), read(LSR) & 1, wire]).toEqual([
      true,
      0x04,
      1,
      0x61,
      0x62,
      0,
      false,
    ]);
  });

  it('says time-out below the trigger level of the FIFO and data above it', () => {
    write(FCR, 0x81);
    write(IER, 1);
    uart.port.input(new Uint8Array(7));
    expect(read(IIR)).toBe(0xcc);
    uart.port.input(new Uint8Array(1));
    expect(read(IIR)).toBe(0xc4);
  });

  it('loses no byte of input longer than its FIFO, and says overrun when the line is full', () => {
    write(FCR, 1);
    uart.port.input(new Uint8Array(0x1_0000).fill(7));
    expect(read(LSR)).toBe(0x61);
    uart.port.input(Uint8Array.of(1));
    expect([read(LSR), read(LSR)]).toEqual([0x63, 0x61]);
    for (let index = 0; index < 0x1_0000; index++) expect(read(DATA)).toBe(7);
    expect(read(LSR)).toBe(0x60);
  });

  it('hears itself in loopback and sends nothing', () => {
    write(MCR, 0x10);
    write(DATA, 0x33);
    expect([output, read(DATA)]).toEqual([[], 0x33]);
  });

  it('comes out of a snapshot as it went in', () => {
    write(FCR, 0x41);
    write(IER, 1);
    uart.port.input(Uint8Array.of(1, 2, 3));
    const saved = uart.save();
    uart.reset();
    expect([wire, uart.save()]).not.toEqual([true, saved]);
    uart.restore(saved);
    expect([wire, uart.save(), read(DATA)]).toEqual([true, saved, 1]);
  });
});
