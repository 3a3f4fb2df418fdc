/** The last instructions of a failing test, one line each: privilege, pc, code, disassembly, registers it changed. */
import type { PhysicalMemory } from '../../src/machine/door.ts';
import { disassemble } from '../../src/machine/isa/disassemble.ts';
import { runTest, type TestProgram } from './run-test.ts';

const PRIVILEGE_NAMES = { 0: 'U', 1: 'S', 3: 'M' } as const;
const SATP = 0x180;
const SATP_MODE_SV39 = 8n;
const PPN_MASK = (1n << 44n) - 1n;
const PTE = { valid: 1n, leaf: 0xen, ppnShift: 10n };
const PAGE_BYTES = 4096n;
/** A traced test runs one instruction at a time, which costs far more than a slice does. */
const TRACED_INSTRUCTIONS_MAX = 300_000;

/** Re-runs a test step by step and gives the last `count` steps. */
export function traceTest(file: Uint8Array, count: number): string[] {
  const lines: string[] = [];
  let registers: bigint[] = [];
  let pending: string | undefined;
  const endStep = (program: TestProgram): void => {
    const now = readRegisters(program);
    if (pending !== undefined) {
      const changes = now.flatMap((value, index) => (value === registers[index] ? [] : [`x${index}=${hex(value)}`]));
      lines.push(`${pending}${changes.length > 0 ? `  ; ${changes.join(' ')}` : ''}`);
      if (lines.length > count) lines.shift();
    }
    registers = now;
  };
  let last: TestProgram | undefined;
  runTest(file, {
    sliceInstructions: 1,
    instructionsMax: TRACED_INSTRUCTIONS_MAX,
    beforeSlice: (program) => {
      endStep(program);
      pending = describeNext(program);
      last = program;
    },
  });
  if (last !== undefined) endStep(last);
  return lines;
}

const hex = (value: bigint): string => `0x${BigInt.asUintN(64, value).toString(16)}`;

function readRegisters({ hart }: TestProgram): bigint[] {
  return Array.from({ length: 32 }, (_, register) => hart.state.x(register));
}

function describeNext(program: TestProgram): string {
  const { hart, memory } = program;
  const pc = BigInt.asUintN(64, hart.pc);
  const where = `${PRIVILEGE_NAMES[hart.privilege]} ${hex(pc).padStart(18)}`;
  const low = halfWordAt(program, pc);
  if (low === undefined) return `${where}  (not mapped in ${memory.bytes} bytes of memory)`;
  const compressed = (low & 3) !== 3;
  const high = compressed ? 0 : halfWordAt(program, pc + 2n);
  if (high === undefined) return `${where}  (upper half not mapped)`;
  const code = ((high << 16) | low) >>> 0;
  return `${where}  ${code
    .toString(16)
    .padStart(compressed ? 4 : 8, '0')
    .padEnd(8)}  ${disassemble(code, pc)}`;
}

function halfWordAt({ hart, memory }: TestProgram, virtualAddress: bigint): number | undefined {
  const satp = hart.privilege === 3 ? 0n : hart.state.csr(SATP);
  const physical = satp >> 60n === SATP_MODE_SV39 ? walkSv39(memory, satp, virtualAddress) : virtualAddress;
  if (physical === undefined || !memory.contains(Number(physical), 2)) return undefined;
  const bytes = memory.view(Number(physical), 2);
  return (bytes[0] as number) | ((bytes[1] as number) << 8);
}

/** Where a page is mapped, permissions aside. */
function walkSv39(memory: PhysicalMemory, satp: bigint, virtualAddress: bigint): bigint | undefined {
  let table = (satp & PPN_MASK) * PAGE_BYTES;
  for (let level = 2n; level >= 0n; level -= 1n) {
    const pageShift = 12n + 9n * level;
    const entryAddress = Number(table + ((virtualAddress >> pageShift) & 0x1ffn) * 8n);
    if (!memory.contains(entryAddress, 8)) return undefined;
    const bytes = memory.view(entryAddress, 8);
    const entry = new DataView(bytes.buffer, bytes.byteOffset, 8).getBigUint64(0, true);
    if ((entry & PTE.valid) === 0n) return undefined;
    table = ((entry >> PTE.ppnShift) & PPN_MASK) * PAGE_BYTES;
    if ((entry & PTE.leaf) !== 0n) return table + (virtualAddress & ((1n << pageShift) - 1n));
  }
  return undefined;
}
