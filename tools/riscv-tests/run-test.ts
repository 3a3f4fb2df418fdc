/**
 * Runs one program of riscv-tests on a hart with nothing around it but memory, and reads its verdict from `tohost`.
 *
 * `tohost` is a 64-bit word in memory: 1 is success, any other odd number is 2 × (number of the failing case) + 1, and
 * 0x0101 in the two upper bytes is a character for the console, which the reader acknowledges by clearing the word.
 * Source: riscv-tests, env/p/riscv_test.h and env/v/vm.c.
 */
import type { PhysicalMemory, Translate } from '../../src/machine/door.ts';
import { createHart } from '../../src/machine/hart/hart.ts';
import type { Hart } from '../../src/machine/hart-contract.ts';
import { createPhysicalMemory } from '../../src/machine/memory.ts';
import { ElfError, type ElfExecutable, parseElf64 } from './elf64.ts';

export type Verdict =
  | { readonly outcome: 'passed' }
  /** Case `failedCase` of the test found a wrong result. */
  | { readonly outcome: 'failed'; readonly failedCase: number }
  /** The program's own environment gave up, e.g. on an exception it did not expect. */
  | { readonly outcome: 'aborted'; readonly reason: string }
  /** `tohost` stayed empty for `instructionsMax` instructions. */
  | { readonly outcome: 'no verdict'; readonly reason: string }
  /** The hart or the loader threw. */
  | { readonly outcome: 'broken'; readonly reason: string };

export interface TestResult {
  readonly verdict: Verdict;
  readonly instructions: number;
  /** What the program wrote to the console. */
  readonly console: string;
}

export interface TestProgram {
  readonly hart: Hart;
  readonly memory: PhysicalMemory;
  readonly elf: ElfExecutable;
  readonly tohost: number;
}

const MEMORY = { base: 0x8000_0000, bytes: 0x0100_0000 };
/** The longest test takes fewer than 200,000. */
const INSTRUCTIONS_MAX = 2_000_000;
/** Between looks at `tohost`: a console character waits that long. */
const SLICE_INSTRUCTIONS = 500;
const INSTRUCTIONS_PER_TICK = 100n;
const CONSOLE_DEVICE = 0x0101n;
/** env/p: the test number is or-ed with 1337 on a trap nobody expected. */
const UNEXPECTED_TRAP = 1337;
/** env/v/vm.c: `wtf()` and `assert`. */
const VM_ABORTS: Readonly<Record<number, string>> = {
  841: 'a trap nobody expected before the test began (wtf)',
  3: 'an assertion of the supervisor',
};

/** A hart in its reset state at the entry of the program `file` holds. */
function loadProgram(file: Uint8Array, translate: Translate | undefined): TestProgram {
  const elf = parseElf64(file);
  const tohost = elf.symbols.get('tohost');
  if (tohost === undefined) throw new ElfError('expected a symbol tohost, found none');
  const memory = createPhysicalMemory(MEMORY.base, MEMORY.bytes);
  for (const segment of elf.segments) {
    if (!memory.contains(segment.physicalAddress, segment.memoryBytes)) {
      throw new ElfError(`a segment at 0x${segment.physicalAddress.toString(16)} is outside of memory`);
    }
    memory.write(segment.physicalAddress, segment.data);
  }
  const hart = createHart({
    hartId: 0,
    memory,
    bus: { read: () => undefined, write: () => false },
    time: () => BigInt(hart.retired) / INSTRUCTIONS_PER_TICK,
    machineModeEntries: new Set(),
    translate,
  });
  hart.reset(elf.entry);
  return { hart, memory, elf, tohost };
}

/** `beforeSlice` is called before each slice of `sliceInstructions`; a trace takes slices of one. */
export interface RunOptions {
  readonly instructionsMax?: number;
  readonly sliceInstructions?: number;
  readonly translate?: Translate | undefined;
  readonly beforeSlice?: (program: TestProgram) => void;
}

export function runTest(file: Uint8Array, options: RunOptions = {}): TestResult {
  let program: TestProgram | undefined;
  const written: string[] = [];
  const finish = (verdict: Verdict): TestResult => ({
    verdict,
    instructions: program?.hart.retired ?? 0,
    console: written.join(''),
  });
  try {
    program = loadProgram(file, options.translate);
    return finish(runToVerdict(program, written, options));
  } catch (error) {
    return finish({
      outcome: 'broken',
      reason: error instanceof Error ? (error.stack ?? error.message) : String(error),
    });
  }
}

function runToVerdict(program: TestProgram, written: string[], options: RunOptions): Verdict {
  const { hart, memory, tohost } = program;
  const { instructionsMax = INSTRUCTIONS_MAX, sliceInstructions = SLICE_INSTRUCTIONS, beforeSlice } = options;
  while (hart.retired < instructionsMax) {
    beforeSlice?.(program);
    const retiredBefore = hart.retired;
    const stop = hart.run(sliceInstructions);
    const word = readDoubleWord(memory, tohost);
    if (word >> 48n === CONSOLE_DEVICE) {
      written.push(String.fromCharCode(Number(word & 0xffn)));
      memory.write(tohost, new Uint8Array(8));
    } else if (word !== 0n) {
      return verdictOf(Number(word & 0xffff_ffffn), written);
    }
    // A hart that traps on every fetch retires nothing and never ends.
    if (hart.retired === retiredBefore && stop !== 'yield') {
      return { outcome: 'no verdict', reason: `the hart stopped (${stop}) at pc 0x${hart.pc.toString(16)}` };
    }
  }
  return { outcome: 'no verdict', reason: `none after ${instructionsMax} instructions, pc 0x${hart.pc.toString(16)}` };
}

function readDoubleWord(memory: PhysicalMemory, address: number): bigint {
  const bytes = memory.view(address, 8);
  return new DataView(bytes.buffer, bytes.byteOffset, 8).getBigUint64(0, true);
}

function verdictOf(word: number, written: readonly string[]): Verdict {
  if (word === 1) return { outcome: 'passed' };
  const abort = VM_ABORTS[word];
  if (abort !== undefined && (written.length > 0 || word !== 3)) {
    return { outcome: 'aborted', reason: `${abort}: ${written.join('').trim()}` };
  }
  if ((word & UNEXPECTED_TRAP) === UNEXPECTED_TRAP) {
    return {
      outcome: 'aborted',
      reason: `a trap nobody expected (tohost ${word}: case ${word & ~UNEXPECTED_TRAP} or near it)`,
    };
  }
  return { outcome: 'failed', failedCase: word >>> 1 };
}
