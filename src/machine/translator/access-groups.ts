/**
 * Loads and stores of a block that lie near each other, off a base register that does not change between them: the
 * first one looks the page up for all.
 *
 * The TLB is the same afterwards as when each access looks for itself: nothing that a region does puts an entry out of it.
 */
import { isSystem } from '../hart/handlers.ts';
import type { InstructionRow } from '../isa/instruction.ts';
import { OPCODE } from '../isa/row.ts';
import type { RegionInstruction } from './basic-blocks.ts';

export interface AccessGroup {
  /** Which of its block's groups it is. */
  readonly index: number;
  /** Immediates: the lowest, and that of the first access. */
  low: number;
  readonly first: number;
  /** Behind the last byte. */
  high: number;
  hasStore: boolean;
  accesses: number;
}

/** Accesses further apart than this look for themselves: the wider a group, the more often a page ends inside it. */
const GROUP_BYTES_MAX = 512;

const LOADS: ReadonlySet<number> = new Set([OPCODE.LOAD, OPCODE.LOAD_FP]);
const STORES: ReadonlySet<number> = new Set([OPCODE.STORE, OPCODE.STORE_FP]);
const isStore = (row: InstructionRow): boolean => STORES.has(row.match & 0x7f);
const isAccess = (row: InstructionRow): boolean => LOADS.has(row.match & 0x7f) || isStore(row);
/** funct3 bits 1..0 are the binary logarithm of the bytes. */
const bytesOf = (row: InstructionRow): number => 1 << ((row.match >> 12) & 3);

/** The group of each instruction of a block; undefined for what is no access, or alone. */
export function groupAccesses(instructions: readonly RegionInstruction[]): readonly (AccessGroup | undefined)[] {
  /** By base register. */
  const open = new Map<number, AccessGroup>();
  let groups = 0;
  const found = instructions.map(({ decoded: { row, operands } }) => {
    let group: AccessGroup | undefined;
    if (isAccess(row)) {
      const { rs1, imm } = operands;
      const high = imm + bytesOf(row);
      group = open.get(rs1);
      if (group === undefined || Math.max(group.high, high) - Math.min(group.low, imm) > GROUP_BYTES_MAX) {
        group = { index: groups++, low: imm, first: imm, high, hasStore: false, accesses: 0 };
        open.set(rs1, group);
      }
      group.low = Math.min(group.low, imm);
      group.high = Math.max(group.high, high);
      group.hasStore ||= isStore(row);
      group.accesses += 1;
    }
    // SUM chooses another TLB bank.
    if (isSystem(row)) open.clear();
    else if (row.operands.some((o) => o.kind === 'x' && o.slots.includes('rd'))) open.delete(operands.rd);
    return group;
  });
  return found.map((group) => (group !== undefined && group.accesses > 1 ? group : undefined));
}
