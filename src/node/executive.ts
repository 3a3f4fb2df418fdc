/**
 * Runs the machine for those who wait for something to happen on it.
 *
 * Invariants:
 * 1. With the virtual clock the machine advances only while somebody waits (`drive`) and nobody holds it; with the real
 *    one from the first wait, which is the one for power-on, until the node is off.
 * 2. Whatever settles a wait pauses the machine at that instant, and what was waiting runs before the machine goes on:
 *    the order of events is the machine's own, however slow or fast the process around it is.
 */
import type { Machine, NodeTimeNs } from '../machine/index.ts';

/** Longest stretch without looking at the process's own event loop. */
const SLICE_NS = 20_000_000;
/** realtime: a slice must not hold up sockets. */
const REALTIME_SLICE_NS = 4_000_000;

export class NodeOffError extends Error {
  override readonly name = 'NodeOffError';
}

export interface WaitClock {
  now(): NodeTimeNs;
  /** As Scheduler.at; the machine pauses after `event`, so that promises it settled are seen at that instant. */
  at(atNs: NodeTimeNs, event: () => void): () => void;
}

export class Executive {
  readonly clock: WaitClock;
  /** The node has powered itself off; called before those who wait are told. */
  onOff: () => void = () => {};
  readonly #machine: Machine;
  readonly #realtime: boolean;
  #waiting = 0;
  #pumping = false;
  #held = false;
  #closed = false;
  #off: ((error: Error) => void)[] = [];
  #kick: (() => void) | undefined;

  constructor(machine: Machine) {
    this.#machine = machine;
    this.#realtime = machine.options.clock.kind === 'realtime';
    this.clock = {
      now: () => machine.now(),
      at: (atNs, event) => machine.scheduler.at(atNs, this.pausing(event)),
    };
  }

  /** Wraps a callback that the machine calls during a run, so that the run pauses right after it. */
  pausing<A extends readonly unknown[]>(callback: (...args: A) => void): (...args: A) => void {
    return (...args) => {
      callback(...args);
      this.#machine.pause();
    };
  }

  /** Lets the machine run until `work` settles. Rejects with NodeOffError when the node powers off meanwhile. */
  async drive<T>(work: Promise<T>): Promise<T> {
    this.#waiting += 1;
    let off: ((error: Error) => void) | undefined;
    const poweredOff = new Promise<never>((_resolve, reject) => {
      off = reject;
      this.#off.push(reject);
    });
    void this.#pump();
    try {
      return await Promise.race([work, poweredOff]);
    } finally {
      this.#waiting -= 1;
      this.#off = this.#off.filter((reject) => reject !== off);
    }
  }

  /**
   * virtual: lets the machine stand still though somebody waits, until it is released: what is under way goes on when its
   * driver has seen what ended first.
   */
  hold(): void {
    this.#held = !this.#realtime;
  }

  release(): void {
    this.#held = false;
    if (this.#waiting > 0) void this.#pump();
  }

  /** Resolves at `ns` of node time; needs somebody to `drive`. */
  until(ns: NodeTimeNs, signal?: AbortSignal): Promise<void> {
    if (ns <= this.#machine.now()) return Promise.resolve();
    return new Promise((resolve, reject) => {
      const cancel = this.clock.at(ns, resolve);
      signal?.addEventListener('abort', () => {
        cancel();
        reject(signal.reason);
      });
    });
  }

  sleep(ns: number, signal?: AbortSignal): Promise<void> {
    return this.until(this.#machine.now() + ns, signal);
  }

  /** realtime: something came from outside (a key press, a frame); do not sleep on. */
  kick(): void {
    this.#kick?.();
  }

  close(): void {
    this.#closed = true;
    this.kick();
  }

  async #pump(): Promise<void> {
    if (this.#pumping) return;
    this.#pumping = true;
    const machine = this.#machine;
    try {
      // What asked to be driven may already have settled.
      await nextTurn();
      while (!this.#closed && !this.#held && (this.#realtime || this.#waiting > 0)) {
        const stop = machine.run(machine.now() + (this.#realtime ? REALTIME_SLICE_NS : SLICE_NS));
        if (stop === 'off') {
          this.onOff();
          for (const reject of this.#off) reject(new NodeOffError('the node has been powered off'));
          await nextTurn();
          break;
        }
        if (stop === 'idle') await this.#idle();
        else await nextTurn();
      }
    } catch (error) {
      // With the real clock there may be nobody who waits: a machine that stands still has to be noticed all the same.
      if (this.#off.length === 0) throw error;
      for (const reject of this.#off) reject(error instanceof Error ? error : new Error(String(error)));
    } finally {
      this.#pumping = false;
    }
  }

  async #idle(): Promise<void> {
    const machine = this.#machine;
    const next = machine.nextEventNs();
    const ms = next === undefined ? 100 : Math.min(100, Math.max(0, (next - machine.now()) / 1e6));
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, ms);
      this.#kick = () => {
        clearTimeout(timer);
        resolve();
      };
    });
    this.#kick = undefined;
  }
}

/** Lets every settled promise and every socket have its turn. */
const nextTurn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
