import { CSR, MSTATUS } from '../firmware/index.ts';
import type { MachineModeHart } from '../machine/index.ts';
import { cameFromSupervisor } from './guest-memory.ts';

/**
 * Hands the exception the hart is in to the guest's S-mode, as delegation would have: [Priv] "Supervisor Trap Value",
 * "Privilege and Global Interrupt-Enable Stack in mstatus register". `mret` then enters its handler.
 */
export function injectException(hart: MachineModeHart): void {
  const mstatus = hart.csr(CSR.mstatus);
  const spp = cameFromSupervisor(hart) ? MSTATUS.SPP : 0n;
  const spie = (mstatus & MSTATUS.SIE) !== 0n ? MSTATUS.SPIE : 0n;
  hart.setCsr(CSR.sepc, hart.csr(CSR.mepc));
  hart.setCsr(CSR.scause, hart.csr(CSR.mcause));
  hart.setCsr(CSR.stval, hart.csr(CSR.mtval));
  const kept = mstatus & ~(MSTATUS.SPP | MSTATUS.SPIE | MSTATUS.SIE | MSTATUS.MPP);
  hart.setCsr(CSR.mstatus, kept | spp | spie | MSTATUS.MPP_S);
  hart.setCsr(CSR.mepc, hart.csr(CSR.stvec) & ~3n);
}
