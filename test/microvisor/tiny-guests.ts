/**
 * Tiny S-mode guests, one for each behaviour:
 *
 * | guest    | does                                                                                      |
 * |----------|-------------------------------------------------------------------------------------------|
 * | ticker   | waits in `wfi` for its timer, prints a character each period                              |
 * | spinner  | counts in memory for ever, never waits                                                    |
 * | checksum | mixes x and f registers a number of times, leaves the result in memory, prints `D`        |
 * | echo     | waits in `wfi` for a byte from its UART, by interrupt, and prints the one after it        |
 * | prober   | loads, stores or jumps at each address of a list and notes value, scause, stval           |
 * | poker    | stores a list of values at addresses, prints `K`, waits                                   |
 * | caller   | makes one SBI call, notes error and value, prints `C`, waits                              |
 * | ipi      | sends itself an interrupt by SBI, waits for it, prints `I`                                |
 * | suspender | suspends to RAM with translation and interrupts on; woken, notes what it finds, is a ticker |
 */
import { IRQ, plicContext, SIDE_IO, SIDE_IO_BASE, type Side } from '../../src/machine/index.ts';

/** Where guests leave what they found, from the start of their bank. */
export const RESULTS_OFFSET = 0x10_0000;

const uart = (side: Side): number => SIDE_IO_BASE[side] + SIDE_IO.uart.offset;

/** Prints a character; clobbers t5 and t6. */
const print = (side: Side, character: string): string => `
  li t6, ${uart(side)}
  li t5, ${character.charCodeAt(0)}
  sb t5, 0(t6)`;

const waitForever = (label: string): string => `
${label}:
  wfi
  j ${label}`;

export const ticker = (side: Side, character: string, periodTicks: number): string => `
  la t0, handler
  csrw stvec, t0
  li s1, ${periodTicks}
  csrr t0, time
  add t0, t0, s1
  csrw stimecmp, t0
  li t0, 0x20
  csrw sie, t0
  csrrsi zero, sstatus, 2
${waitForever('idle')}
handler:
  ${print(side, character)}
  csrr t0, time
  add t0, t0, s1
  csrw stimecmp, t0
  sret`;

export const spinner = (results: number): string => `
  li s0, ${results}
  li s1, 0
loop:
  addi s1, s1, 1
  sd s1, 0(s0)
  j loop`;

export const checksum = (side: Side, results: number, rounds: number): string => `
  li t0, 0x6000
  csrs sstatus, t0
  li s0, ${results}
  li s1, ${rounds}
  li a0, 0x123456789abcdef
  li a1, 6364136223846793005
  li a2, 1442695040888963407
  li t0, 0x3fe0000000000000
  fmv.d.x fa0, t0
  li t0, 0x3ff0000000000001
  fmv.d.x fa1, t0
loop:
  mul a0, a0, a1
  add a0, a0, a2
  xor s2, s2, a0
  add s3, s3, s2
  sltu s4, s3, s2
  add s5, s5, s4
  fmul.d fa0, fa0, fa1
  fadd.d fa2, fa2, fa0
  addi s1, s1, -1
  bnez s1, loop
  sd a0, 0(s0)
  sd s2, 8(s0)
  sd s3, 16(s0)
  sd s5, 24(s0)
  fsd fa0, 32(s0)
  fsd fa2, 40(s0)
  csrr t0, fcsr
  sd t0, 48(s0)
  ${print(side, 'D')}
  ${waitForever('done')}`;

export const echo = (side: Side): string => {
  const plic = SIDE_IO_BASE[side] + SIDE_IO.plic.offset;
  const context = plicContext(0, 'S');
  return `
  la t0, handler
  csrw stvec, t0
  li t0, ${plic + 4 * IRQ.uart}
  li t1, 1
  sw t1, 0(t0)
  li t0, ${plic + 0x2000 + 0x80 * context}
  li t1, ${1 << IRQ.uart}
  sw t1, 0(t0)
  li s0, ${uart(side)}
  li t1, 1
  sb t1, 1(s0)
  li s1, ${plic + 0x20_0000 + 0x1000 * context}
  li t0, 0x200
  csrw sie, t0
  csrrsi zero, sstatus, 2
${waitForever('idle')}
handler:
  lw t1, 4(s1)
  lbu t2, 0(s0)
  addi t2, t2, 1
  sb t2, 0(s0)
  sw t1, 4(s1)
  sret`;
};

export interface Probe {
  readonly kind: 'load' | 'store' | 'jump';
  readonly address: number;
}
const PROBE_KINDS: readonly Probe['kind'][] = ['load', 'store', 'jump'];

/** Results: three dwords for each probe: the value loaded, scause, stval; the latter 0 when nothing was raised. */
export const prober = (side: Side, results: number, probes: readonly Probe[]): string => `
  la t0, handler
  csrw stvec, t0
  la s0, table
  li s1, ${results}
  li s2, ${probes.length}
next:
  beqz s2, end
  ld a0, 0(s0)
  ld a1, 8(s0)
  addi s0, s0, 16
  addi s2, s2, -1
  li a2, 0x5a5a
  li a3, 0
  li a4, 0
  li t0, 1
  beqz a1, load
  beq a1, t0, store
  jalr ra, 0(a0)
  j note
load:
  lw a2, 0(a0)
  j note
store:
  sw a2, 0(a0)
note:
  sd a2, 0(s1)
  sd a3, 8(s1)
  sd a4, 16(s1)
  addi s1, s1, 24
  j next
handler:
  csrr a3, scause
  csrr a4, stval
  la t0, note
  csrw sepc, t0
  sret
end:
  ${print(side, 'P')}
  ${waitForever('done')}
table:
${probes.map(({ kind, address }) => `  .dword ${address}, ${PROBE_KINDS.indexOf(kind)}`).join('\n')}`;

/** Each poke: address and 32-bit value. `then`: what it does afterwards, for ever. */
export const poker = (
  side: Side,
  pokes: readonly (readonly [number, number])[],
  then = waitForever('done'),
): string => `
  la s0, table
  li s1, ${pokes.length}
next:
  ld a0, 0(s0)
  ld a1, 8(s0)
  sw a1, 0(a0)
  addi s0, s0, 16
  addi s1, s1, -1
  bnez s1, next
  ${print(side, 'K')}
  ${then}
table:
${pokes.map(([address, value]) => `  .dword ${address}, ${value}`).join('\n')}`;

export const caller = (
  side: Side,
  results: number,
  call: { readonly extension: number; readonly function: number; readonly args?: readonly number[] },
): string => `
${(call.args ?? []).map((arg, index) => `  li a${index}, ${arg}`).join('\n')}
  li a6, ${call.function}
  li a7, ${call.extension}
  ecall
  li s0, ${results}
  sd a0, 0(s0)
  sd a1, 8(s0)
  ${print(side, 'C')}
  ${waitForever('done')}`;

export const ipi = (side: Side): string => `
  la t0, handler
  csrw stvec, t0
  csrrsi zero, sie, 2
  csrrsi zero, sstatus, 2
  li a0, 1
  li a1, 0
  li a6, 0
  li a7, 0x735049
  ecall
${waitForever('idle')}
handler:
  csrrci zero, sip, 2
  ${print(side, 'I')}
  sret`;

const SUSP = 0x5355_5350;
export const SUSPENDER_OPAQUE = 0xffff_ffff_8123_4560n;

/** To RAM; it goes on at a label, or behind the call where that fails. */
export const suspend = (label: string, opaque: bigint): string => `
  li a0, 0
  la a1, ${label}
  li a2, ${opaque}
  li a6, 0
  li a7, ${SUSP}
  ecall`;

const PAGE_TABLE_OFFSET = 0x20_0000;
/** Of 1 GiB, mapped to itself, that S-mode may do anything with. */
const gibibyteLeaf = (index: number): number => (index << 28) | 0xcf;

/**
 * Prints `s` and suspends to RAM, with interrupts pending and on. Where that fails it notes the error, prints `D` and waits;
 * where it is woken it prints `w` each period. Results: the error, what `WOKEN` names, how often it was woken.
 */
export const suspender = (side: Side, results: number, periodTicks: number): string => `
  li s0, ${results}
  li t0, ${results - RESULTS_OFFSET + PAGE_TABLE_OFFSET}
  li t1, ${gibibyteLeaf(0)}
  sd t1, 0(t0)
  li t1, ${gibibyteLeaf(2) >>> 0}
  sd t1, 16(t0)
  srli t0, t0, 12
  li t1, ${8n << 60n}
  add t0, t0, t1
  csrw satp, t0
  sfence.vma zero, zero
  la t0, handler
  csrw stvec, t0
  csrw stimecmp, zero
  li t0, 0x222
  csrw sie, t0
  ${print(side, 's')}
  ${suspend('woken', SUSPENDER_OPAQUE)}
  sd a0, 0(s0)
  ${print(side, 'D')}
${waitForever('denied')}
woken:
  li s0, ${results}
  sd a0, 8(s0)
  sd a1, 16(s0)
  csrr t0, satp
  sd t0, 24(s0)
  csrr t0, sstatus
  sd t0, 32(s0)
  csrr t0, sie
  sd t0, 40(s0)
  csrr t0, sip
  sd t0, 48(s0)
  ld t0, 56(s0)
  addi t0, t0, 1
  sd t0, 56(s0)
${ticker(side, 'w', periodTicks)}`;

/** What a suspender finds when it is woken, in the order of its results. */
export const WOKEN = ['error', 'a0', 'a1', 'satp', 'sstatus', 'sie', 'sip', 'wakes'] as const;

/** Spins until some ticks after the start. */
export function waitTicks(ticks: number): string {
  return `
  csrr t0, time
  li t1, ${ticks}
  add t0, t0, t1
before:
  csrr t1, time
  bltu t1, t0, before
`;
}
