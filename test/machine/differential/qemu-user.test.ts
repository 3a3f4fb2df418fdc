/**
 * Random programs on the hart and on qemu's user-mode emulator: an implementation of RISC-V that shares nothing with
 * this one. Runs where `qemu-riscv64-static` or `qemu-riscv64` is installed. HART_RANDOM_PROGRAMS sets how many programs.
 */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { disassemble } from '../../../src/machine/isa/disassemble.ts';
import { elfImage } from './elf-image.ts';
import { PROGRAM_BASE, type RandomProgram, RECORD_BYTES, randomProgram, SUITABLE_ROWS } from './random-program.ts';
import { randomSource } from './random-source.ts';
import { runOnHart } from './run-on-hart.ts';

const QEMU = ['qemu-riscv64-static', 'qemu-riscv64'].find((name) => spawnSync(name, ['--version']).status === 0);
const PROGRAMS = Number(process.env['HART_RANDOM_PROGRAMS'] ?? 2);
const SIZE = { blockCount: 300, blockInstructions: 24 };

function runOnQemu(qemu: string, program: RandomProgram, folder: string): Uint8Array {
  const path = join(folder, 'program.elf');
  const image = elfImage({ base: PROGRAM_BASE, entry: PROGRAM_BASE, bytes: program.bytes });
  writeFileSync(path, image, { mode: 0o755 });
  const { status, signal, stdout, stderr } = spawnSync(qemu, [path], { maxBuffer: 2 * program.resultBytes });
  if (status !== 0) throw new Error(`${qemu} ended with ${status ?? signal}: ${stderr}`);
  return stdout;
}

const registerName = (slot: number): string => (slot === 31 ? 'fcsr' : slot < 32 ? `x${slot}` : `f${slot - 32}`);

/** Differing registers by block, with the block's instructions; empty when the results are the same. */
function differences(program: RandomProgram, ours: Uint8Array, theirs: Uint8Array): string[] {
  const lines: string[] = [];
  const word = (bytes: Uint8Array, offset: number): string =>
    new DataView(bytes.buffer, bytes.byteOffset + offset, 8).getBigUint64(0, true).toString(16);
  const recordsAt = program.resultBytes - Math.ceil((program.blocks.length * RECORD_BYTES) / 0x1000) * 0x1000;
  for (const [index, words] of program.blocks.entries()) {
    const changed: string[] = [];
    for (let slot = 0; slot < 64; slot += 1) {
      const offset = recordsAt + index * RECORD_BYTES + 8 * slot;
      const [a, b] = [word(ours, offset), word(theirs, offset)];
      if (a !== b) changed.push(`  ${registerName(slot)}: ${a}, qemu ${b}`);
    }
    if (changed.length > 0) {
      lines.push(`block ${index}`, ...changed, ...words.map((code) => `    ${disassemble(code, 0n)}`));
    }
    if (lines.length > 80) break;
  }
  if (lines.length === 0 && Buffer.compare(ours, theirs) !== 0) lines.push('only the scratch memory differs');
  return lines;
}

describe.skipIf(QEMU === undefined)('the hart and qemu agree on every register, fcsr and memory after random', () => {
  let folder: string;
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'random-program-'));
  });
  afterAll(() => rmSync(folder, { recursive: true }));

  const floatRows = SUITABLE_ROWS.filter((row) => row.operands.some((operand) => operand.kind === 'f'));
  const seeds = Array.from({ length: PROGRAMS }, (_, index) => index + 1);
  const kinds = [
    ['instructions', SUITABLE_ROWS],
    ['floating-point instructions', floatRows],
  ] as const;
  for (const [kind, rows] of kinds) {
    test.each(seeds)(`${kind}, seed %i`, (seed) => {
      const program = randomProgram(rows, SIZE, randomSource(seed));
      const theirs = runOnQemu(QEMU as string, program, folder);
      expect(differences(program, runOnHart(program, 'off'), theirs)).toEqual([]);
      expect(differences(program, runOnHart(program, 'all'), theirs)).toEqual([]);
    });
  }
});
