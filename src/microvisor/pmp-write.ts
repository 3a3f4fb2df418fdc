import { CSR, PMP_ENTRIES, PMP_OFF, type PmpEntry } from '../firmware/index.ts';
import type { MachineModeHart } from '../machine/index.ts';

const ENTRIES_PER_CONFIG = 8;

const configs = new WeakMap<readonly PmpEntry[], readonly [bigint, bigint]>();

/** pmpcfg0 (`half` 0) or pmpcfg2 (1) of a plan. */
export function packConfig(entries: readonly PmpEntry[], half: 0 | 1): bigint {
  const both = configs.get(entries) ?? [pack(entries, 0), pack(entries, 1)];
  configs.set(entries, both);
  return both[half];
}

function pack(entries: readonly PmpEntry[], half: 0 | 1): bigint {
  let packed = 0n;
  for (let index = 0; index < ENTRIES_PER_CONFIG; index++) {
    const { config } = entries[half * ENTRIES_PER_CONFIG + index] ?? PMP_OFF;
    packed |= BigInt(config) << BigInt(8 * index);
  }
  return packed;
}

/**
 * Writes a plan over `before`, what the PMP holds (absent: unknown): only what differs is written. Addresses first, in
 * M-mode, which no unlocked entry concerns.
 */
export function writePmpPlan(hart: MachineModeHart, plan: readonly PmpEntry[], before?: readonly PmpEntry[]): void {
  for (let index = 0; index < PMP_ENTRIES; index++) {
    const address = (plan[index] ?? PMP_OFF).address;
    if (before?.[index]?.address !== address) hart.setCsr(CSR.pmpaddr0 + index, address);
  }
  for (const [half, register] of [[0, CSR.pmpcfg0] as const, [1, CSR.pmpcfg2] as const]) {
    const config = packConfig(plan, half);
    if (before === undefined || packConfig(before, half) !== config) hart.setCsr(register, config);
  }
}
