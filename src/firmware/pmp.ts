/** Physical memory protection entries. Source: [Priv] "Physical Memory Protection". */
import type { MachineModeHart, MemoryRegion } from '../machine/index.ts';
import { ALL_ONES, CSR } from './csr.ts';

export const PMP_ENTRIES = 16;
export const PMP_CFG = { R: 1, W: 2, X: 4, NAPOT: 3 << 3 } as const;

export interface PmpEntry {
  /** One byte of pmpcfg. */
  readonly config: number;
  /** pmpaddr: physical address bits 55..2, with the size in its trailing ones for NAPOT. */
  readonly address: bigint;
}

const CONFIGS_PER_CSR = 8;
const BYTE = 0xffn;

/** A naturally aligned power-of-two region of at least 8 bytes. `permissions` is a sum of PMP_CFG.R, W, X. */
export function napot(region: MemoryRegion, permissions: number): PmpEntry {
  const size = BigInt(region.bytes);
  const base = BigInt(region.base);
  if (size < 8n || (size & (size - 1n)) !== 0n || base % size !== 0n) {
    throw new RangeError(
      `PMP region 0x${base.toString(16)}+0x${size.toString(16)} is not a naturally aligned power of two`,
    );
  }
  return { config: PMP_CFG.NAPOT | permissions, address: (base >> 2n) | ((size >> 3n) - 1n) };
}

/** All of physical memory: a NAPOT address of all ones. */
export const ALL_MEMORY: PmpEntry = {
  config: PMP_CFG.NAPOT | PMP_CFG.R | PMP_CFG.W | PMP_CFG.X,
  address: ALL_ONES >> 10n,
};

export const PMP_OFF: PmpEntry = { config: 0, address: 0n };

/** The CSRs that hold all sixteen entries: addresses before configurations, as they are to be written. */
export function pmpCsrs(entries: readonly PmpEntry[]): (readonly [address: number, value: bigint])[] {
  const csrs: (readonly [number, bigint])[] = entries.map((entry, index) => [CSR.pmpaddr0 + index, entry.address]);
  for (let first = 0; first < entries.length; first += CONFIGS_PER_CSR) {
    const configs = entries.slice(first, first + CONFIGS_PER_CSR);
    csrs.push([configCsr(first), configs.reduceRight((value, { config }) => (value << 8n) | BigInt(config), 0n)]);
  }
  return csrs;
}

/** RV64 has only the even-numbered pmpcfg CSRs, eight entries each. */
const configCsr = (index: number): number => CSR.pmpcfg0 + Math.floor(index / CONFIGS_PER_CSR) * 2;

/** Writes one entry. The caller issues `fenceVma` when it has written the last one. */
export function writePmp(hart: MachineModeHart, index: number, entry: PmpEntry): void {
  const csr = configCsr(index);
  const shift = BigInt((index % CONFIGS_PER_CSR) * 8);
  hart.setCsr(CSR.pmpaddr0 + index, entry.address);
  hart.setCsr(csr, (hart.csr(csr) & ~(BYTE << shift)) | (BigInt(entry.config) << shift));
}
