/** The instruction table: every instruction of RV64GC with Zicsr, Zifencei and the privileged ones, one row each. */
import type { CompressedRow, InstructionRow } from './instruction.ts';
import { PRIVILEGED } from './privileged.ts';
import { RV64A } from './rv64a.ts';
import { RV64C } from './rv64c.ts';
import { RV64FD } from './rv64fd.ts';
import { RV64I } from './rv64i.ts';
import { RV64M } from './rv64m.ts';

export const INSTRUCTIONS: readonly InstructionRow[] = [...RV64I, ...RV64M, ...RV64A, ...RV64FD, ...PRIVILEGED];

export const COMPRESSED: readonly CompressedRow[] = RV64C;

export const INSTRUCTION_BY_NAME: ReadonlyMap<string, InstructionRow> = new Map(INSTRUCTIONS.map((r) => [r.name, r]));

export const COMPRESSED_BY_NAME: ReadonlyMap<string, CompressedRow> = new Map(COMPRESSED.map((r) => [r.name, r]));

/** Rows that some compressed row expands to: only these come in a two-byte form. */
export const COMPRESSIBLE: ReadonlySet<string> = new Set(COMPRESSED.map((r) => r.base));
