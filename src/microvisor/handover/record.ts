/**
 * What one image of the Microvisor tells the one that replaces it: all it knows of the node that cannot be read from the
 * machine. As data; what of it a format has is in release.ts.
 */
import type { HartState, PmpEntry } from '../../firmware/index.ts';
import type { Side } from '../../machine/index.ts';
import type { SideAccount, WorstWakes } from '../account-book.ts';
import type { AccountState } from '../guest-account.ts';
import type { HartContext } from '../hart-context.ts';
import type { Partition } from '../partition.ts';
import type { ShareState } from '../share.ts';
import type { SteerState } from '../steering.ts';

export interface Handover {
  /** Name of the release that wrote it. */
  readonly release: string;
  readonly board: { readonly ramBytes: number; readonly harts: number };
  /** Null while the node is bare. */
  readonly node: NodeRecord | null;
  readonly past: Readonly<Record<Side, SideAccount>>;
  /** Null where the format does not have it. */
  readonly worstWakes: WorstWakes | null;
}

export interface NodeRecord {
  readonly partition: Omit<Partition, 'board'>;
  readonly production: Side;
  readonly share: { readonly percent: number; readonly sliceTicks: number };
  readonly guests: readonly GuestRecord[];
  readonly harts: readonly HartRecord[];
}

export const HANDED_PHASES = ['created', 'running', 'off'] as const;
export const HANDED_WAITS = ['wfi', 'suspend'] as const;

export interface GuestRecord {
  readonly side: Side;
  readonly phase: (typeof HANDED_PHASES)[number];
  readonly boots: number;
  readonly bootError: { readonly code: string; readonly message: string } | null;
  readonly account: AccountState;
  readonly harts: readonly VirtualHartRecord[];
}

export interface VirtualHartRecord {
  readonly id: number;
  readonly state: HartState;
  readonly wait: (typeof HANDED_WAITS)[number] | null;
  /** Null: its state is in the hart, or it has none. */
  readonly context: HartContext | null;
  readonly runnableSince: number | null;
  readonly isWoken: boolean;
}

/** What the monitor of a hart knows; times in ticks, Infinity for never. */
export interface HartRecord {
  readonly id: number;
  /** Whose state the hart holds, and who was in it when M-mode was entered. */
  readonly loaded: Side | null;
  readonly entered: Side | null;
  readonly pmp: readonly PmpEntry[];
  readonly steer: SteerState;
  readonly timerTicks: number;
  readonly isWaitTrapSet: boolean;
  readonly share: ShareState;
  /** What the hart did since M-mode was left, and when that was. */
  readonly run: Side | null;
  readonly untilTicks: number;
  readonly sinceTicks: number;
  /** minstret and mhpmcounter3 when a guest was entered. */
  readonly instret: bigint;
  readonly waited: bigint;
  /** Cycles of M-mode that no account has yet. */
  readonly unbookedCycles: number;
}
