/** Zicsr and privileged instructions: [Unpriv] "Zicsr", [Priv] "Machine-Mode Privileged Instructions". */
import type { InstructionRow } from './instruction.ts';
import { OPCODE, opcode, row } from './row.ts';

const csrRow = (name: string, funct3: number): InstructionRow =>
  row(name, 'rd, csr, rs1', opcode(OPCODE.SYSTEM, { funct3 }), (c) => c.environment());
const csrImmediateRow = (name: string, funct3: number): InstructionRow =>
  row(name, 'rd, csr, zimm', opcode(OPCODE.SYSTEM, { funct3 }), (c) => c.environment());

export const PRIVILEGED: readonly InstructionRow[] = [
  csrRow('csrrw', 1),
  csrRow('csrrs', 2),
  csrRow('csrrc', 3),
  csrImmediateRow('csrrwi', 5),
  csrImmediateRow('csrrsi', 6),
  csrImmediateRow('csrrci', 7),
  row('mret', '', { match: 0x3020_0073, mask: -1 }, (c) => c.environment()),
  row('sret', '', { match: 0x1020_0073, mask: -1 }, (c) => c.environment()),
  row('wfi', '', { match: 0x1050_0073, mask: -1 }, (c) => c.environment()),
  row('sfence.vma', 'rs1, rs2', { match: 0x1200_0073, mask: 0xfe00_7fff | 0 }, (c) => c.environment()),
];
