/**
 * The hart as the Microvisor sees it: each operation is charged by the cost tables, and `spentCycles` is the running
 * total, the monitor's account of itself.
 */
import { chargedHart } from '../firmware/index.ts';
import type { MachineModeHart } from '../machine/index.ts';

export interface MeteredHart extends MachineModeHart {
  /** The same hart, of which nothing is charged. */
  readonly raw: MachineModeHart;
  /** Cycles charged through this hart so far. */
  spentCycles(): number;
}

export function meteredHart(hart: MachineModeHart): MeteredHart {
  let spent = 0;
  const counted: MachineModeHart = {
    ...bound(hart),
    charge(cycles) {
      spent += cycles;
      hart.charge(cycles);
    },
  };
  return { ...chargedHart(counted), raw: hart, spentCycles: () => spent };
}

/** The methods of `hart` as own properties, whatever kind of object it is. */
function bound(hart: MachineModeHart): MachineModeHart {
  return {
    hartId: hart.hartId,
    x: (register) => hart.x(register),
    setX: (register, value) => hart.setX(register, value),
    f: (register) => hart.f(register),
    setF: (register, value) => hart.setF(register, value),
    csr: (address) => hart.csr(address),
    setCsr: (address, value) => hart.setCsr(address, value),
    load: (address, bytes) => hart.load(address, bytes),
    store: (address, bytes, value) => hart.store(address, bytes, value),
    readMemory: (address, bytes) => hart.readMemory(address, bytes),
    writeMemory: (address, bytes) => hart.writeMemory(address, bytes),
    fenceVma: (address, asid) => hart.fenceVma(address, asid),
    fenceI: () => hart.fenceI(),
    charge: (cycles) => hart.charge(cycles),
    time: () => hart.time(),
  };
}
