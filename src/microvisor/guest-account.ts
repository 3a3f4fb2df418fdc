/** What a guest used and what it cost, since it was made. Time in ticks of the time base, work in cycles. */

/** Why a guest was left for M-mode. */
export type ExitCause =
  | 'wfi'
  | 'sbi'
  /** Load or store at a slot that is another's: served as if nothing were there. */
  | 'absent-device'
  /** Access fault, illegal instruction: handed on to the guest's own handler. */
  | 'access-fault'
  | 'illegal-instruction'
  | 'timer'
  | 'external'
  | 'software';

export interface AccountState {
  readonly exits: Readonly<Record<string, number>>;
  readonly ranTicks: number;
  readonly instructions: number;
  readonly idleTicks: number;
  readonly heldTicks: number;
  readonly monitorCycles: number;
  readonly switchesIn: number;
  readonly longestPauseTicks: number;
}

export class GuestAccount {
  readonly #exits = new Map<ExitCause, number>();
  /** Ran on the hart. */
  ranTicks = 0;
  /** Instructions retired while it ran. */
  instructions = 0;
  /** Waited for an interrupt. */
  idleTicks = 0;
  /** Could have run and did not. */
  heldTicks = 0;
  /** M-mode work done at its exits. */
  monitorCycles = 0;
  switchesIn = 0;
  /** Longest stretch it could have run and did not, since the last mark. */
  #longestPauseTicks = 0;

  static of(state: AccountState): GuestAccount {
    const account = new GuestAccount();
    for (const [cause, count] of Object.entries(state.exits)) account.#exits.set(cause as ExitCause, count);
    account.ranTicks = state.ranTicks;
    account.instructions = state.instructions;
    account.idleTicks = state.idleTicks;
    account.heldTicks = state.heldTicks;
    account.monitorCycles = state.monitorCycles;
    account.switchesIn = state.switchesIn;
    account.#longestPauseTicks = state.longestPauseTicks;
    return account;
  }

  state(): AccountState {
    const { exits, ranTicks, instructions, idleTicks, heldTicks, monitorCycles, switchesIn, longestPauseTicks } = this;
    return { exits, ranTicks, instructions, idleTicks, heldTicks, monitorCycles, switchesIn, longestPauseTicks };
  }

  exit(cause: ExitCause): void {
    this.#exits.set(cause, (this.#exits.get(cause) ?? 0) + 1);
  }

  get exits(): Readonly<Record<string, number>> {
    return Object.fromEntries([...this.#exits].sort(([left], [right]) => (left < right ? -1 : 1)));
  }

  get longestPauseTicks(): number {
    return this.#longestPauseTicks;
  }

  paused(ticks: number): void {
    this.#longestPauseTicks = Math.max(this.#longestPauseTicks, ticks);
  }

  mark(): void {
    this.#longestPauseTicks = 0;
  }
}
