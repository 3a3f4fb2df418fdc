/** What the node tells of itself at an instant, for a person who watches: totals since it was switched on. */
import type { GuestName } from '../engine/port.ts';
import { SIDES, type Side } from '../machine/index.ts';
import type { SideAccount } from '../microvisor/index.ts';
import type { EmulatedNode } from './emulated-node.ts';
import type { StandbyWorth } from './standbys.ts';

export interface NodeTop {
  readonly nowNs: number;
  readonly harts: number;
  readonly virtualized: boolean;
  readonly retiredInstructions: number;
  /** Entries into M-mode by mcause, of the whole node. */
  readonly traps: { readonly [cause: string]: number };
  readonly sides: readonly {
    readonly side: Side;
    /** Name of its guest, while there is one. */
    readonly guest: GuestName | null;
    readonly account: SideAccount;
  }[];
  /** What is kept asleep: of which side, and how much memory. */
  readonly standbys: readonly {
    readonly name: string;
    readonly side: Side;
    readonly bytes: number;
    readonly worth: StandbyWorth;
  }[];
}

export function topOf(node: EmulatedNode): NodeTop {
  const { machine } = node;
  const nowNs = machine.now();
  const { retiredInstructions, machineModeEntries } = machine.counters;
  return {
    nowNs,
    harts: machine.options.harts,
    virtualized: node.virtualized,
    retiredInstructions,
    traps: machineModeEntries,
    sides: SIDES.map((side) => ({
      side,
      guest: node.guests.findName(side) ?? null,
      account: node.microvisor.account(side, nowNs),
    })),
    standbys: node.standbys.names().map((name) => {
      const { side, bytes } = node.standbys.get(name);
      return { name, side, bytes, worth: node.worthOfStandby(name) };
    }),
  };
}
