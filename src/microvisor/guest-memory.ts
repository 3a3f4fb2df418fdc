/**
 * A guest's memory as its own loads see it: Sv39 walked in software. Source: [Priv] "Sv39: Page-Based 39-bit
 * Virtual-Memory System".
 *
 * A page table or an instruction is only read where the guest owns the memory: M-mode's own loads are not checked by
 * PMP, and a device register must not be touched because a guest points a page table at it.
 */
import { CSR, MSTATUS } from '../firmware/index.ts';
import type { MachineModeHart, Side } from '../machine/index.ts';
import { ownsMemory, type Partition } from './partition.ts';

const SATP_MODE_SHIFT = 60n;
const SATP_SV39 = 8n;
const SATP_PPN = (1n << 44n) - 1n;
const PAGE_SHIFT = 12n;
const LEVELS = 3;
const VPN_BITS = 9n;
const VPN_MASK = 0x1ffn;
const PTE_BYTES = 8;
const PTE = { V: 1n, R: 2n, W: 4n, X: 8n } as const;
const PTE_PPN_SHIFT = 10n;

export class GuestMemory {
  readonly #hart: MachineModeHart;
  readonly #partition: Partition;
  readonly #side: Side;

  /** `hart` is in a trap taken from the guest. */
  constructor(hart: MachineModeHart, partition: Partition, side: Side) {
    this.#hart = hart;
    this.#partition = partition;
    this.#side = side;
  }

  /** Physical address of a virtual one, or undefined when the guest's page tables don't map it. Permissions are not checked. */
  translate(address: bigint): number | undefined {
    const satp = BigInt.asUintN(64, this.#hart.csr(CSR.satp));
    if (satp >> SATP_MODE_SHIFT === 0n) return Number(BigInt.asUintN(56, address));
    if (satp >> SATP_MODE_SHIFT !== SATP_SV39) return undefined;
    let table = (satp & SATP_PPN) << PAGE_SHIFT;
    for (let level = LEVELS - 1; level >= 0; level--) {
      const shift = PAGE_SHIFT + VPN_BITS * BigInt(level);
      const vpn = (address >> shift) & VPN_MASK;
      const pte = this.#loadOwn(Number(table + vpn * BigInt(PTE_BYTES)), PTE_BYTES);
      if (pte === undefined || (pte & PTE.V) === 0n) return undefined;
      const next = ((pte >> PTE_PPN_SHIFT) & SATP_PPN) << PAGE_SHIFT;
      if ((pte & (PTE.R | PTE.W | PTE.X)) !== 0n) {
        const offset = (1n << shift) - 1n;
        return Number((next & ~offset) | (address & offset));
      }
      table = next;
    }
    return undefined;
  }

  /** The instruction at a virtual address: 16 bits when compressed, else 32. */
  fetch(address: bigint): number | undefined {
    const low = this.#fetchHalf(address);
    if (low === undefined || (low & 3) !== 3) return low;
    const high = this.#fetchHalf(address + 2n);
    return high === undefined ? undefined : (low | (high << 16)) >>> 0;
  }

  #fetchHalf(address: bigint): number | undefined {
    const physical = this.translate(address);
    const half = physical === undefined ? undefined : this.#loadOwn(physical, 2);
    return half === undefined ? undefined : Number(half);
  }

  #loadOwn(address: number, bytes: 2 | 8): bigint | undefined {
    if (!ownsMemory(this.#partition, this.#side, address, bytes)) return undefined;
    const value = this.#hart.load(address, bytes);
    return value === undefined ? undefined : BigInt.asUintN(8 * bytes, value);
  }
}

/** Whether the trap was taken from S-mode (else U-mode). */
export const cameFromSupervisor = (hart: MachineModeHart): boolean =>
  (hart.csr(CSR.mstatus) & MSTATUS.MPP) === MSTATUS.MPP_S;
