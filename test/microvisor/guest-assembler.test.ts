import { describe, expect, it } from 'vitest';
import { assemble } from './guest-assembler.ts';

const words = (source: string): string[] => {
  const bytes = assemble(source, 0x8800_0000);
  const view = new DataView(bytes.buffer);
  return Array.from({ length: bytes.length / 4 }, (_, index) => view.getUint32(4 * index, true).toString(16));
};

describe('the assembler of tiny guests', () => {
  // Words as GNU as writes them.
  it.each([
    ['li a0, 1', ['100513']],
    ['li a0, 0x10400000', ['10400537', '5051b']],
    ['li a0, -1', ['fff00513']],
    ['lw a5, 8(a5)', ['87a783']],
    ['sb a0, 0(a1)', ['a58023']],
    ['csrw stvec, t0', ['10529073']],
    ['csrr a0, time', ['c0102573']],
    ['wfi', ['10500073']],
    ['here:\nj here', ['6f']],
    ['here:\nbnez a0, here', ['51063']],
    ['la a0, here\nhere:', ['517', '850513']],
  ])('writes %j as %j', (source, expected) => {
    expect(words(source)).toEqual(expected);
  });
});
