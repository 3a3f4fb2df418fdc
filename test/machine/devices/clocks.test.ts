import { beforeEach, describe, expect, it } from 'vitest';
import { RTC_EPOCH_MS, TIMING } from '../../../src/machine/board.ts';
import { Aclint } from '../../../src/machine/devices/aclint.ts';
import { GoldfishRtc } from '../../../src/machine/devices/goldfish-rtc.ts';
import { type Bench, createBench } from './support.ts';

const EPOCH_NS = BigInt(RTC_EPOCH_MS) * 1_000_000n;

let bench: Bench;
beforeEach(() => {
  bench = createBench();
});

describe('the ACLINT', () => {
  let aclint: Aclint;
  let lines: string[];
  beforeEach(() => {
    lines = [];
    aclint = new Aclint({
      harts: 2,
      timers: bench.events,
      time: () => BigInt(Math.floor(bench.clock.ns / TIMING.nsPerTick)),
      setLine: (hartId, line, level) => lines.push(`${line}${hartId}=${level ? 1 : 0}`),
    });
  });

  it('counts mtime in ticks, in one read or two', () => {
    bench.clock.ns = 0x1_2345_6789 * TIMING.nsPerTick;
    expect(aclint.read(0xbff8, 8)).toBe(0x1_2345_6789n);
    expect([aclint.read(0xbff8, 4), aclint.read(0xbffc, 4)]).toEqual([0x2345_6789n, 1n]);
  });

  it('raises MTIP of the hart when mtime reaches its mtimecmp and lowers it when that is moved on', () => {
    aclint.write(0x4008, 8, 50n);
    bench.advance(4999);
    expect(lines).toEqual(['MTIP1=0']);
    bench.advance(1);
    expect(lines.at(-1)).toBe('MTIP1=1');
    aclint.write(0x4008, 8, 51n);
    expect(lines.at(-1)).toBe('MTIP1=0');
    expect([aclint.read(0x4008, 8), aclint.read(0x4000, 8)]).toEqual([51n, 0xffff_ffff_ffff_ffffn]);
  });

  it('takes mtimecmp in halves', () => {
    aclint.write(0x4004, 4, 0n);
    aclint.write(0x4000, 4, 2n);
    bench.advance(200);
    expect(lines.at(-1)).toBe('MTIP0=1');
  });

  it('drives MSIP of the hart from bit 0', () => {
    aclint.write(4, 4, 3n);
    expect([lines.at(-1), aclint.read(4, 4), aclint.read(0, 4)]).toEqual(['MSIP1=1', 1n, 0n]);
    aclint.write(4, 4, 2n);
    expect([lines.at(-1), aclint.read(4, 4)]).toEqual(['MSIP1=0', 0n]);
  });
});

describe('the real-time clock', () => {
  let rtc: GoldfishRtc;
  let wire: boolean;
  const read64 = (): bigint => {
    const low = rtc.read(0, 4);
    return (rtc.read(4, 4) << 32n) | low;
  };
  const write64 = (offset: number, value: bigint): void => {
    rtc.write(offset + 4, 4, value >> 32n);
    rtc.write(offset, 4, value & 0xffff_ffffn);
  };
  beforeEach(() => {
    rtc = new GoldfishRtc({
      name: 'rtc',
      timers: bench.events,
      wire: (level) => {
        wire = level;
      },
    });
  });

  it('starts at the board’s calendar and follows node time', () => {
    expect(read64()).toBe(EPOCH_NS);
    bench.advance(7_000_000_123);
    expect(read64()).toBe(EPOCH_NS + 7_000_000_123n);
  });

  it('can be set', () => {
    write64(0, 1_000n);
    bench.advance(5);
    expect(read64()).toBe(1005n);
  });

  it('begins anew after its last nanosecond, as a register of 64 bits does', () => {
    write64(0, 2n ** 64n - 1n);
    bench.advance(5);
    expect(read64()).toBe(4n);
  });

  it('interrupts at the alarm until it is cleared', () => {
    rtc.write(0x10, 4, 1n);
    write64(8, EPOCH_NS + 1000n);
    expect(rtc.read(0x18, 4)).toBe(1n);
    bench.advance(999);
    expect(wire).toBe(false);
    bench.advance(1);
    expect([wire, rtc.read(0x18, 4)]).toEqual([true, 0n]);
    rtc.write(0x1c, 4, 1n);
    expect(wire).toBe(false);
  });
});
