import { CSR } from '../firmware/index.ts';
import type { MachineModeHart } from '../machine/index.ts';
import { SIDE_IO, SIDES, SLOTS_PER_SIDE, slotBase } from '../machine/index.ts';
import type { Guest } from './guest.ts';
import { GuestMemory } from './guest-memory.ts';
import { decodeLoadStore } from './load-store.ts';
import type { Partition, SlotName } from './partition.ts';

/**
 * Serves the load or store that faulted as an empty slot would, if it is one at a slot that is not the guest's: a load
 * reads 0, a store does nothing. Then no driver finds a device there, now; it may when the slot changes hands. False:
 * it is something else, and nothing has changed.
 */
export function serveAbsentDevice(hart: MachineModeHart, partition: Partition, guest: Guest): boolean {
  const memory = new GuestMemory(hart, partition, guest.side);
  const address = memory.translate(BigInt.asUintN(64, hart.csr(CSR.mtval)));
  const slot = address === undefined ? undefined : slotAt(address);
  if (slot === undefined || partition.slots[slot.side][slot.index] === guest.side) return false;
  const instruction = memory.fetch(hart.csr(CSR.mepc));
  const access = instruction === undefined ? undefined : decodeLoadStore(instruction);
  if (access === undefined) return false;
  if (access.kind === 'load' && access.rd !== 0) hart.setX(access.rd, 0n);
  hart.setCsr(CSR.mepc, hart.csr(CSR.mepc) + BigInt(access.instructionBytes));
  return true;
}

export function slotAt(address: number): SlotName | undefined {
  for (const side of SIDES) {
    const index = Math.floor((address - slotBase(side, 0)) / SIDE_IO.slots.bytes);
    if (index >= 0 && index < SLOTS_PER_SIDE) return { side, index };
  }
  return undefined;
}
