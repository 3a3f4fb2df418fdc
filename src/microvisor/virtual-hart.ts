import { HART_STATE } from '../firmware/index.ts';
import type { Guest } from './guest.ts';
import type { HartContext } from './hart-context.ts';

/** What a hart of a guest that does not run waits for. */
export type Wait =
  /** At a `wfi`: pc is on it, so that it can still be executed by the hart itself. */
  | { readonly kind: 'wfi' }
  /** In an SBI call that returns with the next interrupt; pc is behind it. */
  | { readonly kind: 'suspend' }
  /** In an SBI call that has yet to return; pc is behind it. */
  | { readonly kind: 'sbi'; readonly until: () => boolean };

/** A hart as a guest has it: always on the hart of the machine with its number, which another guest may have as well. */
export class VirtualHart {
  readonly guest: Guest;
  readonly hartId: number;
  wait: Wait | undefined;
  /** Its state while it is not in the hart. */
  context: HartContext | undefined;
  /** Since when it could run and does not, in ticks. */
  runnableSince: number | undefined;
  /** A wait of it has ended, and it has not run since. */
  isWoken = false;

  constructor(guest: Guest, hartId: number) {
    this.guest = guest;
    this.hartId = hartId;
  }

  get side(): Guest['side'] {
    return this.guest.side;
  }

  /** M-mode loads the guest's OS on it. */
  get isBooting(): boolean {
    const { phase } = this.guest;
    return phase.kind === 'booting' && phase.hartId === this.hartId;
  }

  /** Its guest sleeps, and is entered on it when it is woken. */
  get isAsleep(): boolean {
    const { phase } = this.guest;
    return phase.kind === 'asleep' && phase.resume.hartId === this.hartId;
  }

  /** It runs, or waits to. */
  get isAlive(): boolean {
    const runs = this.guest.phase.kind === 'running' && this.isStarted;
    return runs || this.isBooting;
  }

  get isStarted(): boolean {
    return this.guest.sbi.harts.state(this.hartId) === HART_STATE.started;
  }

  get waits(): boolean {
    const { phase } = this.guest;
    return phase.kind === 'booting' ? phase.waits : this.wait !== undefined;
  }

  /** As out of reset. */
  clear(): void {
    this.wait = undefined;
    this.context = undefined;
    this.runnableSince = undefined;
    this.isWoken = false;
  }
}
