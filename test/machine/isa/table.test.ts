import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { decode, findCompressedRow } from '../../../src/machine/isa/decode.ts';
import { encode } from '../../../src/machine/isa/encode.ts';
import type { CompressedRow, InstructionRow } from '../../../src/machine/isa/instruction.ts';
import { extract, insert, noOperands, OPERANDS, type Operand, valueBits } from '../../../src/machine/isa/operand.ts';
import { COMPRESSED, INSTRUCTION_BY_NAME, INSTRUCTIONS } from '../../../src/machine/isa/table.ts';

const rowPairs = INSTRUCTIONS.flatMap((a, i) => INSTRUCTIONS.slice(i + 1).map((b) => [a, b] as const));
const operandBits = (row: InstructionRow | CompressedRow): number =>
  row.operands.flatMap((o) => o.pieces).reduce((m, p) => m | (((2 ** p.width - 1) << p.wordLow) | 0), 0);

/** Every value an operand can hold. */
const operandValue = (operand: Operand): fc.Arbitrary<number> =>
  fc.integer({ min: 0, max: 2 ** 31 - 1 }).map((raw) => {
    const word = operand.pieces.reduce((w, p) => w | ((raw & (2 ** p.width - 1)) << p.wordLow), 0);
    return extract(operand, word);
  });

describe('the instruction table', () => {
  test('has no two rows that match the same 32-bit word', () => {
    const overlapping = rowPairs.filter(([a, b]) => ((a.match ^ b.match) & a.mask & b.mask) === 0);
    expect(overlapping.map(([a, b]) => `${a.name} and ${b.name}`)).toEqual([]);
  });

  test('has at most one row for each of the 49,152 compressed words', () => {
    const doubled: string[] = [];
    for (let word = 0; word < 0x1_0000; word++) {
      if ((word & 3) === 3) continue;
      const matching = COMPRESSED.filter(
        (r) => (word & r.mask) === r.match && r.unless.every((u) => (word & u.mask) !== u.value),
      );
      if (matching.length > 1) doubled.push(`0x${word.toString(16)}: ${matching.map((r) => r.name).join(' ')}`);
    }
    expect(doubled).toEqual([]);
  });

  test('gives every row a name of its own and every compressed row a base', () => {
    const names = [...INSTRUCTIONS, ...COMPRESSED].map((r) => r.name);
    expect(new Set(names).size).toBe(names.length);
    expect(COMPRESSED.filter((r) => !INSTRUCTION_BY_NAME.has(r.base))).toEqual([]);
  });

  test('keeps operands off the fixed bits, and match within mask', () => {
    const wrong = [...INSTRUCTIONS, ...COMPRESSED].filter(
      (r) => (operandBits(r) & r.mask) !== 0 || (r.match & ~r.mask) !== 0,
    );
    expect(wrong.map((r) => r.name)).toEqual([]);
  });

  test.each([...INSTRUCTIONS, ...COMPRESSED].map((r) => [r.name, r] as const))(
    'decodes what it encodes: %s',
    (_, row) => {
      const values = fc.tuple(...row.operands.map(operandValue));
      fc.assert(
        fc.property(values, (given) => {
          const operands = noOperands();
          row.operands.forEach((o, i) => {
            for (const slot of o.slots) operands[slot] = given[i] ?? 0;
          });
          const word = encode(row, operands);
          if ('base' in row) {
            // Some operand values belong to another row or are reserved.
            if (findCompressedRow(word) !== row) return;
            const decoded = decode(word);
            expect(decoded?.compressed).toBe(row);
            expect(decoded?.operands).toEqual({ ...operands, ...row.fixed });
          } else {
            const decoded = decode(word);
            expect(decoded?.row).toBe(row);
            expect(decoded?.operands).toEqual(operands);
          }
        }),
        { numRuns: 50 },
      );
    },
  );
});

describe('an operand', () => {
  test.each(Object.entries(OPERANDS))('%s refuses a value it cannot hold', (_, operand: Operand) => {
    const tooBig = 2 ** Math.min(valueBits(operand), 30) * 2 + operand.bias;
    if (valueBits(operand) < 31) expect(() => insert(operand, tooBig)).toThrow(RangeError);
  });
});
