/**
 * Whether a guest leaves its hart to nobody: one that hangs in a loop never waits for an interrupt, one that serves does so
 * between two requests. Reads the Microvisor's account only, so that watching costs the guest no time.
 */
import type { SideAccount } from '../microvisor/index.ts';

export class BusyWatch {
  readonly #account: () => SideAccount;
  #from: SideAccount;

  constructor(account: () => SideAccount) {
    this.#account = account;
    this.#from = account();
  }

  /** How long it has run since it was last seen to have waited; to be asked now and then. */
  busyNs(): number {
    const now = this.#account();
    if (now.idleNs !== this.#from.idleNs) this.#from = now;
    return now.ranNs - this.#from.ranNs;
  }

  begin(): void {
    this.#from = this.#account();
  }
}
