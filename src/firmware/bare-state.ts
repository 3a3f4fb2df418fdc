/**
 * Everything M-mode software owns of a *bare* node, as data: the OS of one side has the machine, M-mode is entered for
 * SBI calls and the mailbox only. It depends on the side, the memory map and the harts and on nothing else, so that
 * devirtualize can write it back and compare.
 *
 * PMP: 0 firmware memory and 1 M_MODE_IO denied to S and U mode, 15 everything else allowed; 2..14 off.
 */
import {
  ACLINT,
  FIRMWARE_MEMORY,
  M_MODE_IO,
  type MachineModeHart,
  type MemoryMap,
  type MemoryRegion,
  SIDES,
  type Side,
  SLOTS_PER_SIDE,
} from '../machine/index.ts';
import {
  ALL_ONES,
  COUNTEREN_CY_TM_IR,
  CSR,
  INTERRUPT,
  MEDELEG_ALL,
  MENVCFG_STCE,
  MIDELEG_S,
  MSTATUS_M_CONTROLS,
} from './csr.ts';
import { FIRMWARE_ENTRY } from './layout.ts';
import { STEER, type Steer, setDmaRanges, steer } from './partition.ts';
import { ALL_MEMORY, napot, PMP_ENTRIES, PMP_OFF, type PmpEntry, pmpCsrs } from './pmp.ts';

/** `mask`: the bits M-mode owns; the others are the OS's. */
export interface CsrState {
  readonly address: number;
  readonly value: bigint;
  readonly mask: bigint;
}

export interface BareState {
  /** The same on each hart. */
  readonly csrs: readonly CsrState[];
  /** Of every hart's S context of each side's PLIC. */
  readonly steer: Readonly<Record<Side, Steer>>;
  /** The DMA of every slot of both sides. */
  readonly dmaRanges: readonly MemoryRegion[];
  /** Of every hart, in ticks. */
  readonly mtimecmp: bigint;
}

export const FIRMWARE_PMP: readonly PmpEntry[] = [napot(FIRMWARE_MEMORY, 0), napot(M_MODE_IO, 0)];

const MTIMECMP_OFFSET = 0x4000;

export function bareState(side: Side, map: MemoryMap): BareState {
  const pmp = Array.from({ length: PMP_ENTRIES }, (_, index) => FIRMWARE_PMP[index] ?? PMP_OFF);
  pmp[PMP_ENTRIES - 1] = ALL_MEMORY;
  const whole = (address: number, value: bigint): CsrState => ({ address, value, mask: ALL_ONES });
  const firmwareEnd = map.firmware.base + map.firmware.bytes;
  return {
    csrs: [
      whole(CSR.mtvec, BigInt(FIRMWARE_ENTRY)),
      whole(CSR.mscratch, 0n),
      whole(CSR.medeleg, MEDELEG_ALL),
      whole(CSR.mideleg, MIDELEG_S),
      { address: CSR.mie, value: INTERRUPT.MEI | INTERRUPT.MSI, mask: INTERRUPT.MEI | INTERRUPT.MSI | INTERRUPT.MTI },
      { address: CSR.mstatus, value: 0n, mask: MSTATUS_M_CONTROLS },
      whole(CSR.mcounteren, COUNTEREN_CY_TM_IR),
      whole(CSR.menvcfg, MENVCFG_STCE),
      ...pmpCsrs(pmp).map(([address, value]) => whole(address, value)),
    ],
    steer: { A: side === 'A' ? STEER.seip : STEER.off, B: side === 'B' ? STEER.seip : STEER.off },
    dmaRanges: [{ base: firmwareEnd, bytes: map.ramBytes - map.firmware.bytes }],
    mtimecmp: ALL_ONES,
  };
}

/** Writes what is the calling hart's own. */
export function applyBareCsrs(hart: MachineModeHart, state: BareState): void {
  for (const { address, value, mask } of state.csrs) {
    hart.setCsr(address, mask === ALL_ONES ? value : (hart.csr(address) & ~mask) | value);
  }
  hart.fenceVma();
}

/** Writes what the harts share: steering, DMA ranges, timers. */
export function applyBareBoard(hart: MachineModeHart, state: BareState, hartIds: readonly number[]): void {
  for (const side of SIDES) {
    for (const hartId of hartIds) steer(hart, side, hartId, state.steer[side]);
    for (let slot = 0; slot < SLOTS_PER_SIDE; slot++) setDmaRanges(hart, side, slot, state.dmaRanges);
  }
  for (const hartId of hartIds) hart.store(ACLINT.base + MTIMECMP_OFFSET + 8 * hartId, 8, state.mtimecmp);
}
