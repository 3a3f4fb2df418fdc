/**
 * Tiny guests that do their worst:
 *
 * | guest       | does                                                                                       |
 * |-------------|--------------------------------------------------------------------------------------------|
 * | sweeper     | loads, stores or jumps at one address after another, counts what is raised and what is not  |
 * | deaf        | turns its interrupts off and never leaves its loop                                          |
 * | fainter     | has a trap handler that traps                                                               |
 * | sleeper     | waits in `wfi` for nothing                                                                  |
 * | shouter     | writes to its UART for ever                                                                 |
 * | pesterer    | writes one register of a device for ever                                                    |
 * | rubbishCaller | makes every SBI call with every combination of bad arguments, for ever                    |
 * | wayward     | turns translation on with page tables that are not its own                                  |
 * | doer        | does one thing after a while                                                                |
 */
import { SIDE_IO, SIDE_IO_BASE, type Side } from '../../src/machine/index.ts';

const uart = (side: Side): number => SIDE_IO_BASE[side] + SIDE_IO.uart.offset;

const say = (side: Side, character: string): string => `
  li t6, ${uart(side)}
  li t5, ${character.charCodeAt(0)}
  sb t5, 0(t6)`;

/** A flood of one store each 250 ns: a real bus takes about as long, and the test no longer than it must. */
const pause = `
  li t4, 125
pause:
  addi t4, t4, -1
  bnez t4, pause`;

export interface Sweep {
  readonly kind: 'load' | 'store' | 'jump';
  readonly from: number;
  readonly to: number;
  readonly step: number;
}

/** Results: for each sweep a dword of how many accesses raised something and one of how many did not. */
export const sweeper = (side: Side, results: number, sweeps: readonly Sweep[]): string => `
  la t0, raised
  csrw stvec, t0
  li s1, ${results}
${sweeps
  .map(
    ({ kind, from, to, step }, index) => `
  li s2, ${from}
  li s3, ${to}
  li s4, ${step}
  li s5, 0
  li s6, 0
  la s7, next${index}
sweep${index}:
${{ load: '  lw t1, 0(s2)', store: '  sw zero, 0(s2)', jump: '  jalr ra, 0(s2)' }[kind]}
  addi s6, s6, 1
next${index}:
  add s2, s2, s4
  bltu s2, s3, sweep${index}
  sd s5, 0(s1)
  sd s6, 8(s1)
  addi s1, s1, 16`,
  )
  .join('\n')}
  ${say(side, 'S')}
end:
  wfi
  j end
raised:
  addi s5, s5, 1
  csrw sepc, s7
  sret`;

export const deaf = (side: Side): string => `
  csrrci zero, sstatus, 2
  csrrwi zero, sie, 0
  ${say(side, 'L')}
loop:
  j loop`;

export const fainter = (side: Side): string => `
  ${say(side, 'F')}
  csrrwi zero, stvec, 0
  lw t0, 0(zero)
  j end
end:
  j end`;

export const sleeper = (side: Side): string => `
  csrrwi zero, sie, 0
  ${say(side, 'Z')}
loop:
  wfi
  j loop`;

export const shouter = (side: Side): string => `
  li t6, ${uart(side)}
  li t5, 33
loop:
  sb t5, 0(t6)
${pause}
  j loop`;

/** After `pokes`, `value` goes to `register` for ever. */
export const pesterer = (
  side: Side,
  pokes: readonly (readonly [number, number])[],
  register: number,
  value: number,
): string => `
  la s0, table
  li s1, ${pokes.length}
  beqz s1, done
next:
  ld a0, 0(s0)
  ld a1, 8(s0)
  sw a1, 0(a0)
  addi s0, s0, 16
  addi s1, s1, -1
  bnez s1, next
done:
  ${say(side, 'K')}
  li t6, ${register}
  li t5, ${value}
loop:
  sw t5, 0(t6)
${pause}
  j loop
table:
${pokes.map(([address, word]) => `  .dword ${address}, ${word}`).join('\n')}
  .dword 0`;

/** Calls `extensions` × `functions` × `values`³ (a0, a1, a2), over and over; prints `R` after each round. */
export const rubbishCaller = (
  side: Side,
  extensions: readonly number[],
  functions: readonly number[],
  values: readonly bigint[],
): string => `
again:
  la s0, extensions
${nest(
  [
    ['s0', 'extensions', extensions.length],
    ['s1', 'functions', functions.length],
    ['s2', 'values', values.length],
    ['s3', 'values', values.length],
    ['s4', 'values', values.length],
  ],
  `
  ld a7, 0(s0)
  ld a6, 0(s1)
  ld a0, 0(s2)
  ld a1, 0(s3)
  ld a2, 0(s4)
  mv a3, a0
  mv a4, a1
  ecall`,
)}
  ${say(side, 'R')}
  j again
extensions:
${extensions.map((id) => `  .dword ${id}`).join('\n')}
functions:
${functions.map((id) => `  .dword ${id}`).join('\n')}
values:
${values.map((value) => `  .dword ${value}`).join('\n')}`;

/** Loops over tables, the first outermost; each register points into its table. */
function nest(loops: readonly (readonly [register: string, table: string, count: number])[], body: string): string {
  const [first, ...rest] = loops;
  if (first === undefined) return body;
  const [register, table, count] = first;
  return `
  la ${register}, ${table}
loop_${register}:
${nest(rest, body)}
  addi ${register}, ${register}, 8
  la t0, ${table}
  addi t0, t0, ${8 * count}
  bne ${register}, t0, loop_${register}`;
}

/** `satp`: what it writes there. */
export const wayward = (side: Side, satp: bigint): string => `
  ${say(side, 'W')}
  li t0, ${satp}
  csrw satp, t0
  sfence.vma zero, zero
loop:
  j loop`;

/** Does `what` after some ticks. */
export const doer = (ticks: number, what: string): string => `
  csrr t0, time
  li t1, ${ticks}
  add t0, t0, t1
before:
  csrr t1, time
  bltu t1, t0, before
${what}
after:
  j after`;

export const sbiCall = (extension: number, functionId: number, args: readonly bigint[]): string => `
${args.map((arg, index) => `  li a${index}, ${arg}`).join('\n')}
  li a6, ${functionId}
  li a7, ${extension}
  ecall`;
