/**
 * ELF64 executables for RISC-V, as far as loading one into memory needs.
 *
 * Sources: [ELF] "ELF Header", "Program Header", "Symbol Table"; [ELF-RISCV] "File Header".
 */

interface ElfSegment {
  readonly physicalAddress: number;
  readonly virtualAddress: number;
  /** Bytes from the file; the rest up to `memoryBytes` is zero. */
  readonly data: Uint8Array;
  readonly memoryBytes: number;
}

export interface ElfExecutable {
  readonly entry: number;
  readonly segments: readonly ElfSegment[];
  /** Addresses of the named symbols. */
  readonly symbols: ReadonlyMap<string, number>;
}

export class ElfError extends Error {
  override readonly name = 'ElfError';
}

const MAGIC = 0x7f45_4c46;
const ELFCLASS64 = 2;
const ELFDATA2LSB = 1;
const ET_EXEC = 2;
const EM_RISCV = 243;
const PT_LOAD = 1;
const SHT_SYMTAB = 2;

/** Offsets in the file header. */
const EHDR = {
  bytes: 64,
  class: 4,
  data: 5,
  type: 16,
  machine: 18,
  entry: 24,
  phoff: 32,
  shoff: 40,
  phnum: 56,
  shnum: 60,
};
const PHDR = { bytes: 56, type: 0, offset: 8, vaddr: 16, paddr: 24, filesz: 32, memsz: 40 };
const SHDR = { bytes: 64, type: 4, offset: 24, size: 32, link: 40 };
const SYM = { bytes: 24, name: 0, value: 8 };

/** Whether a file is an ELF file at all, so that a folder may hold others. */
export const isElf = (file: Uint8Array): boolean =>
  file.length >= EHDR.bytes && new DataView(file.buffer, file.byteOffset).getUint32(0) === MAGIC;

/** Throws {@link ElfError} for anything but a little-endian RV64 executable whose tables lie inside the file. */
export function parseElf64(file: Uint8Array): ElfExecutable {
  if (!isElf(file)) throw new ElfError(`expected an ELF file, found ${file.length} bytes without its magic number`);
  const view = new DataView(file.buffer, file.byteOffset, file.byteLength);
  const expectField = (what: string, expected: number, found: number): void => {
    if (found !== expected) throw new ElfError(`expected ${what} ${expected}, found ${found}`);
  };
  expectField('EI_CLASS', ELFCLASS64, view.getUint8(EHDR.class));
  expectField('EI_DATA', ELFDATA2LSB, view.getUint8(EHDR.data));
  expectField('e_type', ET_EXEC, view.getUint16(EHDR.type, true));
  expectField('e_machine', EM_RISCV, view.getUint16(EHDR.machine, true));
  return { entry: wordAt(view, EHDR.entry), segments: loadSegments(file, view), symbols: symbolTable(file, view) };
}

/** An address, offset or size that has to be a safe integer. */
function wordAt(view: DataView, offset: number): number {
  if (offset + 8 > view.byteLength) throw new ElfError(`a table ends at ${offset + 8}, the file at ${view.byteLength}`);
  return Number(view.getBigUint64(offset, true));
}

function bytesAt(file: Uint8Array, offset: number, bytes: number): Uint8Array {
  if (offset + bytes > file.length)
    throw new ElfError(`${bytes} bytes at ${offset} are beyond the file's ${file.length}`);
  return file.subarray(offset, offset + bytes);
}

function loadSegments(file: Uint8Array, view: DataView): ElfSegment[] {
  const segments: ElfSegment[] = [];
  const count = view.getUint16(EHDR.phnum, true);
  const headers = wordAt(view, EHDR.phoff);
  bytesAt(file, headers, count * PHDR.bytes);
  for (let index = 0; index < count; index += 1) {
    const header = headers + index * PHDR.bytes;
    const memoryBytes = wordAt(view, header + PHDR.memsz);
    if (view.getUint32(header + PHDR.type, true) !== PT_LOAD) continue;
    segments.push({
      physicalAddress: wordAt(view, header + PHDR.paddr),
      virtualAddress: wordAt(view, header + PHDR.vaddr),
      data: bytesAt(file, wordAt(view, header + PHDR.offset), wordAt(view, header + PHDR.filesz)),
      memoryBytes,
    });
  }
  return segments;
}

function symbolTable(file: Uint8Array, view: DataView): Map<string, number> {
  const symbols = new Map<string, number>();
  const sections = wordAt(view, EHDR.shoff);
  const count = view.getUint16(EHDR.shnum, true);
  bytesAt(file, sections, count * SHDR.bytes);
  for (let index = 0; index < count; index += 1) {
    const header = sections + index * SHDR.bytes;
    const size = wordAt(view, header + SHDR.size);
    if (view.getUint32(header + SHDR.type, true) !== SHT_SYMTAB) continue;
    const names = sectionBytes(file, view, sections + view.getUint32(header + SHDR.link, true) * SHDR.bytes);
    const table = wordAt(view, header + SHDR.offset);
    bytesAt(file, table, size);
    for (let symbol = table; symbol < table + size; symbol += SYM.bytes) {
      const value = wordAt(view, symbol + SYM.value);
      const name = nameAt(names, view.getUint32(symbol + SYM.name, true));
      if (name !== '') symbols.set(name, value);
    }
  }
  return symbols;
}

const sectionBytes = (file: Uint8Array, view: DataView, header: number): Uint8Array =>
  bytesAt(file, wordAt(view, header + SHDR.offset), wordAt(view, header + SHDR.size));

function nameAt(names: Uint8Array, offset: number): string {
  const end = names.indexOf(0, offset);
  if (end === -1)
    throw new ElfError(`a symbol's name at ${offset} has no end in a string table of ${names.length} bytes`);
  return new TextDecoder().decode(names.subarray(offset, end));
}
