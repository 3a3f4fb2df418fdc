/**
 * The client of the service whose experience is the downtime. Open loop: a request starts at every slot of a fixed
 * schedule in node time, whatever became of the ones before, each on a connection of its own, each with a deadline.
 *
 * Invariants:
 * 1. Slot k begins at `phase + k * interval` counted from node time 0, so that a prober that was restored goes on in step.
 * 2. Every slot that began while the prober ran gets exactly one record, in the order of the slots.
 */
import type { ClientStack } from './client-stack.ts';
import type { NetworkClock } from './clock.ts';
import { httpGet } from './http-client.ts';
import { type Expectation, outcomeOf } from './outcome.ts';
import { ProbeLog, type ProbeOutcome, type ProbeRecord } from './probe-log.ts';
import { measureProbe, type ProbeMeasurement } from './probe-measurement.ts';

/** One request: starts at once and calls `done` once, at the deadline at the latest. */
export type Ask = (
  slot: { readonly atNs: number; readonly deadlineNs: number },
  done: (answer: { readonly outcome: ProbeOutcome; readonly servedBy: string }) => void,
) => void;

export interface ProberOptions {
  readonly clock: NetworkClock;
  readonly ask: Ask;
  /** Between the beginnings of slots. */
  readonly intervalNs: number;
  /** From the beginning of a slot. */
  readonly deadlineNs: number;
  /** Chooses the phase of the schedule within the interval. */
  readonly seed: number;
  /** Slots recorded before, of a probe with the same interval and deadline. */
  readonly log?: ProbeLog;
  /** Called for each record as it gets into the log. */
  readonly onRecord?: (record: ProbeRecord) => void;
}

const SERVED_BY_CHARS_MAX = 128;
/** Deadlines per interval: how many requests can be open at once. */
const OPEN_SLOTS_MAX = 1024;

interface OpenSlot {
  readonly atNs: number;
  record: ProbeRecord | undefined;
}

export class Prober {
  readonly log: ProbeLog;
  readonly #options: ProberOptions;
  readonly #phaseNs: number;
  /** Begun and not yet in the log, in order. */
  #open: OpenSlot[] = [];
  #cancelNext: (() => void) | undefined;

  /** @throws RangeError for a schedule that is none, or a log of another schedule. */
  constructor(options: ProberOptions) {
    const { intervalNs, deadlineNs, log } = options;
    if (!Number.isSafeInteger(intervalNs) || intervalNs <= 0) {
      throw new RangeError(`the interval of a probe is a whole number of nanoseconds, not ${intervalNs}`);
    }
    if (!Number.isSafeInteger(deadlineNs) || deadlineNs <= 0 || deadlineNs / intervalNs >= OPEN_SLOTS_MAX) {
      throw new RangeError(`the deadline of a probe is less than ${OPEN_SLOTS_MAX} intervals, not ${deadlineNs} ns`);
    }
    if (log !== undefined && (log.schedule.intervalNs !== intervalNs || log.schedule.deadlineNs !== deadlineNs)) {
      throw new RangeError(`expected a log of a probe each ${intervalNs} ns, found ${log.header()}`);
    }
    this.#options = options;
    this.log = log ?? new ProbeLog({ intervalNs, deadlineNs });
    this.#phaseNs = phaseOf(options.seed, intervalNs);
  }

  get running(): boolean {
    return this.#cancelNext !== undefined;
  }

  /** Begins with the first slot that is not in the past. */
  start(): void {
    if (this.running) return;
    const { clock, intervalNs } = this.#options;
    const last = this.log.length === 0 ? -1 : this.log.at(this.log.length - 1).atNs;
    const earliest = Math.max(clock.now(), last + 1);
    const slot = Math.max(0, Math.ceil((earliest - this.#phaseNs) / intervalNs));
    this.#schedule(this.#phaseNs + slot * intervalNs);
  }

  /** Begins no further slot; those that are open still get their records. */
  stop(): void {
    this.#cancelNext?.();
    this.#cancelNext = undefined;
  }

  /** Node time before which every slot that began has its record. */
  settledUntilNs(): number {
    return this.#open[0]?.atNs ?? this.#options.clock.now();
  }

  /** Slots that began in [fromNs, toNs); those not settled yet are not in it (see `settledUntilNs`). */
  measure(fromNs: number, toNs: number): ProbeMeasurement {
    return measureProbe(this.log, fromNs, toNs);
  }

  #schedule(atNs: number): void {
    this.#cancelNext = this.#options.clock.at(atNs, () => {
      this.#schedule(atNs + this.#options.intervalNs);
      this.#begin(atNs);
    });
  }

  #begin(atNs: number): void {
    const { clock, ask, deadlineNs } = this.#options;
    const slot: OpenSlot = { atNs, record: undefined };
    this.#open.push(slot);
    ask({ atNs, deadlineNs: atNs + deadlineNs }, ({ outcome, servedBy }) => {
      slot.record = { atNs, outcome, latencyNs: clock.now() - atNs, servedBy };
      this.#settle();
    });
  }

  #settle(): void {
    while (this.#open[0]?.record !== undefined) {
      const { record } = this.#open.shift()!;
      if (record === undefined) break;
      this.log.append(record);
      this.#options.onRecord?.(record);
    }
  }
}

export interface HttpTarget extends Expectation {
  readonly address: string;
  readonly port: number;
  readonly path: string;
  readonly host?: string;
}

/** Asks for a page, each time on a connection of its own. */
export const askHttp =
  (stack: ClientStack, target: HttpTarget): Ask =>
  ({ deadlineNs }, done) => {
    httpGet(stack, { ...target, deadlineNs }, (result) => {
      const server = result.ok ? (result.response.headers.get('server') ?? '') : '';
      done({ outcome: outcomeOf(result, target), servedBy: server.slice(0, SERVED_BY_CHARS_MAX) });
    });
  };

/** Where in the interval slots begin: the seed times the golden ratio, its fraction (Weyl). */
function phaseOf(seed: number, intervalNs: number): number {
  const fraction = (seed * 0.618_033_988_749_894_9) % 1;
  return Math.floor(Math.abs(fraction) * intervalNs);
}
