/**
 * A tiny S-mode guest on several harts. The first hart starts the others; each waits in `wfi` for its timer, and each
 * period interrupts every hart and fences every hart through SBI. By a word in memory the last hart is told to stop, and
 * the first to start it again.
 */

import type { Side } from '../../src/machine/index.ts';
import { RESULTS_OFFSET } from './tiny-guests.ts';
import { BOARD } from './tiny-node.ts';

const HSM = 0x48_534d;
const IPI = 0x73_5049;
const RFENCE = 0x5246_4e43;
const COUNTER_BYTES = 64;
const COMMAND_OFFSET = 0x800;

export const COMMAND = { none: 0n, stopLast: 1n, startLast: 2n } as const;

/** What each hart has counted: timer interrupts, inter-processor interrupts, remote fences done. */
export const crewCounters = (side: Side, hartId: number): number =>
  BOARD.bank[side].base + RESULTS_OFFSET + COUNTER_BYTES * hartId;

export const crewCommand = (side: Side): number => BOARD.bank[side].base + RESULTS_OFFSET + COMMAND_OFFSET;

/** `harts`: of the machine; `first`: the one the OS is entered on. Harts it has not got are not started. */
export const crew = (side: Side, harts: number, periodTicks: number): string => `
start:
  mv s0, a0
  mv s4, a1
  la t0, handler
  csrw stvec, t0
  li s2, ${crewCounters(side, 0)}
  slli t0, s0, 6
  add s2, s2, t0
  li s5, ${crewCommand(side)}
  li t0, 1
  beq s4, t0, work
  # The other harts are out of reset by then.
  csrr t0, time
  addi t0, t0, 300
late:
  csrr t1, time
  bltu t1, t0, late
  li s3, 0
next:
  li t0, ${harts}
  beq s3, t0, work
  mv a0, s3
  la a1, start
  li a2, 1
  li a6, 0
  li a7, ${HSM}
  ecall
  addi s3, s3, 1
  j next
work:
  li s1, ${periodTicks}
  csrr t0, time
  add t0, t0, s1
  csrw stimecmp, t0
  li t0, 0x22
  csrw sie, t0
  csrrsi zero, sstatus, 2
idle:
  wfi
  j idle
handler:
  csrr t1, scause
  andi t1, t1, 15
  li t0, 1
  beq t1, t0, software
  ld t0, 0(s2)
  addi t0, t0, 1
  sd t0, 0(s2)
  csrr t0, time
  add t0, t0, s1
  csrw stimecmp, t0
  ld t0, 0(s5)
  li t1, 1
  beq t0, t1, stop
  li t1, 2
  beq t0, t1, restart
tell:
  li a0, 0
  li a1, -1
  li a6, 0
  li a7, ${IPI}
  ecall
  li a0, 0
  li a1, -1
  li a2, 0
  li a3, 0
  li a6, 1
  li a7, ${RFENCE}
  ecall
  bnez a0, back
  ld t0, 16(s2)
  addi t0, t0, 1
  sd t0, 16(s2)
back:
  sret
software:
  csrrci zero, sip, 2
  ld t0, 8(s2)
  addi t0, t0, 1
  sd t0, 8(s2)
  sret
stop:
  li t0, ${harts - 1}
  bne s0, t0, tell
  sd zero, 0(s5)
  li a6, 1
  li a7, ${HSM}
  ecall
  j stop
restart:
  bnez s0, tell
  sd zero, 0(s5)
  li a0, ${harts - 1}
  la a1, start
  li a2, 1
  li a6, 0
  li a7, ${HSM}
  ecall
  j tell`;
