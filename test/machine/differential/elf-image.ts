/** Smallest ELF64 executables: one segment, and symbols where a loader looks for them. [ELF] "ELF Header". */

export interface ElfImage {
  readonly base: number;
  readonly entry: number;
  readonly bytes: Uint8Array;
  readonly symbols?: Readonly<Record<string, number>>;
}

const EHDR_BYTES = 64;
const PHDR_BYTES = 56;
const SHDR_BYTES = 64;
const SYM_BYTES = 24;
const SEGMENT_OFFSET = 0x1000;
const PF_RWX = 7;
/** e_flags: compressed instructions, double-precision ABI. */
const EF_RISCV_RVC_DOUBLE = 5;

export function elfImage({ base, entry, bytes, symbols = {} }: ElfImage): Uint8Array {
  const names = ['', ...Object.keys(symbols)];
  const strings = new TextEncoder().encode(`${names.join('\0')}\0`);
  const stringsAt = SEGMENT_OFFSET + bytes.length;
  const symbolsAt = align(stringsAt + strings.length, 8);
  const sectionsAt = symbolsAt + names.length * SYM_BYTES;
  const file = new Uint8Array(sectionsAt + 3 * SHDR_BYTES);
  const view = new DataView(file.buffer);
  const word = (offset: number, value: number): void => view.setUint32(offset, value, true);
  const double = (offset: number, value: number): void => view.setBigUint64(offset, BigInt(value), true);

  file.set([0x7f, 0x45, 0x4c, 0x46, 2, 1, 1]);
  view.setUint16(16, 2, true); // e_type ET_EXEC
  view.setUint16(18, 243, true); // e_machine EM_RISCV
  word(20, 1);
  double(24, entry);
  double(32, EHDR_BYTES); // e_phoff
  double(40, sectionsAt); // e_shoff
  word(48, EF_RISCV_RVC_DOUBLE);
  for (const [index, value] of [EHDR_BYTES, PHDR_BYTES, 1, SHDR_BYTES, 3, 1].entries()) {
    view.setUint16(52 + 2 * index, value, true);
  }

  word(EHDR_BYTES, 1); // PT_LOAD
  word(EHDR_BYTES + 4, PF_RWX);
  for (const [index, value] of [SEGMENT_OFFSET, base, base, bytes.length, bytes.length, SEGMENT_OFFSET].entries()) {
    double(EHDR_BYTES + 8 + 8 * index, value);
  }
  file.set(bytes, SEGMENT_OFFSET);
  file.set(strings, stringsAt);

  let nameAt = 1;
  for (const [index, [name, value]] of Object.entries(symbols).entries()) {
    const symbol = symbolsAt + (index + 1) * SYM_BYTES;
    word(symbol, nameAt);
    double(symbol + 8, value);
    nameAt += name.length + 1;
  }
  section(1, 3, stringsAt, strings.length, 0); // SHT_STRTAB
  section(2, 2, symbolsAt, names.length * SYM_BYTES, 1); // SHT_SYMTAB, names in section 1
  return file;

  function section(index: number, type: number, offset: number, size: number, link: number): void {
    const header = sectionsAt + index * SHDR_BYTES;
    word(header + 4, type);
    double(header + 24, offset);
    double(header + 32, size);
    word(header + 40, link);
  }
}

const align = (value: number, to: number): number => Math.ceil(value / to) * to;
