/**
 * Physical memory protection. Source: [Priv] "Physical Memory Protection".
 *
 * The sixteen entries are flattened to intervals that cover all addresses, each decided by one entry or none: that is
 * what the TLB refill looks at. `pmpAllows` answers for single accesses at the boundaries.
 */
import { PERMISSION, PERMISSION_MACHINE_SHIFT } from './layout.ts';

export const PMP_ENTRIES = 16;
export const PMP_CFG = { R: 0x01, W: 0x02, X: 0x04, A: 0x18, L: 0x80 } as const;
export const PMP_ADDRESS_MATCHING = { OFF: 0x00, TOR: 0x08, NA4: 0x10, NAPOT: 0x18 } as const;

/** Addresses are 56 bits and a pmpaddr register holds bits 55..2. */
export const PMPADDR_MASK = (1n << 54n) - 1n;
const ADDRESS_SPACE_LAST = (1n << 64n) - 1n;
const ALL = PERMISSION.load | PERMISSION.store | PERMISSION.fetch;

export interface PmpEntry {
  /** pmpcfg byte. */
  readonly cfg: number;
  readonly addr: bigint;
}

export interface PmpInterval {
  readonly first: bigint;
  readonly last: bigint;
  /** Index of the deciding entry; undefined where none matches. */
  readonly entry: number | undefined;
  /** PERMISSION bits of S and U mode, and those of M mode PERMISSION_MACHINE_SHIFT higher. */
  readonly permissions: number;
}

/** The addresses an entry matches as [first, last]; undefined when it matches none. */
function pmpRange(entries: readonly PmpEntry[], index: number): readonly [bigint, bigint] | undefined {
  const entry = entries[index];
  if (entry === undefined) return undefined;
  const base = entry.addr << 2n;
  switch (entry.cfg & PMP_CFG.A) {
    case PMP_ADDRESS_MATCHING.TOR: {
      const from = (entries[index - 1]?.addr ?? 0n) << 2n;
      return from < base ? [from, base - 1n] : undefined;
    }
    case PMP_ADDRESS_MATCHING.NA4:
      return [base, base + 3n];
    case PMP_ADDRESS_MATCHING.NAPOT: {
      // addr is yyy…y01…1: k trailing ones make a region of 2^(k+3) bytes.
      const ones = entry.addr & ~(entry.addr + 1n);
      const bytes = (ones + 1n) << 3n;
      const first = (entry.addr & ~ones) << 2n;
      return [first, first + bytes - 1n];
    }
    default:
      return undefined;
  }
}

/** What a matching entry gives: M-mode is bound by locked entries only. */
export function pmpPermissions(cfg: number): number {
  const given =
    (cfg & PMP_CFG.R ? PERMISSION.load : 0) |
    (cfg & PMP_CFG.W ? PERMISSION.store : 0) |
    (cfg & PMP_CFG.X ? PERMISSION.fetch : 0);
  return given | ((cfg & PMP_CFG.L ? given : ALL) << PERMISSION_MACHINE_SHIFT);
}

/** Without a matching entry M-mode may do everything, S and U nothing. */
const UNMATCHED = ALL << PERMISSION_MACHINE_SHIFT;

/** Cuts the address space where entries begin and end; the lowest-numbered matching entry decides each piece. */
export function flattenPmp(entries: readonly PmpEntry[]): readonly PmpInterval[] {
  const ranges = entries.map((_, i) => pmpRange(entries, i));
  const starts = new Set<bigint>([0n]);
  for (const range of ranges) {
    if (range === undefined) continue;
    starts.add(range[0]);
    starts.add(range[1] + 1n);
  }
  const sorted = [...starts].sort((a, b) => (a < b ? -1 : 1));
  const intervals: PmpInterval[] = [];
  for (const [i, first] of sorted.entries()) {
    const last = (sorted[i + 1] ?? ADDRESS_SPACE_LAST + 1n) - 1n;
    const found = ranges.findIndex((r) => r !== undefined && r[0] <= first && first <= r[1]);
    const entry = found < 0 ? undefined : found;
    const permissions = entry === undefined ? UNMATCHED : pmpPermissions(entries[entry]?.cfg ?? 0);
    const before = intervals.at(-1);
    // Pieces of one entry stay one interval; pieces of different entries never merge, see pmpAllows.
    if (before !== undefined && before.entry === entry) intervals[intervals.length - 1] = { ...before, last };
    else intervals.push({ first, last, entry, permissions });
  }
  return intervals;
}

/**
 * "The matching PMP entry must match all bytes of an access, or the access fails": an access must lie in one interval.
 */
export function pmpAllows(
  intervals: readonly PmpInterval[],
  address: bigint,
  bytes: number,
  permission: number,
  machineMode: boolean,
): boolean {
  const interval = intervals.find((i) => address <= i.last);
  if (interval === undefined || address + BigInt(bytes) - 1n > interval.last) return false;
  return ((interval.permissions >> (machineMode ? PERMISSION_MACHINE_SHIFT : 0)) & permission) !== 0;
}
