import { describe, expect, test } from 'vitest';
import { assemble } from '../../../src/machine/isa/assemble.ts';
import { decode } from '../../../src/machine/isa/decode.ts';
import { groupAccesses } from '../../../src/machine/translator/access-groups.ts';
import type { RegionInstruction } from '../../../src/machine/translator/basic-blocks.ts';

/** Of each instruction (all of four bytes): which group it is in, as `low..high`, or `-`. */
function groupsOf(source: string): string[] {
  const { bytes } = assemble(source, { base: 0x8000_0000 });
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const instructions: RegionInstruction[] = [];
  for (let offset = 0; offset < bytes.length; offset += 4) {
    const word = view.getInt32(offset, true);
    instructions.push({ decoded: decode(word)!, word, offset });
  }
  return groupAccesses(instructions).map((g) =>
    g === undefined ? '-' : `${g.low}..${g.high}${g.hasStore ? ' s' : ''}`,
  );
}

describe('loads and stores look their page up together', () => {
  test('when they are off the same register', () => {
    expect(groupsOf('ld a0, 8(sp)\n sw a1, -4(sp)\n lbu a2, 30(sp)')).toEqual(['-4..31 s', '-4..31 s', '-4..31 s']);
  });

  test('unless the register was written between them', () => {
    expect(groupsOf('ld a0, 0(sp)\n addi sp, sp, 16\n ld a1, 0(sp)')).toEqual(['-', '-', '-']);
    expect(groupsOf('ld a0, 0(a0)\n ld a1, 8(a0)\n ld a2, 16(a0)')).toEqual(['-', '8..24', '8..24']);
  });

  test('unless they are far apart', () => {
    expect(groupsOf('ld a0, 0(sp)\n ld a1, 1024(sp)')).toEqual(['-', '-']);
  });

  test('unless another TLB bank may have been chosen between them', () => {
    expect(groupsOf('ld a0, 0(sp)\n csrrs zero, 0x100, a1\n ld a1, 8(sp)')).toEqual(['-', '-', '-']);
  });
});
