import { describe, expect, it } from 'vitest';
import { Plic } from '../../../src/machine/devices/plic.ts';

const S_CONTEXT = 1;
const ENABLE = 0x2000 + 0x80 * S_CONTEXT;
const THRESHOLD = 0x20_0000 + 0x1000 * S_CONTEXT;
const CLAIM = THRESHOLD + 4;

function createPlic() {
  const output = [false, false];
  const plic = new Plic({
    name: 'plic',
    contexts: 2,
    onOutput: (context, level) => {
      output[context] = level;
    },
  });
  return {
    plic,
    output,
    read: (offset: number) => Number(plic.read(offset, 4)),
    write: (offset: number, value: number) => plic.write(offset, 4, BigInt(value)),
  };
}

describe('the PLIC', () => {
  it('notifies a context of an enabled source whose priority exceeds the threshold', () => {
    const { plic, output, write } = createPlic();
    plic.setSource(5, true);
    expect(output[S_CONTEXT]).toBe(false);
    write(4 * 5, 2);
    write(ENABLE, 1 << 5);
    expect(output).toEqual([false, true]);
    write(THRESHOLD, 2);
    expect(output[S_CONTEXT]).toBe(false);
  });

  it('gives the source of the highest priority first, the lowest number on a tie, then 0', () => {
    const { plic, read, write } = createPlic();
    for (const [source, priority] of [
      [3, 1],
      [31, 7],
      [9, 1],
    ] as const) {
      write(4 * source, priority);
      plic.setSource(source, true);
    }
    write(ENABLE, 0xffff_ffff);
    expect([read(CLAIM), read(CLAIM), read(CLAIM), read(CLAIM)]).toEqual([31, 3, 9, 0]);
  });

  it('asks again after completion while the level stays high, and not before', () => {
    const { plic, output, read, write } = createPlic();
    write(4 * 1, 1);
    write(ENABLE, 2);
    plic.setSource(1, true);
    expect(read(CLAIM)).toBe(1);
    expect(output[S_CONTEXT]).toBe(false);
    write(CLAIM, 1);
    expect(output[S_CONTEXT]).toBe(true);
    expect(read(CLAIM)).toBe(1);
    plic.setSource(1, false);
    write(CLAIM, 1);
    expect(output[S_CONTEXT]).toBe(false);
  });

  it('ignores the completion of a source that is not enabled for the context', () => {
    const { plic, output, read, write } = createPlic();
    write(4 * 1, 1);
    write(ENABLE, 2);
    plic.setSource(1, true);
    read(CLAIM);
    write(ENABLE, 0);
    write(CLAIM, 1);
    write(ENABLE, 2);
    expect(output[S_CONTEXT]).toBe(false);
  });

  it('keeps nothing pending of a level that fell before it was claimed', () => {
    const { plic, read, write } = createPlic();
    write(4 * 2, 1);
    write(ENABLE, 4);
    plic.setSource(2, true);
    expect(read(0x1000)).toBe(4);
    plic.setSource(2, false);
    expect([read(0x1000), read(CLAIM)]).toEqual([0, 0]);
  });

  it('has no source 0 and three bits of priority', () => {
    const { read, write } = createPlic();
    write(0, 7);
    write(4, 0xff);
    write(ENABLE, 0xffff_ffff);
    expect([read(0), read(4), read(ENABLE)]).toEqual([0, 7, 0xffff_fffe]);
  });

  it('comes out of a snapshot as it went in', () => {
    const first = createPlic();
    first.write(4 * 31, 3);
    first.write(ENABLE, 0x8000_0000);
    first.plic.setSource(31, true);
    const second = createPlic();
    second.plic.restore(first.plic.save());
    expect(second.output).toEqual([false, true]);
    expect(second.read(CLAIM)).toBe(31);
    expect(second.plic.save()).not.toEqual(first.plic.save());
    first.read(CLAIM);
    expect(second.plic.save()).toEqual(first.plic.save());
  });
});
