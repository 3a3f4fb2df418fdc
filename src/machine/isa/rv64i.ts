/** RV64I and Zifencei. Source: [Unpriv] "RV32I", "RV64I", "Zifencei". */
import { type Expr, i32, i64 } from '../wasm/code.ts';
import type { InstructionRow, LoadOp, Semantics, StoreOp } from './instruction.ts';
import { OPCODE, opcode, row } from './row.ts';

type Binary64 = (left: Expr<'i64'>, right: Expr<'i64'>) => Expr<'i64'>;
type Binary32 = (left: Expr<'i32'>, right: Expr<'i32'>) => Expr<'i32'>;
type Compare64 = (left: Expr<'i64'>, right: Expr<'i64'>) => Expr<'i32'>;

const lessThan =
  (compare: Compare64): Binary64 =>
  (left, right) =>
    i64.extend_u(compare(left, right));

const registerRow = (name: string, funct3: number, funct7: number, op: Binary64): InstructionRow =>
  row(name, 'rd, rs1, rs2', opcode(OPCODE.OP, { funct3, funct7 }), (c) => c.rd(op(c.rs1, c.rs2)), { pure: true });
const registerRowW = (name: string, funct3: number, funct7: number, op: Binary32): InstructionRow =>
  row(name, 'rd, rs1, rs2', opcode(OPCODE.OP_32, { funct3, funct7 }), (c) => c.rd(i64.extend_s(op(c.rs1w, c.rs2w))), {
    pure: true,
  });
const immediateRow = (name: string, funct3: number, op: Binary64): InstructionRow =>
  row(name, 'rd, rs1, immI', opcode(OPCODE.OP_IMM, { funct3 }), (c) => c.rd(op(c.rs1, c.imm)), { pure: true });
const shiftRow = (name: string, funct3: number, funct6: number, op: Binary64): InstructionRow =>
  row(name, 'rd, rs1, shamt6', opcode(OPCODE.OP_IMM, { funct3, funct6 }), (c) => c.rd(op(c.rs1, c.imm)), {
    pure: true,
  });
const shiftRowW = (name: string, funct3: number, funct7: number, op: Binary32): InstructionRow =>
  row(
    name,
    'rd, rs1, shamt5',
    opcode(OPCODE.OP_IMM_32, { funct3, funct7 }),
    (c) => c.rd(i64.extend_s(op(c.rs1w, c.immw))),
    { pure: true },
  );
const loadRow = (name: string, funct3: number, op: LoadOp): InstructionRow =>
  row(name, 'rd, immI(rs1)', opcode(OPCODE.LOAD, { funct3 }), (c) => c.rd(c.load(op, i64.add(c.rs1, c.imm))));
const storeRow = (name: string, funct3: number, op: StoreOp): InstructionRow =>
  row(name, 'rs2, immS(rs1)', opcode(OPCODE.STORE, { funct3 }), (c) => c.store(op, i64.add(c.rs1, c.imm), c.rs2));
const branchRow = (name: string, funct3: number, compare: Compare64): InstructionRow =>
  row(name, 'rs1, rs2, immB', opcode(OPCODE.BRANCH, { funct3 }), (c) => c.branch(compare(c.rs1, c.rs2)));

const environment = (c: Semantics) => c.environment();

export const RV64I: readonly InstructionRow[] = [
  row('lui', 'rd, immU', opcode(OPCODE.LUI), (c) => c.rd(c.imm), { pure: true }),
  row('auipc', 'rd, immU', opcode(OPCODE.AUIPC), (c) => c.rd(i64.add(c.pc, c.imm)), { pure: true }),
  row('jal', 'rd, immJ', opcode(OPCODE.JAL), (c) => c.jumpAndLink()),
  row('jalr', 'rd, immI(rs1)', opcode(OPCODE.JALR, { funct3: 0 }), (c) => c.jumpAndLinkTo(i64.add(c.rs1, c.imm))),
  branchRow('beq', 0, i64.eq),
  branchRow('bne', 1, i64.ne),
  branchRow('blt', 4, i64.lt_s),
  branchRow('bge', 5, i64.ge_s),
  branchRow('bltu', 6, i64.lt_u),
  branchRow('bgeu', 7, i64.ge_u),
  loadRow('lb', 0, 'load8_s'),
  loadRow('lh', 1, 'load16_s'),
  loadRow('lw', 2, 'load32_s'),
  loadRow('ld', 3, 'load'),
  loadRow('lbu', 4, 'load8_u'),
  loadRow('lhu', 5, 'load16_u'),
  loadRow('lwu', 6, 'load32_u'),
  storeRow('sb', 0, 'store8'),
  storeRow('sh', 1, 'store16'),
  storeRow('sw', 2, 'store32'),
  storeRow('sd', 3, 'store'),
  immediateRow('addi', 0, i64.add),
  immediateRow('slti', 2, lessThan(i64.lt_s)),
  immediateRow('sltiu', 3, lessThan(i64.lt_u)),
  immediateRow('xori', 4, i64.xor),
  immediateRow('ori', 6, i64.or),
  immediateRow('andi', 7, i64.and),
  shiftRow('slli', 1, 0x00, i64.shl),
  shiftRow('srli', 5, 0x00, i64.shr_u),
  shiftRow('srai', 5, 0x10, i64.shr_s),
  registerRow('add', 0, 0x00, i64.add),
  registerRow('sub', 0, 0x20, i64.sub),
  registerRow('sll', 1, 0x00, i64.shl),
  registerRow('slt', 2, 0x00, lessThan(i64.lt_s)),
  registerRow('sltu', 3, 0x00, lessThan(i64.lt_u)),
  registerRow('xor', 4, 0x00, i64.xor),
  registerRow('srl', 5, 0x00, i64.shr_u),
  registerRow('sra', 5, 0x20, i64.shr_s),
  registerRow('or', 6, 0x00, i64.or),
  registerRow('and', 7, 0x00, i64.and),
  row(
    'addiw',
    'rd, rs1, immI',
    opcode(OPCODE.OP_IMM_32, { funct3: 0 }),
    (c) => c.rd(i64.extend_s(i32.add(c.rs1w, c.immw))),
    { pure: true },
  ),
  shiftRowW('slliw', 1, 0x00, i32.shl),
  shiftRowW('srliw', 5, 0x00, i32.shr_u),
  shiftRowW('sraiw', 5, 0x20, i32.shr_s),
  registerRowW('addw', 0, 0x00, i32.add),
  registerRowW('subw', 0, 0x20, i32.sub),
  registerRowW('sllw', 1, 0x00, i32.shl),
  registerRowW('srlw', 5, 0x00, i32.shr_u),
  registerRowW('sraw', 5, 0x20, i32.shr_s),
  // "Implementations shall ignore" the reserved fields of fence; harts here see memory in program order.
  row('fence', '', opcode(OPCODE.MISC_MEM, { funct3: 0 }), (c) => c.none),
  // Stores drop predecoded copies of what they write, so fetches are always coherent.
  row('fence.i', '', opcode(OPCODE.MISC_MEM, { funct3: 1 }), (c) => c.none),
  row('ecall', '', { match: 0x0000_0073, mask: -1 }, environment),
  row('ebreak', '', { match: 0x0010_0073, mask: -1 }, environment),
];
