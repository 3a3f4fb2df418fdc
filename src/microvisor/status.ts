/** What the Microvisor tells of itself: who owns what, who ran how long, what it cost. */
import type { Side } from '../machine/index.ts';
import type { StateDifference } from './machine-state.ts';
import type { OwnedRegion, Owner } from './partition.ts';

/** Where an OS that sleeps goes on: a0 is the hart, a1 `opaque`. Numbers of 64 bits as `0x1f`. */
export interface ResumePoint {
  readonly hart: number;
  readonly address: string;
  readonly opaque: string;
}

export interface GuestStatus {
  readonly state: 'created' | 'booting' | 'running' | 'asleep' | 'stopping' | 'off';
  /** Only of one that is asleep. */
  readonly resume?: ResumePoint;
  /** Harts it has, and those of them its OS has online. */
  readonly harts: readonly number[];
  readonly hartsOnline: readonly number[];
  /** How many times its OS was loaded; the one that ran when the node was virtualized counts. */
  readonly boots: number;
  /** Why its last boot failed. */
  readonly bootError: { readonly code: string; readonly message: string } | null;
  /** Entries into M-mode by cause since it was made. */
  readonly exits: Readonly<Record<string, number>>;
  readonly ranNs: number;
  readonly instructions: number;
  /** Waited for an interrupt. */
  readonly idleNs: number;
  /** Could have run and did not: another did, or M-mode. */
  readonly heldNs: number;
  /** M-mode work at its exits and for its boots. */
  readonly monitorCycles: number;
  readonly switchesIn: number;
  /** Longest stretch it could have run and did not, since the last mark. */
  readonly pauseNs: number;
}

export interface MicrovisorStatus {
  readonly state: 'bare' | 'virtualized';
  /** Name of the release of the Microvisor. */
  readonly release: string;
  /** Bare: the side that has the machine. */
  readonly production: Side;
  readonly guests: Readonly<Partial<Record<Side, GuestStatus>>>;
  readonly share: { readonly maintenancePercent: number; readonly sliceUs: number };
  readonly memory: readonly OwnedRegion[];
  readonly slots: Readonly<Record<Side, readonly Owner[]>>;
  /** Who has each hart, by hart id; two where they share it. Bare: the one OS has them all. */
  readonly harts: readonly (readonly Side[])[];
  /** Bare: whether what M-mode owns is bit for bit what the firmware sets for this side, read from the machine now. */
  readonly stateIdentical: boolean | null;
  readonly differences: readonly StateDifference[];
}
