/**
 * Work that is due later, in order of time and, within an instant, in the order it was scheduled.
 *
 * Devices use named `Timer`s, which a snapshot can hold; everybody else uses `Scheduler.at`, whose closures it cannot
 * hold: after a restore their owners schedule them again.
 */
import type { NodeTimeNs, Scheduler, SnapshotValue } from './door.ts';
import { SnapshotError, SnapshotPart } from './snapshot-part.ts';

/** One deadline of a device. */
export interface Timer {
  /** Due time, or undefined when it is off. */
  readonly atNs: NodeTimeNs | undefined;
  /** Fires once at `atNs` (now when that is past); replaces an earlier deadline. */
  arm(atNs: NodeTimeNs): void;
  disarm(): void;
  /** Disarms for good and frees the name. */
  dispose(): void;
}

export interface TimerSource {
  now(): NodeTimeNs;
  /** `name` is unique in the machine: a snapshot knows the timer by it. */
  timer(name: string, fire: () => void): Timer;
}

interface Entry {
  readonly atNs: NodeTimeNs;
  readonly order: number;
  readonly run: () => void;
  readonly timer: string | undefined;
  live: boolean;
}

const isBefore = (a: Entry, b: Entry): boolean => a.atNs < b.atNs || (a.atNs === b.atNs && a.order < b.order);

const VERSION = 1;

export class EventQueue implements Scheduler, TimerSource {
  readonly #now: () => NodeTimeNs;
  readonly #onEarlier: (atNs: NodeTimeNs) => void;
  /** Binary heap by `isBefore`. */
  #heap: Entry[] = [];
  #order = 0;
  readonly #timers = new Map<string, { arm(atNs: NodeTimeNs): void; entry: () => Entry | undefined; clear(): void }>();

  /** `onScheduled` is told of each new deadline, so that a running hart can be stopped in time. */
  constructor(now: () => NodeTimeNs, onScheduled: (atNs: NodeTimeNs) => void) {
    this.#now = now;
    this.#onEarlier = onScheduled;
  }

  now(): NodeTimeNs {
    return this.#now();
  }

  at(atNs: NodeTimeNs, event: () => void): () => void {
    const entry = this.#push(atNs, event, undefined);
    return () => {
      entry.live = false;
    };
  }

  timer(name: string, fire: () => void): Timer {
    if (this.#timers.has(name)) throw new Error(`a timer named ${name} exists already`);
    let entry: Entry | undefined;
    const disarm = (): void => {
      if (entry !== undefined) entry.live = false;
      entry = undefined;
    };
    const arm = (atNs: NodeTimeNs): void => {
      disarm();
      entry = this.#push(
        atNs,
        () => {
          entry = undefined;
          fire();
        },
        name,
      );
    };
    this.#timers.set(name, { arm, entry: () => entry, clear: disarm });
    return {
      get atNs() {
        return entry?.atNs;
      },
      arm,
      disarm,
      dispose: () => {
        disarm();
        this.#timers.delete(name);
      },
    };
  }

  /** Time of the earliest live event; Infinity when there is none. */
  nextNs(): NodeTimeNs {
    for (;;) {
      const first = this.#heap[0];
      if (first === undefined) return Number.POSITIVE_INFINITY;
      if (first.live) return first.atNs;
      this.#pop();
    }
  }

  /** Runs everything due at `nowNs`, including what that schedules for the same instant. */
  runDue(nowNs: NodeTimeNs): void {
    while (this.nextNs() <= nowNs) {
      const entry = this.#pop()!;
      entry.live = false;
      entry.run();
    }
  }

  /** Armed timers in the order they will fire. */
  save(): SnapshotValue {
    const armed = [...this.#timers]
      .flatMap(([name, timer]) => {
        const entry = timer.entry();
        return entry === undefined ? [] : [{ name, entry }];
      })
      .sort((a, b) => (isBefore(a.entry, b.entry) ? -1 : 1));
    return { version: VERSION, armed: armed.map(({ name, entry }) => ({ name, atNs: entry.atNs })) };
  }

  /** Drops every event and arms the timers of the snapshot; throws when one of them does not exist here. */
  restore(state: SnapshotValue): void {
    const armed = new SnapshotPart('events', state, VERSION).parts('armed');
    for (const timer of this.#timers.values()) timer.clear();
    for (const entry of this.#heap) entry.live = false;
    this.#heap = [];
    for (const part of armed) {
      const name = part.string('name');
      const timer = this.#timers.get(name);
      if (timer === undefined) throw new SnapshotError(`events: expected a device with timer ${name}, found none`);
      timer.arm(part.number('atNs'));
    }
  }

  #push(atNs: NodeTimeNs, run: () => void, timer: string | undefined): Entry {
    if (!Number.isSafeInteger(atNs)) throw new RangeError(`an event is due at whole nanoseconds, not ${atNs}`);
    const entry: Entry = { atNs: Math.max(atNs, this.#now()), order: this.#order++, run, timer, live: true };
    const heap = this.#heap;
    let index = heap.push(entry) - 1;
    while (index > 0) {
      const parent = (index - 1) >> 1;
      if (!isBefore(entry, heap[parent]!)) break;
      heap[index] = heap[parent]!;
      index = parent;
    }
    heap[index] = entry;
    this.#onEarlier(entry.atNs);
    return entry;
  }

  #pop(): Entry | undefined {
    const heap = this.#heap;
    const first = heap[0];
    const last = heap.pop();
    if (first === undefined || last === undefined || heap.length === 0) return first;
    let index = 0;
    for (;;) {
      let child = 2 * index + 1;
      if (child >= heap.length) break;
      if (child + 1 < heap.length && isBefore(heap[child + 1]!, heap[child]!)) child++;
      if (!isBefore(heap[child]!, last)) break;
      heap[index] = heap[child]!;
      index = child;
    }
    heap[index] = last;
    return first;
  }
}
