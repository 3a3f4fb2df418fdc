/** Names of M-mode entries by cause: [Priv] "Machine Cause Register (mcause)", the interrupt bit written as bit 31. */
import type { ReportPhase } from '../generated/report.ts';

const NAMES: { readonly [cause: string]: string } = {
  '0x1': 'instruction access fault',
  '0x2': 'illegal instruction',
  '0x5': 'load access fault',
  '0x7': 'store access fault',
  '0x9': 'SBI call',
  '0x80000003': 'software interrupt',
  '0x80000007': 'timer interrupt',
  '0x8000000b': 'external interrupt',
};

const causeName = (cause: string): string => NAMES[cause] ?? cause;

type Traps = NonNullable<ReportPhase['traps']>;

export const entriesIn = (traps: Traps): number =>
  Object.values(traps).reduce((sum: number, entries = 0) => sum + entries, 0);

/** e.g. `SBI call 34, timer interrupt 2` */
export const entriesByName = (traps: Traps): string =>
  Object.entries(traps)
    .map(([cause, entries]) => `${causeName(cause)} ${entries}`)
    .join(', ');
