import type { MachineModeHart } from '../machine/index.ts';
import { ALL_ONES, COUNTEREN_CY_TM_IR, CSR, INTERRUPT, MSTATUS, REG } from './csr.ts';
import { setSsip } from './sbi/hart-group.ts';

/** How an OS is entered in S-mode, at its boot and on a hart it starts: [SBI] "Hart State Management", [LINUX-BOOT]. */
export interface OsEntry {
  readonly entry: number | bigint;
  /** a0: hart id. */
  readonly a0: bigint;
  /** a1: device tree, or what hart_start passed. */
  readonly a1: bigint;
}

const S_CSRS_ZERO = [CSR.stvec, CSR.sscratch, CSR.sepc, CSR.scause, CSR.stval, CSR.satp, CSR.senvcfg];

/**
 * Sets the state in which `mret` enters an OS: translation and S interrupts off, no timer armed, counters readable in
 * U-mode, mstatus otherwise 0. What M-mode owns (bare-state.ts) is not touched.
 */
export function startOs(hart: MachineModeHart, { entry, a0, a1 }: OsEntry): void {
  for (const csr of S_CSRS_ZERO) hart.setCsr(csr, 0n);
  hart.setCsr(CSR.scounteren, COUNTEREN_CY_TM_IR);
  hart.setCsr(CSR.stimecmp, ALL_ONES);
  hart.setCsr(CSR.mie, hart.csr(CSR.mie) & ~INTERRUPT.S);
  setSsip(hart, false);
  hart.setCsr(CSR.mstatus, MSTATUS.MPP_S);
  hart.setCsr(CSR.mepc, BigInt(entry));
  hart.setX(REG.a0, a0);
  hart.setX(REG.a1, a1);
  hart.fenceVma();
}
