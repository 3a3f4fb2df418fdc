/**
 * Memory over a long run of a guest whose code never stays: it writes function after function from a random sequence,
 * each of them different, into a ring of 8 MiB, and calls each as often as to make some hot and leave others cold.
 * Prints what the process holds on the way; ends with exit code 1 when the last third of the run holds more than the one before it.
 *
 *   node bench/ever-changing-code.ts [--instructions 10000] [--translate hot|all|off]      (instructions in millions)
 */
import { parseArgs } from 'node:util';
import { createHart } from '../src/machine/hart/hart.ts';
import type { Translate } from '../src/machine/index.ts';
import { assemble } from '../src/machine/isa/assemble.ts';
import { createPhysicalMemory } from '../src/machine/memory.ts';
import { translatorOf } from '../src/machine/translator/translator.ts';
import { describeComputer } from './engines/computer.ts';
import { ownCpuSeconds, threadCpuSeconds } from './engines/cpu-clock.ts';
import { median, table } from './engines/table.ts';

const RAM = { base: 0x8000_0000, bytes: 0x100_0000 } as const;
/** As the node does it: the event loop turns between slices. */
const SLICE_INSTRUCTIONS = 20_000_000;
const MIB = 2 ** 20;
/** What the last third of the run may hold more than the middle one: measuring is not exact, leaking is not small. */
const GROWTH_MAX = 1.1;
const REPORT_LINES = 25;

/**
 * s0: random state; s1: where the next function goes; s2, s3: begin and end of the ring; s4: sum of results; s5: table of
 * instructions; a0 to a3: what functions work on, a4 counts their loop.
 */
const PROGRAM = `
    li s0, 0x2545f491
    la s2, ring
    li s3, 0x800000
    add s3, s3, s2
    mv s1, s2
    la s5, words
    li s4, 0
  generate:
    mv t6, s1
    # 4 to 35 instructions
    call random
    andi t5, s0, 31
    addi t5, t5, 4
  body:
    call random
    andi t0, s0, 31
    slli t0, t0, 2
    add t0, t0, s5
    lw t1, 0(t0)
    sw t1, 0(s1)
    addi s1, s1, 4
    addi t5, t5, -1
    bnez t5, body
    # Counts down, branches back, returns.
    lw t1, 128(s5)
    sw t1, 0(s1)
    addi t0, s1, 4
    sub t0, t6, t0
    # The immediate of a branch of -4 to -2048 bytes: bit 11, bits 4 to 1, bits 10 to 5, sign.
    srli t2, t0, 11
    andi t2, t2, 1
    slli t2, t2, 7
    srli t3, t0, 1
    andi t3, t3, 15
    slli t3, t3, 8
    or t2, t2, t3
    srli t3, t0, 5
    andi t3, t3, 63
    slli t3, t3, 25
    or t2, t2, t3
    li t3, 0x80071063
    or t2, t2, t3
    sw t2, 4(s1)
    lw t1, 132(s5)
    sw t1, 8(s1)
    addi s1, s1, 12
    fence.i
    # 2 to 4096 times around
    call random
    andi t0, s0, 11
    li a4, 2
    sll a4, a4, t0
    mv a0, s0
    addi a1, s0, 1
    srli a2, s0, 9
    not a3, s0
    jalr ra, 0(t6)
    add s4, s4, a0
    # The next one begins somewhere in the next 4 KiB.
    call random
    srli t0, s0, 40
    li t1, 0xffc
    and t0, t0, t1
    add s1, s1, t0
    addi t0, s1, 2047
    bltu t0, s3, generate
    mv s1, s2
    j generate
  random:
    slli t0, s0, 13
    xor s0, s0, t0
    srli t0, s0, 7
    xor s0, s0, t0
    slli t0, s0, 17
    xor s0, s0, t0
    ret
    .balign 4096
  words:
    ${['add', 'sub', 'xor', 'or', 'and', 'mul', 'sltu', 'addw']
      .flatMap((name, i) => [0, 1, 2, 3].map((rd) => `${name} a${rd}, a${(rd + i) % 4}, a${(rd + i + 1) % 4}`))
      .join('\n')}
    addi a4, a4, -1
    ret
    .balign 4096
  ring:
    .dword 0
`;

const { values } = parseArgs({
  options: {
    instructions: { type: 'string', default: '10000' },
    translate: { type: 'string', default: 'hot' },
  },
});
const total = Number(values.instructions) * 1e6;

const translate = values.translate as Translate;
const memory = createPhysicalMemory(RAM.base, RAM.bytes);
memory.write(RAM.base, assemble(PROGRAM, { base: RAM.base }).bytes);
const hart = createHart({
  hartId: 0,
  memory,
  bus: { read: () => undefined, write: () => false },
  time: () => 0n,
  machineModeEntries: new Set(),
  translate,
});
const translator = translatorOf(memory, translate);
hart.reset(RAM.base);

const rows: string[][] = [];
const held: number[] = [];
let cpuBefore = threadCpuSeconds();
for (let line = 1; line <= REPORT_LINES; line++) {
  const until = (total / REPORT_LINES) * line;
  const before = hart.retired;
  while (hart.retired < until) {
    hart.run(Math.min(SLICE_INSTRUCTIONS, until - hart.retired));
    await new Promise((resolve) => setImmediate(resolve));
  }
  if (hart.machineModeEntries.size > 0) throw new Error(`the program trapped at 0x${hart.pc.toString(16)}`);
  const { rss, heapUsed, external } = process.memoryUsage();
  const cpu = threadCpuSeconds();
  held.push(rss);
  rows.push([
    (hart.retired / 1e6).toFixed(0),
    ...[rss, heapUsed, external, memory.wasm.buffer.byteLength].map((bytes) => (bytes / MIB).toFixed(0)),
    `${translator?.counts.regionsMade ?? 0}`,
    `${translator?.counts.regions ?? 0}`,
    ((hart.retired - before) / 1e6 / (cpu - cpuBefore)).toFixed(0),
    ownCpuSeconds().toFixed(1),
  ]);
  cpuBefore = cpu;
}

console.log(
  `${describeComputer()}: node bench/ever-changing-code.ts --instructions ${values.instructions} --translate ${values.translate}\n`,
);
console.log(
  table(
    [
      'M instructions',
      'RSS MiB',
      'JS heap',
      'external',
      'wasm memory',
      'regions made',
      'alive',
      'MIPS',
      'CPU s of the process',
    ],
    rows,
  ),
);
console.log(`\nchecksum ${hart.state.x(20).toString(16)}`);
const third = Math.floor(REPORT_LINES / 3);
const growth = median(held.slice(-third)) / median(held.slice(-2 * third, -third));
console.log(`RSS of the last third of the run: ${growth.toFixed(3)} × that of the third before it`);
if (growth > GROWTH_MAX) {
  console.log(`expected at most ${GROWTH_MAX}: memory grows`);
  process.exitCode = 1;
}
