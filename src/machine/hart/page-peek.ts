/**
 * Where a virtual page of code lies, found without the effects of a walk: no A bit is set, nothing traps, no TLB is filled.
 * Good enough for a guess that is checked when it is used.
 */
import type { GuestMemory } from '../memory.ts';
import type { HartArea } from './hart-area.ts';
import { fetchBankOffset, PAGE_SHIFT, TLB_CLASS } from './layout.ts';
import { PTE, PTE_PPN_MASK, PTE_PPN_SHIFT, SV39_LEVELS, VPN_BITS } from './page-walk.ts';

const PTE_BYTES = 8;
const VPN_MASK = (1n << BigInt(VPN_BITS)) - 1n;

/** Physical address of the page at a virtual page address; undefined when it is mapped to no RAM, or not at all. */
export function peekPage(area: HartArea, memory: GuestMemory, page: bigint): number | undefined {
  const isBare =
    area.word('sv39') === 0 || area.word('fetchBank') === area.word('tlbContext') + fetchBankOffset(TLB_CLASS.machine);
  const physical = isBare ? Number(page) : walk(area, memory, page);
  return physical !== undefined && memory.contains(physical, 1) ? physical : undefined;
}

function walk(area: HartArea, memory: GuestMemory, page: bigint): number | undefined {
  let table = area.number('rootTable');
  for (let level = SV39_LEVELS - 1; level >= 0; level--) {
    const shift = BigInt(PAGE_SHIFT + level * VPN_BITS);
    const at = table + Number((page >> shift) & VPN_MASK) * PTE_BYTES;
    if (!memory.contains(at, PTE_BYTES)) return undefined;
    const entry = area.memory.getBigUint64(memory.toLinear(at), true);
    const flags = Number(entry & 0xffn);
    if ((flags & PTE.V) === 0) return undefined;
    const address = ((entry >> BigInt(PTE_PPN_SHIFT)) & PTE_PPN_MASK) << BigInt(PAGE_SHIFT);
    if ((flags & (PTE.R | PTE.X)) !== 0) {
      return (flags & PTE.X) === 0 ? undefined : Number(address | (page & ((1n << shift) - 1n)));
    }
    table = Number(address);
  }
  return undefined;
}
