/**
 * The run loop: virtual or real time, one hart after the other, events between them.
 *
 * A *round* lasts from now to the next event (and, with several harts, no longer than a quantum); each hart runs, or
 * waits, until the round's end by its own clock. An event that is scheduled inside a round ends the round when it is due,
 * and so does a wire that rises at another hart. With one hart a round is simply the time to the next event.
 *
 * Invariants:
 * 1. Virtual time of a hart = its retired instructions + what was charged to it + the time it waited; node time is the
 *    time of the hart that is furthest behind.
 * 2. Events run only between rounds, never inside an instruction or an M-mode program.
 */
import { TIMING } from './board.ts';
import type {
  MachineClock,
  MachineModeEntry,
  MachineModeHart,
  MachineModeProgram,
  NodeTimeNs,
  Snapshotted,
  SnapshotValue,
} from './door.ts';
import type { EventQueue } from './event-queue.ts';
import type { Hart, HartStop } from './hart-contract.ts';
import { SnapshotPart } from './snapshot-part.ts';

/** Longest a hart runs while others wait for their turn. */
const QUANTUM_NS = 10_000;
/** Most instructions of one call of `Hart.run`. */
const SLICE_INSTRUCTIONS_MAX = 0x4000_0000;
/** A program that is entered so often while no time passes would be entered for ever. */
const ENTRIES_WITHOUT_TIME_MAX = 100_000;
/** Ticks that are further away than node time reaches. */
const TICKS_MAX = BigInt(Math.floor(Number.MAX_SAFE_INTEGER / TIMING.nsPerTick));

/** Realtime: length of a slice, and how it is turned into instructions. */
const REALTIME = { sliceNs: 1_000_000, instructionsMin: 1000, instructionsMax: 2_000_000, firstRate: 0.02 } as const;

const VERSION = 2;

type HartMode =
  | 'running'
  /** Waits in a WFI of its own. */
  | 'waiting'
  /** Waits because the M-mode program at `program` asked for it. */
  | 'program-waiting'
  | 'off';

interface RunnerHart {
  readonly hart: Hart;
  readonly machineMode: MachineModeHart;
  mode: HartMode;
  /** Entry of the program that waits. */
  program: number;
  /** Why the next entry into an M-mode program happens, when it is not a `resume`. */
  why: 'reset' | 'trap';
  /** Virtual time of the hart minus its retired instructions. */
  offsetNs: number;
  /** Time spent in WFIs of its own that have ended, and when the one it is in began. */
  waitedNs: number;
  waitingSinceNs: NodeTimeNs;
  /** Realtime: instructions per nanosecond, as seen lately. */
  rate: number;
}

export type RunnerStop = 'time' | 'interrupted' | 'idle' | 'halted';

export interface HartRunnerOptions {
  readonly clock: MachineClock;
  readonly events: () => EventQueue;
}

export class HartRunner implements Snapshotted {
  readonly #clock: MachineClock;
  readonly #events: () => EventQueue;
  readonly #programs: ReadonlyMap<number, MachineModeProgram>;
  readonly #harts: RunnerHart[] = [];
  #nodeNs: NodeTimeNs = 0;
  #roundEndNs: NodeTimeNs = 0;
  /** The hart whose clock is the time now. */
  #current: RunnerHart | undefined;
  #isInsideHart = false;
  #isInterrupted = false;
  #chargedCycles = 0;
  #idleNs = 0;
  #entriesWithoutTime = 0;
  #lastEntryNs = -1;

  constructor(options: HartRunnerOptions, programs: ReadonlyMap<number, MachineModeProgram>) {
    this.#clock = options.clock;
    this.#events = options.events;
    this.#programs = programs;
  }

  addHart(hart: Hart, machineMode: MachineModeHart): void {
    this.#harts.push({
      hart,
      machineMode,
      mode: 'off',
      program: 0,
      why: 'reset',
      offsetNs: 0,
      waitedNs: 0,
      waitingSinceNs: 0,
      rate: REALTIME.firstRate,
    });
  }

  get chargedCycles(): number {
    return this.#chargedCycles;
  }

  get idleNs(): number {
    return this.#idleNs;
  }

  /** Time a hart has spent in WFIs of its own since reset, by its own clock. */
  waitedNs(hartId: number): number {
    const each = this.#harts[hartId]!;
    return each.waitedNs + (each.mode === 'waiting' ? this.#clockOf(each) - each.waitingSinceNs : 0);
  }

  #clockOf(each: RunnerHart): NodeTimeNs {
    return this.#clock.kind === 'realtime' ? this.now() : localNs(each);
  }

  now(): NodeTimeNs {
    if (this.#clock.kind === 'realtime') {
      // A clock that steps back stands still instead.
      this.#nodeNs = Math.max(this.#nodeNs, Math.floor(this.#clock.nowNs()));
      return this.#nodeNs;
    }
    return this.#current === undefined ? this.#nodeNs : localNs(this.#current);
  }

  /** `time` and mtime. */
  ticks(): bigint {
    return BigInt(Math.floor(this.now() / TIMING.nsPerTick));
  }

  /** For M-mode programs: cycles of the hart that runs now. */
  charge(cycles: number): void {
    if (!Number.isSafeInteger(cycles) || cycles < 0)
      throw new RangeError(`cycles are counted in whole numbers: ${cycles}`);
    this.#chargedCycles += cycles;
    if (this.#current !== undefined) this.#current.offsetNs += cycles * TIMING.nsPerInstruction;
  }

  /** An event is due at `atNs`. */
  scheduled(atNs: NodeTimeNs): void {
    if (this.#current !== undefined && atNs < this.#roundEndNs) this.#endRoundAt(atNs);
  }

  /** A wire of `hartId` has risen. */
  wireRose(hartId: number): void {
    if (this.#current === undefined) return;
    if (this.#current.hart.hartId === hartId) this.#yieldHart();
    else this.#endRoundAt(this.now());
  }

  /** Ends `run` at the next instruction boundary. */
  interrupt(): void {
    this.#isInterrupted = true;
    this.#yieldHart();
  }

  #endRoundAt(atNs: NodeTimeNs): void {
    this.#roundEndNs = Math.min(this.#roundEndNs, atNs);
    this.#yieldHart();
  }

  #yieldHart(): void {
    if (this.#isInsideHart) this.#current?.hart.requestYield();
  }

  /** All harts at `entry` in M-mode; counters start again, time goes on. */
  reset(entry: number): void {
    this.#nodeNs = this.now();
    this.#chargedCycles = 0;
    this.#idleNs = 0;
    for (const each of this.#harts) {
      each.hart.reset(entry);
      each.mode = 'running';
      each.why = 'reset';
      each.waitedNs = 0;
      each.offsetNs = this.#nodeNs - retiredNs(each);
    }
  }

  halt(): void {
    for (const each of this.#harts) each.mode = 'off';
  }

  /** Runs until node time is `untilNs` (with several harts, up to a quantum more), somebody interrupts, or nothing can happen any more. */
  run(untilNs: NodeTimeNs): RunnerStop {
    this.#isInterrupted = false;
    for (;;) {
      this.#events().runDue(this.now());
      if (this.#isInterrupted) return 'interrupted';
      if (this.#harts.every((each) => each.mode === 'off')) return 'halted';
      if (this.now() >= untilNs) return 'time';
      if (!this.#round(untilNs)) return 'idle';
    }
  }

  /** Time of the earliest thing that happens by itself; Infinity when there is none. */
  nextNs(): NodeTimeNs {
    const nowNs = this.now();
    if (this.#harts.some((each) => this.#isRunnable(each))) return nowNs;
    return Math.min(this.#events().nextNs(), this.#nextTimerNs(nowNs));
  }

  #nextTimerNs(nowNs: NodeTimeNs): NodeTimeNs {
    return Math.min(
      ...this.#harts.map((each) => (each.mode === 'off' ? Number.POSITIVE_INFINITY : timerNs(each, nowNs))),
    );
  }

  #isRunnable(each: RunnerHart): boolean {
    if (each.mode === 'off') return false;
    return each.mode === 'running' || this.#as(each, () => each.hart.wakePending());
  }

  /** Does `work` in the time of a hart. */
  #as<Result>(each: RunnerHart, work: () => Result): Result {
    this.#current = each;
    try {
      return work();
    } finally {
      this.#current = undefined;
    }
  }

  /** False when nothing can happen before something comes from outside. */
  #round(untilNs: NodeTimeNs): boolean {
    const nowNs = this.now();
    const isRunnable = this.#harts.some((each) => this.#isRunnable(each));
    // Where a caller cuts its runs must not change the order in which harts take turns.
    const limitNs = isRunnable && this.#harts.length > 1 ? nextQuantumNs(nowNs) : untilNs;
    let endNs = Math.min(limitNs, this.#events().nextNs());
    if (!isRunnable) {
      endNs = Math.min(endNs, this.#nextTimerNs(nowNs));
      if (this.#clock.kind === 'realtime' || endNs === Number.POSITIVE_INFINITY) return false;
    }
    this.#roundEndNs = endNs;
    for (const each of this.#harts) this.#as(each, () => this.#runHart(each));
    if (this.#clock.kind === 'virtual') this.#nodeNs = Math.max(nowNs, this.#slowestNs());
    return true;
  }

  /** Time of the hart that is furthest behind; of the one that came furthest when all are off. */
  #slowestNs(): NodeTimeNs {
    const running = this.#harts.filter((each) => each.mode !== 'off');
    return running.length > 0 ? Math.min(...running.map(localNs)) : Math.max(...this.#harts.map(localNs));
  }

  #runHart(each: RunnerHart): void {
    while (!this.#isInterrupted && each.mode !== 'off') {
      const nowNs = this.now();
      if (nowNs >= this.#roundEndNs) break;
      const deadlineNs = Math.min(this.#roundEndNs, timerNs(each, nowNs));
      if (each.mode === 'running') this.#slice(each, nowNs, deadlineNs);
      else if (each.hart.wakePending()) this.#wake(each);
      else if (this.#clock.kind === 'realtime' || deadlineNs === Number.POSITIVE_INFINITY) break;
      else this.#wait(each, deadlineNs - nowNs);
    }
  }

  #wait(each: RunnerHart, ns: number): void {
    each.offsetNs += ns;
    this.#idleNs += ns;
  }

  #wake(each: RunnerHart): void {
    if (each.mode === 'program-waiting') this.#enter(each, each.program, 'resume');
    else {
      each.waitedNs = this.waitedNs(each.hart.hartId);
      each.mode = 'running';
    }
  }

  #slice(each: RunnerHart, nowNs: NodeTimeNs, deadlineNs: NodeTimeNs): void {
    const { hart } = each;
    const retiredBefore = hart.retired;
    const stop = this.#callHart(hart, this.#budget(each, deadlineNs - nowNs));
    if (this.#clock.kind === 'realtime') measureRate(each, hart.retired - retiredBefore, this.now() - nowNs);
    switch (stop) {
      case 'machine-mode':
        this.#enter(each, Number(hart.pc), each.why);
        break;
      case 'wfi':
        each.mode = 'waiting';
        each.waitingSinceNs = this.#clockOf(each);
        break;
      case 'budget':
      case 'yield':
        break;
    }
  }

  #callHart(hart: Hart, budget: number): HartStop {
    this.#isInsideHart = true;
    try {
      return hart.run(budget);
    } finally {
      this.#isInsideHart = false;
    }
  }

  #budget(each: RunnerHart, ns: number): number {
    if (this.#clock.kind === 'virtual') {
      return Math.min(Math.ceil(ns / TIMING.nsPerInstruction), SLICE_INSTRUCTIONS_MAX);
    }
    const instructions = Math.floor(Math.min(ns, REALTIME.sliceNs) * each.rate);
    return Math.min(Math.max(instructions, REALTIME.instructionsMin), REALTIME.instructionsMax);
  }

  #enter(each: RunnerHart, entry: number, why: MachineModeEntry): void {
    const program = this.#programs.get(entry);
    if (program === undefined) throw new Error(`expected an M-mode program at 0x${entry.toString(16)}, found none`);
    this.#assertProgress(entry);
    each.why = 'trap';
    switch (program.enter(each.machineMode, why)) {
      case 'mret':
        each.hart.mret();
        each.mode = 'running';
        break;
      case 'wfi':
        each.mode = 'program-waiting';
        each.program = entry;
        break;
      case 'off':
        each.mode = 'off';
        break;
    }
  }

  #assertProgress(entry: number): void {
    const nowNs = this.now();
    this.#entriesWithoutTime = nowNs === this.#lastEntryNs ? this.#entriesWithoutTime + 1 : 0;
    this.#lastEntryNs = nowNs;
    if (this.#entriesWithoutTime > ENTRIES_WITHOUT_TIME_MAX) {
      throw new Error(
        `the M-mode program at 0x${entry.toString(16)} is entered for ever at ${nowNs} ns: it charges nothing`,
      );
    }
  }

  save(): SnapshotValue {
    return {
      version: VERSION,
      nodeNs: this.now(),
      chargedCycles: this.#chargedCycles,
      idleNs: this.#idleNs,
      harts: this.#harts.map((each) => ({
        mode: each.mode,
        program: each.program,
        why: each.why,
        offsetNs: each.offsetNs,
        waitedNs: each.waitedNs,
        waitingSinceNs: each.waitingSinceNs,
        state: each.hart.save(),
      })),
    };
  }

  /** Time first: what is restored next may ask for it. */
  restoreTime(state: SnapshotValue): void {
    this.#nodeNs = new SnapshotPart('harts', state, VERSION).number('nodeNs');
  }

  /** Last, when the wires are what they were. */
  restore(state: SnapshotValue): void {
    const part = new SnapshotPart('harts', state, VERSION);
    this.#nodeNs = part.number('nodeNs');
    this.#chargedCycles = part.number('chargedCycles');
    this.#idleNs = part.number('idleNs');
    const saved = part.parts('harts', this.#harts.length);
    this.#harts.forEach((each, index) => {
      const from = saved[index]!;
      each.mode = from.string('mode') as HartMode;
      each.program = from.number('program');
      each.why = from.string('why') as RunnerHart['why'];
      each.offsetNs = from.number('offsetNs');
      each.waitedNs = from.number('waitedNs');
      each.waitingSinceNs = from.number('waitingSinceNs');
      each.hart.restore(from.value('state'));
    });
  }
}

/** Turns end at whole multiples of the quantum. */
const nextQuantumNs = (nowNs: NodeTimeNs): NodeTimeNs => (Math.floor(nowNs / QUANTUM_NS) + 1) * QUANTUM_NS;

const retiredNs = (each: RunnerHart): number => each.hart.retired * TIMING.nsPerInstruction;
const localNs = (each: RunnerHart): NodeTimeNs => retiredNs(each) + each.offsetNs;

/** When stimecmp is reached; Infinity when it has been already, or never will. */
function timerNs(each: RunnerHart, nowNs: NodeTimeNs): NodeTimeNs {
  const ticks = each.hart.stimecmp;
  if (ticks > TICKS_MAX) return Number.POSITIVE_INFINITY;
  const atNs = Number(ticks) * TIMING.nsPerTick;
  return atNs > nowNs ? atNs : Number.POSITIVE_INFINITY;
}

function measureRate(each: RunnerHart, instructions: number, ns: number): void {
  if (ns <= 0 || instructions < REALTIME.instructionsMin) return;
  each.rate = (3 * each.rate + instructions / ns) / 4;
}
