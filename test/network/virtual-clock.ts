import type { NetworkClock } from '../../src/network/clock.ts';

interface Event {
  readonly atNs: number;
  readonly order: number;
  readonly run: () => void;
}

const EVENTS_MAX = 10_000_000;

/** Node time driven by hand. */
export class VirtualClock implements NetworkClock {
  #nowNs = 0;
  #order = 0;
  #events: Event[] = [];

  now(): number {
    return this.#nowNs;
  }

  at(atNs: number, run: () => void): () => void {
    const event = { atNs: Math.max(atNs, this.#nowNs), order: this.#order++, run };
    this.#events.push(event);
    return () => {
      const index = this.#events.indexOf(event);
      if (index >= 0) this.#events.splice(index, 1);
    };
  }

  /** Runs every event up to and including `untilNs`. */
  run(untilNs: number): void {
    for (let count = 0; count < EVENTS_MAX; count++) {
      const next = this.#earliest();
      if (next === undefined || next.atNs > untilNs) {
        this.#nowNs = Math.max(this.#nowNs, untilNs);
        return;
      }
      this.#events.splice(this.#events.indexOf(next), 1);
      this.#nowNs = next.atNs;
      next.run();
    }
    throw new Error(`more than ${EVENTS_MAX} events before ${untilNs} ns`);
  }

  get pending(): number {
    return this.#events.length;
  }

  #earliest(): Event | undefined {
    return this.#events.reduce<Event | undefined>(
      (best, event) =>
        best === undefined || event.atNs < best.atNs || (event.atNs === best.atNs && event.order < best.order)
          ? event
          : best,
      undefined,
    );
  }
}
