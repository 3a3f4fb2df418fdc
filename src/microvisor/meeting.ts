/**
 * All harts in M-mode at once. The one that calls the meeting *leads*: the others come when their MSIP is raised, wait, do
 * what they are told, and leave together. With one hart nobody is waited for and nothing is charged.
 */
import type { Waiting } from '../firmware/index.ts';
import type { MachineModeHart } from '../machine/index.ts';
import type { HartCalls } from './cross-hart.ts';
import type { MeteredHart } from './metered-hart.ts';

interface Order {
  readonly work: (hart: MeteredHart) => void;
  outstanding: number;
  failure: unknown;
}

export class Meeting {
  readonly leader: MeteredHart;
  readonly #followers: readonly number[];
  readonly #calls: HartCalls;
  readonly #metered: (hart: MachineModeHart) => MeteredHart;
  readonly #orders: Order[] = [];
  #arrived = 0;
  #isOver = false;

  /** `metered`: the hart as the Microvisor charges itself for what it does there. */
  constructor(leader: MeteredHart, calls: HartCalls, metered: (hart: MachineModeHart) => MeteredHart) {
    this.leader = leader;
    this.#calls = calls;
    this.#metered = metered;
    this.#followers = calls.group.hartIds.filter((id) => id !== leader.hartId);
  }

  /** Calls the others; they stand still when it is done. */
  *begin(): Waiting<void> {
    for (const id of this.#followers) {
      this.#calls.group.post(this.leader, id, { kind: 'call', call: (hart) => this.#follow(hart) });
    }
    yield* this.#waitUntil(() => this.#arrived === this.#followers.length);
  }

  /**
   * Every hart does `work`: this one first, and where that throws no other is told; then the others, all of them, and what
   * the first of them threw is thrown here.
   */
  *everywhere(work: (hart: MeteredHart) => void): Waiting<void> {
    work(this.leader);
    if (this.#followers.length === 0) return;
    const order: Order = { work, outstanding: this.#followers.length, failure: undefined };
    this.#orders.push(order);
    this.#wakeFollowers();
    yield* this.#waitUntil(() => order.outstanding === 0);
    if (order.failure !== undefined) throw order.failure;
  }

  /** The others go on where they were. */
  end(): void {
    this.#isOver = true;
    this.#wakeFollowers();
  }

  *#follow(machineHart: MachineModeHart): Waiting<void> {
    const hart = this.#metered(machineHart);
    this.#arrived += 1;
    let next = 0;
    this.#wakeLeader(hart);
    while (!this.#isOver) {
      yield 'wfi';
      yield* this.#calls.serve(hart);
      for (; next < this.#orders.length; next++) {
        const order = this.#orders[next];
        if (order === undefined) break;
        obey(order, hart);
        this.#wakeLeader(hart);
      }
    }
  }

  *#waitUntil(done: () => boolean): Waiting<void> {
    while (!done()) {
      yield 'wfi';
      yield* this.#calls.serve(this.leader);
    }
  }

  #wakeLeader(from: MachineModeHart): void {
    this.#calls.group.post(from, this.leader.hartId, { kind: 'wake' });
  }

  #wakeFollowers(): void {
    for (const id of this.#followers) this.#calls.group.post(this.leader, id, { kind: 'wake' });
  }
}

function obey(order: Order, hart: MeteredHart): void {
  try {
    order.work(hart);
  } catch (error) {
    order.failure ??= error;
  }
  order.outstanding -= 1;
}
