/** An OS instance: its harts, its SBI, how far its boot is, and its account. */
import {
  consoleReadByte,
  consoleWriteByte,
  HART_STATE,
  HartGroup,
  type HartStart,
  type LoadedOs,
  SBI_ERROR,
  type SbiGuest,
  sbiFailure,
  type Waiting,
} from '../firmware/index.ts';
import type { Side } from '../machine/index.ts';
import { GuestAccount } from './guest-account.ts';
import { ownsMemory } from './partition.ts';
import { VirtualHart } from './virtual-hart.ts';
import type { Virtualized } from './virtualized.ts';

/** Where an OS that sleeps goes on, and on which hart. */
export interface Resume extends HartStart {
  readonly hartId: number;
}

/** What of the node its guests have to know. */
type Surroundings = Pick<Virtualized, 'partition' | 'production'>;

export type GuestPhase =
  | { readonly kind: 'created' }
  /** M-mode loads its OS from its disk on a hart; `waits`: for the disk. */
  | {
      readonly kind: 'booting';
      readonly hartId: number;
      readonly loader: Waiting<LoadedOs>;
      readonly waits: boolean;
    }
  | { readonly kind: 'running' }
  /** It has suspended itself: nothing of it is in a hart. */
  | { readonly kind: 'asleep'; readonly resume: Resume }
  /** Its harts are taken out of it, one after another. */
  | { readonly kind: 'stopping' }
  | { readonly kind: 'off' };

export class Guest {
  readonly side: Side;
  readonly sbi: SbiGuest;
  readonly account: GuestAccount;
  readonly harts = new Map<number, VirtualHart>();
  phase: GuestPhase = { kind: 'created' };
  /** How many times its OS was loaded; the one it was virtualized with counts. */
  boots = 0;
  bootError: { readonly code: string; readonly message: string } | undefined;

  /** `group`: its harts, and what they have asked of each other. */
  constructor(side: Side, group: HartGroup, node: Surroundings, account = new GuestAccount()) {
    this.side = side;
    this.account = account;
    for (const id of group.hartIds) this.harts.set(id, new VirtualHart(this, id));
    this.sbi = {
      harts: group,
      owns: (address, bytes) => ownsMemory(node.partition, side, Number(address), Number(bytes)),
      console: {
        writeByte: (hart, byte) => consoleWriteByte(hart, side, byte),
        readByte: (hart) => consoleReadByte(hart, side),
      },
      reset: (_hart, type) => ({ kind: type === 'shutdown' ? 'guest-shutdown' : 'guest-reboot' }),
      suspend: (resume) => (this.#maySleep(node) ? { kind: 'guest-suspend', resume } : sbiFailure(SBI_ERROR.DENIED)),
    };
  }

  /** The OS that runs on all these harts when the node is virtualized. */
  static running(side: Side, group: HartGroup, node: Surroundings): Guest {
    const guest = new Guest(side, group, node);
    guest.phase = { kind: 'running' };
    guest.boots = 1;
    return guest;
  }

  /** A guest without an OS; its harts are stopped. */
  static created(side: Side, hartIds: readonly number[], node: Surroundings): Guest {
    return new Guest(side, new HartGroup(hartIds), node);
  }

  /** It has, or will have when it wakes, an OS. */
  get isAlive(): boolean {
    return this.phase.kind !== 'created' && this.phase.kind !== 'off';
  }

  /** Production serves, and nobody waits to wake it. One that is being stopped stays so. */
  #maySleep({ production }: Surroundings): boolean {
    return this.phase.kind === 'running' && production !== this.side;
  }

  /** The hart its OS is loaded and entered on next. */
  get bootHartId(): number {
    return Math.min(...this.harts.keys());
  }

  /** Harts that its OS has not started, or has stopped. */
  get stoppedHarts(): readonly number[] {
    const { harts } = this.sbi;
    return harts.hartIds.filter((id) => harts.state(id) !== HART_STATE.started);
  }

  addHart(hartId: number): void {
    this.sbi.harts.resetHart(hartId);
    this.harts.set(hartId, new VirtualHart(this, hartId));
  }

  removeHart(hartId: number): void {
    this.sbi.harts.removeHart(hartId);
    this.harts.delete(hartId);
  }
}
