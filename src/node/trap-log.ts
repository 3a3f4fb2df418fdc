/** M-mode entries by cause over node time: samples at the borders of acts, differences between any two of them. */
import type { Machine, NodeTimeNs } from '../machine/index.ts';

interface Sample {
  readonly atNs: NodeTimeNs;
  readonly entries: Readonly<Record<string, number>>;
}

export class TrapLog {
  readonly #machine: Machine;
  readonly #samples: Sample[] = [];

  constructor(machine: Machine) {
    this.#machine = machine;
  }

  mark(): void {
    const atNs = this.#machine.now();
    if (this.#samples.at(-1)?.atNs === atNs) this.#samples.pop();
    this.#samples.push({ atNs, entries: { ...this.#machine.counters.machineModeEntries } });
  }

  /** Entries between the last sample at or before each end. */
  between(fromNs: NodeTimeNs, toNs: NodeTimeNs): { [cause: string]: number } {
    const from = this.#at(fromNs);
    const to = this.#at(toNs);
    const causes = Object.keys(to).toSorted();
    return Object.fromEntries(
      causes
        .map((cause): [string, number] => [cause, (to[cause] ?? 0) - (from[cause] ?? 0)])
        .filter(([, count]) => count > 0),
    );
  }

  #at(ns: NodeTimeNs): Readonly<Record<string, number>> {
    return this.#samples.findLast((sample) => sample.atNs <= ns)?.entries ?? {};
  }
}
