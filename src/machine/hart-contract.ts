/**
 * What a hart and the board around it are to each other. `hart/` implements `Hart`; `machine.ts` drives it.
 *
 * Invariants:
 * 1. `retired` is exact whenever anyone can look: after `run`, and inside every bus or CSR callback (it then counts the
 *    instructions before the one that is executing).
 * 2. A hart changes its mind about interrupts only at the start of `run` and at instruction boundaries where it itself
 *    changed mie, mip, mideleg, mstatus, sstatus, stimecmp or privilege; a wire that changes inside a bus callback ends
 *    the slice after that instruction (`requestYield`).
 */

import type { AccessBytes, MachineModeHart, PhysicalMemory, Snapshotted, Translate } from './door.ts';
import type { KnownCode } from './translator/known-code.ts';

/** MMIO as a hart sees it. `undefined` and `false`: nothing answers, the hart takes an access fault. */
export interface HartBus {
  read(address: number, bytes: AccessBytes): bigint | undefined;
  write(address: number, bytes: AccessBytes, value: bigint): boolean;
}

/** Level of the wires that end at a hart; Sstc's timer is inside the hart. */
export type HartLine = 'MSIP' | 'MTIP' | 'MEIP' | 'SEIP';

export type HartStop =
  /** `maxInstructions` were retired. */
  | 'budget'
  /** The hart is in M-mode at the entry of an attached program: enter it, then `resume`. */
  | 'machine-mode'
  /** WFI with nothing pending and enabled; `pc` is after it. */
  | 'wfi'
  /** Something asked for a yield: a wire, stimecmp, the scheduler. Look at deadlines again and go on. */
  | 'yield';

export interface HartOptions {
  readonly hartId: number;
  readonly memory: PhysicalMemory;
  readonly bus: HartBus;
  /** `time` now, in ticks of the time base; may be called inside `run`. */
  readonly time: () => bigint;
  /** Time the hart has waited in WFIs since reset, in ns; absent: none. */
  readonly waitedNs?: (() => number) | undefined;
  /** Entry addresses of attached M-mode programs. */
  readonly machineModeEntries: ReadonlySet<number>;
  /** `hot` unless said otherwise. */
  readonly translate?: Translate | undefined;
  /** As in MachineOptions; the first hart of a memory says for all. */
  readonly knownCode?: KnownCode | undefined;
}

export interface Hart extends Snapshotted {
  readonly hartId: number;
  /** Instructions retired since reset. */
  readonly retired: number;
  /** Entries into M-mode since reset by mcause (interrupt bit folded to bit 31). */
  readonly machineModeEntries: ReadonlyMap<number, number>;
  /** Registers, CSRs and M-mode's loads and stores; `charge` and `time` are wired by the machine. */
  readonly state: Omit<MachineModeHart, 'charge' | 'time' | 'load' | 'store' | 'readMemory' | 'writeMemory'>;
  pc: bigint;
  readonly privilege: 0 | 1 | 3;
  reset(pc: number): void;
  run(maxInstructions: number): HartStop;
  /** Ends the current `run` after the executing instruction. */
  requestYield(): void;
  setLine(line: HartLine, level: boolean): void;
  /** stimecmp in ticks; all ones when off. The machine runs no further than this without looking again. */
  readonly stimecmp: bigint;
  /** mip & mie is non-zero (the condition that ends a WFI), with the time given. */
  wakePending(): boolean;
  /** Executes `mret` on behalf of an M-mode program. */
  mret(): void;
}
