/**
 * The integer loads and stores a driver reaches a device with, decoded far enough to serve them as if no device were
 * there. Source: [Unpriv] "RV32I Base Integer Instruction Set", "C Extension for Compressed Instructions".
 */
export interface LoadStore {
  readonly kind: 'load' | 'store';
  /** Register a load writes; 0 for a store. */
  readonly rd: number;
  /** Bytes of the access and of the instruction. */
  readonly accessBytes: 1 | 2 | 4 | 8;
  readonly instructionBytes: 2 | 4;
}

const OPCODE_LOAD = 0x03;
const OPCODE_STORE = 0x23;
const LOAD_BYTES = [1, 2, 4, 8, 1, 2, 4] as const; // lb lh lw ld lbu lhu lwu, by funct3
const STORE_BYTES = [1, 2, 4, 8] as const; // sb sh sw sd, by funct3

const bits = (word: number, high: number, low: number): number => (word >>> low) & ((1 << (high - low + 1)) - 1);

/** undefined: another instruction (floating-point, atomic, not memory). */
export function decodeLoadStore(instruction: number): LoadStore | undefined {
  return (instruction & 3) === 3 ? decodeWord(instruction) : decodeCompressed(instruction);
}

function decodeWord(instruction: number): LoadStore | undefined {
  const funct3 = bits(instruction, 14, 12);
  switch (instruction & 0x7f) {
    case OPCODE_LOAD:
      return load(bits(instruction, 11, 7), LOAD_BYTES[funct3], 4);
    case OPCODE_STORE:
      return store(STORE_BYTES[funct3], 4);
    default:
      return undefined;
  }
}

/** c.lw, c.ld, c.sw, c.sd and their stack-pointer forms, by quadrant and funct3. */
function decodeCompressed(instruction: number): LoadStore | undefined {
  const rdPrime = 8 + bits(instruction, 4, 2);
  const rd = bits(instruction, 11, 7);
  switch ((bits(instruction, 1, 0) << 3) | bits(instruction, 15, 13)) {
    case 0b00_010:
      return load(rdPrime, 4, 2);
    case 0b00_011:
      return load(rdPrime, 8, 2);
    case 0b00_110:
    case 0b10_110:
      return store(4, 2);
    case 0b00_111:
    case 0b10_111:
      return store(8, 2);
    case 0b10_010:
      return rd === 0 ? undefined : load(rd, 4, 2);
    case 0b10_011:
      return rd === 0 ? undefined : load(rd, 8, 2);
    default:
      return undefined;
  }
}

const load = (
  rd: number,
  bytes: LoadStore['accessBytes'] | undefined,
  instructionBytes: 2 | 4,
): LoadStore | undefined =>
  bytes === undefined ? undefined : { kind: 'load', rd, accessBytes: bytes, instructionBytes };

const store = (bytes: LoadStore['accessBytes'] | undefined, instructionBytes: 2 | 4): LoadStore | undefined =>
  bytes === undefined ? undefined : { kind: 'store', rd: 0, accessBytes: bytes, instructionBytes };
