/**
 * The state of a machine that belongs to M-mode: what virtualize changes and devirtualize has to leave as it was. The
 * rest of the same registers (mstatus, mie, mip) belongs to the running OS, and mepc, mcause and mtval to the trap.
 */

import { CSR, INTERRUPT, MSTATUS, PMP_ENTRIES } from '../firmware/index.ts';
import {
  ACLINT,
  IllegalCsrError,
  type MachineModeHart,
  PARTITION_CONTROLLER,
  PARTITION_REGISTERS,
} from '../machine/index.ts';
import { ALL_SLOTS, rangeKey, rangeRegister } from './dma-write.ts';
import { hex } from './partition.ts';

/** Value by name, in the order read: `medeleg`, `pmpaddr3`, `steer.A`, `iopmp.B2.base1`, ... */
export type MachineState = ReadonlyMap<string, bigint>;

export interface StateDifference {
  readonly name: string;
  readonly expected: string;
  readonly found: string;
}

const ALL_BITS = 0xffff_ffff_ffff_ffffn;
const MSTATUS_M_MODE = MSTATUS.MPRV | MSTATUS.TVM | MSTATUS.TW | MSTATUS.TSR | MSTATUS.SBE | MSTATUS.MBE;

interface CapturedCsr {
  readonly name: string;
  readonly address: number;
  /** Bits that belong to M-mode. */
  readonly mask: bigint;
}

const csr = (name: string, address: number, mask = ALL_BITS): CapturedCsr => ({ name, address, mask });

export const CAPTURED_CSRS: readonly CapturedCsr[] = [
  csr('mstatus', CSR.mstatus, MSTATUS_M_MODE),
  csr('misa', CSR.misa),
  csr('medeleg', CSR.medeleg),
  csr('mideleg', CSR.mideleg),
  csr('mie', CSR.mie, INTERRUPT.M),
  csr('mtvec', CSR.mtvec),
  csr('mcounteren', CSR.mcounteren),
  csr('menvcfg', CSR.menvcfg),
  csr('mcountinhibit', CSR.mcountinhibit),
  csr('mscratch', CSR.mscratch),
  csr('mseccfg', CSR.mseccfg),
  csr('pmpcfg0', CSR.pmpcfg0),
  csr('pmpcfg2', CSR.pmpcfg2),
  ...Array.from({ length: PMP_ENTRIES }, (_, index) => csr(`pmpaddr${index}`, CSR.pmpaddr0 + index)),
];

/** [SiFive CLINT] mtimecmp of hart 0. */
const MTIMECMP_OFFSET = 0x4000;
const MSIP_BYTES = 4;

export const mtimecmpRegister = (hartId: number): number => ACLINT.base + MTIMECMP_OFFSET + 8 * hartId;

const STEER = PARTITION_CONTROLLER.base + PARTITION_REGISTERS.steer;
export const STEER_REGISTERS = [
  ['steer.A', STEER],
  ['steer.B', STEER + 4],
] as const;

/** Reads what M-mode owns of this hart, and what it owns that the harts share. */
export const captureMachineState = (hart: MachineModeHart): MachineState =>
  new Map([...captureHartState(hart), ...captureBoardState(hart)]);

/** Reads M-mode's CSRs of this hart, PMP and timer. A CSR the hart lacks is left out. */
export function captureHartState(hart: MachineModeHart): MachineState {
  const state = new Map<string, bigint>();
  for (const { name, address, mask } of CAPTURED_CSRS) {
    const value = readCsr(hart, address);
    if (value !== undefined) state.set(name, BigInt.asUintN(64, value) & mask);
  }
  readInto(state, hart, 'mtimecmp', mtimecmpRegister(hart.hartId), 8);
  readInto(state, hart, 'msip', ACLINT.base + MSIP_BYTES * hart.hartId, 4);
  return state;
}

/** Reads steering and IOPMP. */
function captureBoardState(hart: MachineModeHart): MachineState {
  const state = new Map<string, bigint>();
  const read = (name: string, address: number, bytes: 4 | 8): void => readInto(state, hart, name, address, bytes);
  for (const [name, register] of STEER_REGISTERS) read(name, register, 4);
  for (const slot of ALL_SLOTS) {
    for (let range = 0; range < PARTITION_REGISTERS.iopmpRangesPerSlot; range++) {
      read(rangeKey(slot, range, 'base'), rangeRegister(slot, range), 8);
      read(rangeKey(slot, range, 'bytes'), rangeRegister(slot, range) + 8, 8);
    }
  }
  return state;
}

function readInto(
  state: Map<string, bigint>,
  hart: MachineModeHart,
  name: string,
  address: number,
  bytes: 4 | 8,
): void {
  const value = hart.load(address, bytes);
  if (value !== undefined) state.set(name, BigInt.asUintN(8 * bytes, value));
}

/** What `found` has that `expected` doesn't, and the other way round. Empty: bit-identical. */
export function differences(expected: MachineState, found: MachineState): readonly StateDifference[] {
  const names = new Set([...expected.keys(), ...found.keys()]);
  const show = (value: bigint | undefined): string => (value === undefined ? 'absent' : hex(value));
  return [...names]
    .filter((name) => expected.get(name) !== found.get(name))
    .map((name) => ({ name, expected: show(expected.get(name)), found: show(found.get(name)) }));
}

function readCsr(hart: MachineModeHart, address: number): bigint | undefined {
  try {
    return hart.csr(address);
  } catch (error) {
    if (error instanceof IllegalCsrError) return undefined;
    throw error;
  }
}
