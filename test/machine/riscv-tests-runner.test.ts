import { describe, expect, test } from 'vitest';
import { encode } from '../../src/machine/isa/encode.ts';
import type { InstructionRow } from '../../src/machine/isa/instruction.ts';
import type { Operands } from '../../src/machine/isa/operand.ts';
import { INSTRUCTION_BY_NAME } from '../../src/machine/isa/table.ts';
import { ElfError, parseElf64 } from '../../tools/riscv-tests/elf64.ts';
import { runTest, type Verdict } from '../../tools/riscv-tests/run-test.ts';
import { describeResult, groupOf, summarize } from '../../tools/riscv-tests/suite.ts';
import { traceTest } from '../../tools/riscv-tests/trace.ts';
import { elfImage } from './differential/elf-image.ts';

const BASE = 0x8000_0000;
const TOHOST = BASE + 0x100;

type Line = readonly [name: string, operands: Partial<Operands>];

/** x5 = tohost, then the lines, then a loop for ever. */
function programOf(lines: readonly Line[], symbols: Readonly<Record<string, number>> = { tohost: TOHOST }): Uint8Array {
  const all: Line[] = [
    ['auipc', { rd: 5, imm: 0 }],
    ['addi', { rd: 5, rs1: 5, imm: TOHOST - BASE }],
    ...lines,
    ['jal', { rd: 0, imm: 0 }],
  ];
  const bytes = new Uint8Array(0x200);
  const view = new DataView(bytes.buffer);
  for (const [index, [name, operands]] of all.entries()) {
    view.setInt32(4 * index, encode(INSTRUCTION_BY_NAME.get(name) as InstructionRow, operands), true);
  }
  return elfImage({ base: BASE, entry: BASE, bytes, symbols });
}

const writeTohost = (value: number): Line[] => [
  ['addi', { rd: 6, rs1: 0, imm: value }],
  ['sd', { rs2: 6, rs1: 5, imm: 0 }],
];

describe('the runner of riscv-tests', () => {
  test.each<[string, readonly Line[], Verdict]>([
    ['1 in tohost is a pass', writeTohost(1), { outcome: 'passed' }],
    ['2n + 1 in tohost is a failure of case n', writeTohost(15), { outcome: 'failed', failedCase: 7 }],
    ['case 1 fails as such when nothing was printed', writeTohost(3), { outcome: 'failed', failedCase: 1 }],
  ])('%s', (_title, lines, verdict) => {
    expect(runTest(programOf(lines)).verdict).toEqual(verdict);
  });

  test('a number or-ed with 1337 is a trap nobody expected', () => {
    expect(runTest(programOf(writeTohost(1337 | 4))).verdict.outcome).toBe('aborted');
  });

  test('a program that never writes tohost is stopped at the limit', () => {
    const { verdict, instructions } = runTest(programOf([]), { instructionsMax: 5000 });
    expect(verdict).toMatchObject({ outcome: 'no verdict' });
    expect(instructions).toBe(5000);
  });

  test('characters for the console are collected and acknowledged', () => {
    const print = (character: string): Line[] => [
      ['addi', { rd: 6, rs1: 0, imm: 0x101 }],
      ['slli', { rd: 6, rs1: 6, imm: 48 }],
      ['addi', { rd: 6, rs1: 6, imm: character.charCodeAt(0) }],
      ['sd', { rs2: 6, rs1: 5, imm: 0 }],
      ['ld', { rd: 7, rs1: 5, imm: 0 }],
      ['bne', { rs1: 7, rs2: 0, imm: -4 }],
    ];
    const result = runTest(programOf([...print('o'), ...print('k'), ...writeTohost(1)]));
    expect(result.console).toBe('ok');
    expect(result.verdict).toEqual({ outcome: 'passed' });
  });

  test('a program without tohost is broken, and so is a file that is no ELF', () => {
    expect(runTest(programOf([], { begin: BASE })).verdict).toMatchObject({
      outcome: 'broken',
      reason: expect.stringContaining('symbol tohost'),
    });
    expect(runTest(new Uint8Array(100)).verdict).toMatchObject({
      outcome: 'broken',
      reason: expect.stringContaining('magic number'),
    });
  });

  test('a trace ends with the instructions before the verdict and what they changed', () => {
    const lines = traceTest(programOf(writeTohost(15)), 2);
    expect(lines).toHaveLength(2);
    expect(lines[0]).toMatch(/^M +0x80000008 +00f00313 +(addi|li) .*x6=0xf$/);
    expect(lines[1]).toMatch(/^M +0x8000000c +0062b023 +sd /);
  });

  test('results are summarized by group', () => {
    const result = (name: string, verdict: Verdict) => ({ name, verdict, instructions: 9, console: '' });
    const results = [
      result('rv64ui-p-add', { outcome: 'passed' }),
      result('rv64ui-p-sub', { outcome: 'failed', failedCase: 3 }),
      result('rv64ui-v-add', { outcome: 'passed' }),
    ];
    expect(summarize(results)).toEqual([
      { group: 'rv64ui-p', passed: 1, failed: 1 },
      { group: 'rv64ui-v', passed: 1, failed: 0 },
    ]);
    expect(groupOf('rv64mi-p-ld-misaligned')).toBe('rv64mi-p');
    expect(results.map(describeResult)).toEqual([
      'pass  rv64ui-p-add (9 instructions)',
      'FAIL  rv64ui-p-sub: case 3 (9 instructions)',
      'pass  rv64ui-v-add (9 instructions)',
    ]);
  });
});

describe('the ELF loader', () => {
  test('gives entry, segment and symbols', () => {
    const elf = parseElf64(programOf([]));
    expect(elf.entry).toBe(BASE);
    expect(elf.segments.map((s) => [s.physicalAddress, s.virtualAddress, s.data.length, s.memoryBytes])).toEqual([
      [BASE, BASE, 0x200, 0x200],
    ]);
    expect([...elf.symbols]).toEqual([['tohost', TOHOST]]);
  });

  test.each([
    ['a 32-bit file', 4, 1, 'EI_CLASS'],
    ['a big-endian file', 5, 2, 'EI_DATA'],
    ['an object file', 16, 1, 'e_type'],
    ['a file for another processor', 18, 62, 'e_machine'],
  ])('refuses %s', (_what, offset, value, field) => {
    const file = programOf([]);
    file[offset] = value;
    expect(() => parseElf64(file)).toThrow(field);
  });

  test('refuses a file cut short', () => {
    const file = programOf([]);
    for (const bytes of [file.length - 1, file.length - 200, 0x1100, 70]) {
      expect(() => parseElf64(file.subarray(0, bytes))).toThrow(ElfError);
    }
  });
});
