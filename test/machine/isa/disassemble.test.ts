import { expect, test } from 'vitest';
import { disassemble } from '../../../src/machine/isa/disassemble.ts';

const PC = 0x8000_1000n;

test.each([
  [0xfff1_0093, 'addi ra, sp, -1'],
  [0x0105_3503, 'ld a0, 16(a0)'],
  [0xfea5_3c23, 'sd a0, -8(a0)'],
  [0x1234_50b7, 'lui ra, 0x12345'],
  [0xffff_f517, 'auipc a0, 0xfffff'],
  [0xfe00_0ee3, 'beq zero, zero, 0x80000ffc'],
  [0x0080_00ef, 'jal ra, 0x80001008'],
  [0x0000_8067, 'jalr zero, 0(ra)'],
  [0x0020_f053, 'fadd.s ft0, ft1, ft2, dyn'],
  [0xc200_1553, 'fcvt.w.d a0, ft0, rtz'],
  [0x3005_9073, 'csrrw zero, 0x300, a1'],
  [0x3020_0073, 'mret'],
  [0x1415, 'c.addi s0, -27'],
  [0x6105, 'c.addi16sp 32'],
  [0x757d, 'c.lui a0, 0xfffff'],
  [0x9002, 'c.ebreak'],
  [0x0000, '.half 0x0'],
  [0xffff_ffff, '.word 0xffffffff'],
])('%i reads %s', (word, text) => {
  expect(disassemble(word, PC)).toBe(text);
});
