/**
 * Blocks of random instructions for equivalence scenarios. A block is a list of items of known size; an item that jumps
 * gets its words when it is known where everything lies.
 *
 * Registers: x31 points at the pool of pointers and is never written; POINTERS are loaded from the pool, moved a little,
 * and used as bases; x28 counts loops; x1 links calls.
 */
import { csrNumber } from '../differential/csr-number.ts';
import { baseOf, isMemory, type OperandChoices, type Row, randomWord } from '../differential/random-instruction.ts';
import { SUITABLE_ROWS } from '../differential/random-program.ts';
import type { RandomSource } from '../differential/random-source.ts';
import { POOL, POOL_POINTERS } from './pool.ts';
import { word } from './word.ts';

export const POOL_REGISTER = 31;
export const POINTERS: readonly number[] = [2, 8, 9, 15, 30];
const SHORT_POINTERS = POINTERS.filter((register) => register >= 8 && register < 16);
const COUNTER = 28;
const LINK = 1;
/** Values for stores into code, and addresses of them. */
const PATCH = { value: 13, address: 9 } as const;

/** Instructions whose place and targets matter. */
export interface Item {
  readonly bytes: number;
  readonly words: (at: number, places: Places) => readonly number[];
}

/** Where blocks begin. */
export interface Places {
  /** A block at most `reach` bytes from `at` to either side; `at` itself when there is none. */
  near(at: number, reach: number): number;
}

const bytesOf = (instruction: number): number => ((instruction & 3) === 3 ? 4 : 2);
const item = (instruction: number): Item => ({ bytes: bytesOf(instruction), words: () => [instruction] });

const isWritable = (register: number): boolean =>
  !POINTERS.includes(register) && register !== POOL_REGISTER && register !== COUNTER;

const anyRegister = (random: RandomSource): number => random.below(32);
function target(random: RandomSource): number {
  for (;;) {
    const register = random.below(32);
    if (isWritable(register) && (register !== LINK || random.below(8) === 0)) return register;
  }
}

const CHOICES: OperandChoices = {
  csr: () => csrNumber('fflags'),
  register: (row, operand, random) => {
    const isShort = operand.bias !== 0;
    if (isMemory(row) && operand.slots.includes('rs1')) return random.pick(isShort ? SHORT_POINTERS : POINTERS);
    if (!operand.slots.includes('rd')) return isShort ? 8 + random.below(8) : anyRegister(random);
    return isShort ? 10 + random.below(5) : target(random);
  },
};

const LOADS = ['lb', 'lbu', 'lh', 'lhu', 'lw', 'lwu', 'ld', 'fld', 'flw'] as const;
const STORES = ['sb', 'sh', 'sw', 'sd', 'fsd', 'fsw'] as const;

/** Accesses off one base, close together. */
function burst(random: RandomSource): Item[] {
  const base = random.pick(POINTERS);
  const middle = random.below(64) * 8 - 256;
  return Array.from({ length: 2 + random.below(5) }, () => {
    const imm = middle + random.pick([8, 8, 4, 1]) * random.below(16);
    if (random.below(2) === 0) {
      const name = random.pick(LOADS);
      return item(word(name, { rd: name.startsWith('f') ? random.below(32) : target(random), rs1: base, imm }));
    }
    return item(word(random.pick(STORES), { rs2: random.below(32), rs1: base, imm }));
  });
}

const loadFromPool = (rd: number, slot: number): Item => item(word('ld', { rd, rs1: POOL_REGISTER, imm: 8 * slot }));

function movePointer(random: RandomSource): Item[] {
  const pointer = random.pick(POINTERS);
  return random.below(3) === 0
    ? [loadFromPool(pointer, random.pick(POOL_POINTERS))]
    : [item(word('addi', { rd: pointer, rs1: pointer, imm: random.pick([8, -8, 16, 1, 256, -256, 2040]) }))];
}

const READ_CSRS = ['cycle', 'time', 'instret', 'mcycle', 'minstret', 'mip', 'sip', 'mhartid', 'pmpcfg0'] as const;
const CHANGED_CSRS = [
  ...['fflags', 'frm', 'fcsr', 'sscratch', 'sepc', 'stval', 'scause', 'sstatus', 'sie', 'sip', 'stimecmp', 'satp'],
  ...['mscratch', 'mtval', 'mie', 'mip', 'mstatus', 'minstret', 'scounteren'],
] as const;

function csrAccess(random: RandomSource): Item[] {
  const rd = target(random);
  if (random.below(2) === 0) {
    const imm = csrNumber(random.pick([...READ_CSRS, ...CHANGED_CSRS]));
    return [item(word('csrrs', { rd, rs1: 0, imm }))];
  }
  const name = random.pick(['csrrw', 'csrrs', 'csrrc', 'csrrwi', 'csrrsi', 'csrrci'] as const);
  return [item(word(name, { rd, rs1: anyRegister(random), imm: csrNumber(random.pick(CHANGED_CSRS)) }))];
}

function reservation(random: RandomSource): Item[] {
  const rs1 = random.pick(POINTERS);
  const width = random.pick(['w', 'd'] as const);
  const between = random.below(3) === 0 ? [plain(random)] : [];
  return [
    item(word(`lr.${width}`, { rd: target(random), rs1 })),
    ...between,
    item(word(`sc.${width}`, { rd: target(random), rs1, rs2: anyRegister(random) })),
  ];
}

/** Stores a random instruction over code: of this very block, or of some page of code. */
function patch(random: RandomSource): Item[] {
  const { address, value } = PATCH;
  const isHere = random.below(2) === 0;
  return [
    loadFromPool(address, POOL.words),
    item(word('lw', { rd: value, rs1: address, imm: 4 * random.below(500) })),
    isHere
      ? item(word('auipc', { rd: address, imm: 0 }))
      : loadFromPool(address, POOL.code + random.below(POOL.codeCount)),
    item(
      word(random.pick(['sw', 'sw', 'sh', 'sd'] as const), {
        rs1: address,
        rs2: value,
        imm: 2 * random.below(isHere ? 64 : 1000),
      }),
    ),
    ...(random.below(3) === 0 ? [item(word('fence.i', {}))] : []),
  ];
}

const plain = (random: RandomSource): Item => item(randomWord(random.pick(SUITABLE_ROWS), random, CHOICES));

function bodyItems(random: RandomSource): Item[] {
  const dice = random.below(100);
  if (dice < 62) return [plain(random)];
  if (dice < 76) return burst(random);
  if (dice < 87) return movePointer(random);
  if (dice < 93) return csrAccess(random);
  if (dice < 95) return reservation(random);
  if (dice < 98) return patch(random);
  return [item(word(random.pick(['fence.i', 'sfence.vma', 'fence'] as const), {}))];
}

// --------------------------------------------------------------------------------------------------------- ends of blocks

const BRANCH_REACH = 4000;
const SHORT_BRANCH_REACH = 240;
const SHORT_JUMP_REACH = 2000;
const JUMP_REACH = 0x4_0000;

const to =
  (bytes: number, reach: number, encodeAt: (distance: number) => number): Item['words'] =>
  (at, places) => [encodeAt(places.near(at, reach) - at || bytes)];

function branch(random: RandomSource): Item[] {
  if (random.below(4) === 0) {
    const name = random.pick(['c.beqz', 'c.bnez'] as const);
    const rs1 = 8 + random.below(8);
    return [{ bytes: 2, words: to(2, SHORT_BRANCH_REACH, (imm) => word(name, { rs1, imm })) }];
  }
  const name = random.pick(['beq', 'bne', 'blt', 'bge', 'bltu', 'bgeu'] as const);
  const operands = { rs1: anyRegister(random), rs2: anyRegister(random) };
  return [{ bytes: 4, words: to(4, BRANCH_REACH, (imm) => word(name, { ...operands, imm })) }];
}

function jump(random: RandomSource): Item[] {
  if (random.below(3) === 0) return [{ bytes: 2, words: to(2, SHORT_JUMP_REACH, (imm) => word('c.j', { imm })) }];
  const rd = random.pick([0, LINK, LINK, 5, target(random)]);
  return [{ bytes: 4, words: to(4, JUMP_REACH, (imm) => word('jal', { rd, imm })) }];
}

/** auipc and jalr; or a pointer to a block from the pool. */
function indirectJump(random: RandomSource): Item[] {
  const rd = random.pick([0, LINK, target(random)]);
  if (random.below(2) === 0) {
    return [
      loadFromPool(6, POOL.blocks + random.below(POOL.blockCount)),
      item(random.below(2) === 0 ? word('jalr', { rd, rs1: 6, imm: 0 }) : word('c.jalr', { rs1: 6 })),
    ];
  }
  const words: Item['words'] = (at, places) => {
    const distance = places.near(at, JUMP_REACH) - at;
    const low = (distance << 20) >> 20;
    return [word('auipc', { rd: 6, imm: (distance - low) | 0 }), word('jalr', { rd, rs1: 6, imm: low })];
  };
  return [{ bytes: 8, words }];
}

const STRANGE = ['ecall', 'ebreak', 'c.ebreak', 'mret', 'sret', 'wfi'] as const;

function endItems(random: RandomSource): Item[] {
  const dice = random.below(100);
  if (dice < 40) return branch(random);
  if (dice < 55) return jump(random);
  if (dice < 68) return indirectJump(random);
  if (dice < 78) return [item(word('c.jr', { rs1: LINK }))];
  if (dice < 94) return [];
  if (dice < 98) return [item(word(random.pick(STRANGE), {}))];
  return [item(random.pick([0, -1, 0x0000_707f]) & (random.below(2) === 0 ? 0xffff : -1))];
}

const items = (count: number, make: () => Item[]): Item[] => Array.from({ length: count }, make).flat();

export function randomBlock(random: RandomSource): readonly Item[] {
  const body = items(random.below(8), () => bodyItems(random));
  if (random.below(8) !== 0) return [...body, ...endItems(random)];
  // A loop: its body, count down, back.
  const again = items(1 + random.below(5), () => bodyItems(random));
  const back = again.reduce((sum, each) => sum + each.bytes, 4);
  return [
    ...body,
    item(word('addi', { rd: COUNTER, rs1: 0, imm: 1 + random.below(60) })),
    ...again,
    item(word('addi', { rd: COUNTER, rs1: COUNTER, imm: -1 })),
    item(word('bne', { rs1: COUNTER, rs2: 0, imm: -back })),
    ...endItems(random),
  ];
}

/** An instruction that may be written over another one. */
export function randomPatchWord(random: RandomSource): number {
  const rows: readonly Row[] = SUITABLE_ROWS;
  switch (random.below(8)) {
    case 0:
      return word(random.pick(['beq', 'bne', 'bltu'] as const), {
        rs1: anyRegister(random),
        rs2: anyRegister(random),
        imm: 2 * random.below(100) - 60,
      });
    case 1:
      return word('jal', { rd: random.pick([0, LINK]), imm: 2 * random.below(400) - 200 });
    case 2:
      return word('c.jr', { rs1: LINK }) | ((random.word() & 0xffff) * 0x1_0000);
    case 3:
      return random.word();
    default: {
      const row = random.pick(rows);
      const low = randomWord(row, random, CHOICES);
      if (baseOf(row) === row) return low;
      const compressed = rows.filter((other) => baseOf(other) !== other);
      return (low & 0xffff) | (randomWord(random.pick(compressed), random, CHOICES) << 16);
    }
  }
}
