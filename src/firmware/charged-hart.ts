import { type AccessBytes, type MachineModeHart, RAM_BASE } from '../machine/index.ts';
import { COSTS } from './costs.ts';

const accessCost = (address: number): number => (address < RAM_BASE ? COSTS.mmioAccess : COSTS.memoryAccess);
const copyCost = (bytes: number): number => COSTS.copyStart + Math.ceil(bytes / COSTS.copyBytesPerCycle);

export interface ChargedHart extends MachineModeHart {
  /** The same hart, for M-mode software that charges for itself. */
  readonly uncharged: MachineModeHart;
}

/**
 * A hart on which each CSR access, load, store, copy and fence is charged by the table in costs.ts. Registers are free:
 * saving and restoring them is in the cost of the trap.
 */
export function chargedHart(hart: MachineModeHart): ChargedHart {
  return {
    uncharged: hart,
    hartId: hart.hartId,
    x: (register) => hart.x(register),
    setX: (register, value) => hart.setX(register, value),
    f: (register) => hart.f(register),
    setF: (register, value) => hart.setF(register, value),
    csr(address) {
      hart.charge(COSTS.csrRead);
      return hart.csr(address);
    },
    setCsr(address, value) {
      hart.charge(COSTS.csrWrite);
      hart.setCsr(address, value);
    },
    load(address: number, bytes: AccessBytes) {
      hart.charge(accessCost(address));
      return hart.load(address, bytes);
    },
    store(address: number, bytes: AccessBytes, value: bigint) {
      hart.charge(accessCost(address));
      return hart.store(address, bytes, value);
    },
    readMemory(address, bytes) {
      hart.charge(copyCost(bytes));
      return hart.readMemory(address, bytes);
    },
    writeMemory(address, bytes) {
      hart.charge(copyCost(bytes.length));
      return hart.writeMemory(address, bytes);
    },
    fenceVma(address, asid) {
      hart.charge(COSTS.fenceVma);
      hart.fenceVma(address, asid);
    },
    fenceI() {
      hart.charge(COSTS.fenceI);
      hart.fenceI();
    },
    charge: (cycles) => hart.charge(cycles),
    time: () => hart.time(),
  };
}
