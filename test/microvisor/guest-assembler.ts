/**
 * Assembles a tiny S-mode guest: the syntax of the instruction table, labels, `.word`, `.dword`, and the pseudo-instructions li,
 * la, j, mv, beqz, bnez, csrr, csrw, csrs, csrc. One instruction a line, `#` begins a comment.
 */
import { encode } from '../../src/machine/isa/encode.ts';
import type { Operands } from '../../src/machine/isa/operand.ts';
import { INSTRUCTION_BY_NAME } from '../../src/machine/isa/table.ts';

const X_NAMES = [
  ...['zero', 'ra', 'sp', 'gp', 'tp', 't0', 't1', 't2', 's0', 's1'],
  ...['a0', 'a1', 'a2', 'a3', 'a4', 'a5', 'a6', 'a7'],
  ...['s2', 's3', 's4', 's5', 's6', 's7', 's8', 's9', 's10', 's11', 't3', 't4', 't5', 't6'],
];
const F_NAMES = [
  ...['ft0', 'ft1', 'ft2', 'ft3', 'ft4', 'ft5', 'ft6', 'ft7', 'fs0', 'fs1'],
  ...['fa0', 'fa1', 'fa2', 'fa3', 'fa4', 'fa5', 'fa6', 'fa7'],
  ...['fs2', 'fs3', 'fs4', 'fs5', 'fs6', 'fs7', 'fs8', 'fs9', 'fs10', 'fs11', 'ft8', 'ft9', 'ft10', 'ft11'],
];
const CSR_NAMES: Readonly<Record<string, number>> = {
  fcsr: 0x003,
  sstatus: 0x100,
  sie: 0x104,
  stvec: 0x105,
  scounteren: 0x106,
  senvcfg: 0x10a,
  sscratch: 0x140,
  sepc: 0x141,
  scause: 0x142,
  stval: 0x143,
  sip: 0x144,
  stimecmp: 0x14d,
  satp: 0x180,
  time: 0xc01,
  instret: 0xc02,
};

interface Line {
  readonly name: string;
  readonly args: readonly string[];
  readonly text: string;
}

type Symbols = ReadonlyMap<string, number>;

/** The program's bytes; labels are relative to `base`, the address of the first. */
export function assemble(source: string, base: number): Uint8Array {
  const labels = new Map<string, number>();
  const lines: { readonly line: Line; readonly address: number }[] = [];
  let address = base;
  for (const raw of source.split('\n')) {
    const text = raw.replace(/#.*/, '').trim();
    const label = /^(\w+):$/.exec(text)?.[1];
    if (label !== undefined) labels.set(label, address);
    if (text === '' || label !== undefined) continue;
    const line = parse(text);
    lines.push({ line, address });
    address += bytesOf(line);
  }
  const image = new Uint8Array(address - base);
  const view = new DataView(image.buffer);
  for (const { line, address: at } of lines) emit(view, line, at, base, labels);
  return image;
}

function parse(text: string): Line {
  const space = text.search(/\s/);
  const name = space < 0 ? text : text.slice(0, space);
  const args =
    space < 0
      ? []
      : text
          .slice(space)
          .split(/[,()\s]+/)
          .filter((arg) => arg !== '');
  return { name, args, text };
}

/** Length without the addresses of labels: only `li` varies, by its value. */
function bytesOf({ name, args }: Line): number {
  if (name === '.dword') return 8 * args.length;
  if (name === '.word') return 4;
  if (name === 'la') return 8;
  return name === 'li' ? 4 * loadImmediate('zero', BigInt(args[1]!)).length : 4;
}

function emit(view: DataView, line: Line, address: number, base: number, labels: Symbols): void {
  if (line.name === '.dword') {
    for (const [index, arg] of line.args.entries()) {
      view.setBigUint64(address - base + 8 * index, BigInt.asUintN(64, dword(arg, labels)), true);
    }
    return;
  }
  if (line.name === '.word') {
    view.setUint32(address - base, Number(line.args[0]), true);
    return;
  }
  let at = address;
  for (const one of expand(line, address, labels)) {
    view.setUint32(at - base, word(one, at, labels), true);
    at += 4;
  }
}

const dword = (arg: string, labels: Symbols): bigint => BigInt(labels.get(arg) ?? arg);

function expand(line: Line, address: number, labels: Symbols): readonly Line[] {
  const [first = '', second = ''] = line.args;
  const one = (name: string, ...args: string[]): readonly Line[] => [{ name, args, text: line.text }];
  switch (line.name) {
    case 'li':
      return loadImmediate(first, BigInt(second));
    case 'la': {
      const offset = labelAddress(second, labels) - address;
      const high = (offset + 0x800) & ~0xfff;
      return [...one('auipc', first, `${high}`), ...one('addi', first, first, `${offset - high}`)];
    }
    case 'j':
      return one('jal', 'zero', first);
    case 'mv':
      return one('addi', first, second, '0');
    case 'beqz':
      return one('beq', first, 'zero', second);
    case 'bnez':
      return one('bne', first, 'zero', second);
    case 'csrr':
      return one('csrrs', first, second, 'zero');
    case 'csrw':
      return one('csrrw', 'zero', first, second);
    case 'csrs':
      return one('csrrs', 'zero', first, second);
    case 'csrc':
      return one('csrrc', 'zero', first, second);
    default:
      return [line];
  }
}

/** lui and addi for 32 bits; above that, shifts and additions of 11 bits at a time. */
function loadImmediate(register: string, value: bigint): readonly Line[] {
  const one = (name: string, ...args: string[]): Line => ({ name, args: [register, ...args], text: 'li' });
  const signed = BigInt.asIntN(64, value);
  if (signed >= -2048n && signed < 2048n) return [one('addi', 'zero', `${signed}`)];
  if (signed >= -0x8000_0000n && signed < 0x7fff_f800n) {
    const high = Number((signed + 0x800n) & ~0xfffn) | 0;
    return [one('lui', `${high}`), one('addiw', register, `${Number(signed) - high}`)];
  }
  const low = signed & 0x7ffn;
  return [...loadImmediate(register, signed >> 11n), one('slli', register, '11'), one('addi', register, `${low}`)];
}

function labelAddress(name: string, labels: Symbols): number {
  const address = labels.get(name);
  if (address === undefined) throw new Error(`no label '${name}'`);
  return address;
}

function word({ name, args, text }: Line, address: number, labels: Symbols): number {
  const row = INSTRUCTION_BY_NAME.get(name);
  if (row === undefined) throw new Error(`no instruction '${name}' in '${text}'`);
  const written = row.operands.filter((operand) => operand.kind !== 'rm');
  if (written.length !== args.length) {
    throw new Error(`'${text}' has ${args.length} operands, ${name} takes ${written.length}: ${row.syntax}`);
  }
  const operands: Partial<Operands> = row.operands.length === written.length ? {} : { rm: 7 };
  for (const [index, operand] of written.entries()) {
    const value = operandValue(operand.kind, args[index]!, address, labels);
    for (const slot of operand.slots) operands[slot] = value;
  }
  return encode(row, operands) >>> 0;
}

function operandValue(kind: string, arg: string, address: number, labels: Symbols): number {
  switch (kind) {
    case 'x':
      return indexOf(X_NAMES, arg);
    case 'f':
      return indexOf(F_NAMES, arg);
    case 'csr':
      return CSR_NAMES[arg] ?? Number(arg);
    case 'target':
      return labelAddress(arg, labels) - address;
    default:
      return Number(arg);
  }
}

function indexOf(names: readonly string[], name: string): number {
  const index = names.indexOf(name);
  if (index < 0) throw new Error(`no register '${name}'`);
  return index;
}
