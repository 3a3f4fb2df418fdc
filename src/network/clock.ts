/** Node time for the network. Structurally the machine's `Scheduler`; tests bring a hand-driven one. */
export interface NetworkClock {
  /** Nanoseconds of node time, an integer. */
  now(): number;
  /** Runs `event` at `atNs` (never earlier than now; events of one instant in the order given); returns how to call it off. */
  at(atNs: number, event: () => void): () => void;
}

export const NS_PER_MS = 1_000_000;
export const NS_PER_S = 1_000_000_000;
