import type { NetworkClock } from '../../src/network/clock.ts';

/** Node time that follows the wall clock, for peers that are not emulated. */
export class RealtimeClock implements NetworkClock {
  readonly #originNs = process.hrtime.bigint();
  readonly #timers = new Set<NodeJS.Timeout>();

  now(): number {
    return Number(process.hrtime.bigint() - this.#originNs);
  }

  at(atNs: number, run: () => void): () => void {
    const delayMs = Math.max(0, Math.ceil((atNs - this.now()) / 1e6));
    const timer = setTimeout(() => {
      this.#timers.delete(timer);
      run();
    }, delayMs);
    this.#timers.add(timer);
    return () => {
      this.#timers.delete(timer);
      clearTimeout(timer);
    };
  }

  close(): void {
    for (const timer of this.#timers) clearTimeout(timer);
    this.#timers.clear();
  }
}
