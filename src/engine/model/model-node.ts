/**
 * A node as the engine imagines it: what each primitive needs and changes, in virtual time, without an OS in it. The dry
 * run and the tests use it. How long things take and what a request costs is given; nothing here was measured.
 */
import type {
  ActOutcome,
  ActRequest,
  FirstEnd,
  Json,
  MicrovisorMeasurement,
  NodePort,
  NodeStatus,
  NodeTimeline,
  ProbeAnswer,
  RequestSeries,
  ServiceMeasurement,
} from '../node-port.ts';
import { OwnerSpans } from '../owner-spans.ts';
import type { FailureCode, GuestName, ServiceSpec } from '../primitives.ts';
import { effectOf, failure } from './model-effects.ts';
import { type ModelHardware, ModelState } from './model-state.ts';

export interface ModelTiming {
  readonly ms: number;
  /**
   * How long the service does not answer from the start of it, beyond what follows from its effect; a negative one says
   * how much earlier it answers again.
   */
  readonly downtimeMs: number;
}

export interface ModelOptions {
  /** Asked when the primitive begins, at `nowNs`. */
  readonly timing: (request: ActRequest, nowNs: number) => ModelTiming;
  readonly hardware: ModelHardware;
  /** Called when a primitive begins; what it returns is what the world does instead. */
  readonly interfere?: (request: ActRequest, model: ModelNode) => Interference | undefined;
  /**
   * Which of the acts under way ends, and how; undefined where the time until which to go on comes first. Absent: the one
   * that is over first.
   */
  readonly settle?: (running: readonly RunningAct[], untilNs: number | null) => RunningAct | undefined;
  /** What a primitive says in place of the model's result. */
  readonly answer?: (request: ActRequest, result: Json) => Json;
}

export type Interference =
  | { readonly fails: FailureCode; readonly message?: string; readonly halfWay?: boolean }
  /** The node's process goes on, but whoever asked is not told. */
  | { readonly hangs: true }
  /** The OS in it goes down as the act begins. */
  | { readonly goesDown: GuestName };

/** An act that has begun: what it will come to is settled when it ends. */
export interface RunningAct {
  readonly request: ActRequest;
  readonly interference: Interference | undefined;
  readonly startNs: number;
  readonly endNs: number;
  readonly isTooSlow: boolean;
  readonly downtimeMs: number;
}

interface Interval {
  readonly fromNs: number;
  toNs: number;
}

const MS = 1_000_000;
const LATENCY_MS = 1;
const BINS_MAX = 1_000;

export class ModelNode implements NodePort {
  /** Every primitive that took effect, e.g. `vm.boot new`. */
  readonly history: string[] = [];
  nowNs = 0;
  boots = 1;
  /** What the node is now. */
  readonly state: ModelState;
  readonly #options: ModelOptions;
  readonly #outcomes: Map<string, ActOutcome> = new Map();
  readonly #running: Map<string, RunningAct> = new Map();
  readonly #lost: Set<string> = new Set();
  readonly #down: Interval[] = [];
  readonly #owners = new OwnerSpans();
  #service: ServiceSpec | undefined;
  #probingFromNs = 0;
  #epoch = 0;
  /** Of the act that committed last. */
  #commitKey: string | undefined;

  /** `from`: a node that this one begins as a copy of. */
  constructor(options: ModelOptions, from?: ModelNode) {
    this.#options = options;
    this.state = from ? from.state.copy() : new ModelState(options.hardware);
    if (!from) return;
    this.nowNs = from.nowNs;
    this.boots = from.boots;
    this.history.push(...from.history);
    this.#outcomes = new Map(from.#outcomes);
    this.#running = new Map(from.#running);
    this.#lost = new Set(from.#lost);
    this.#down.push(...from.#down.map((interval) => ({ ...interval })));
    this.#service = from.#service;
    this.#probingFromNs = from.#probingFromNs;
    this.#epoch = from.#epoch;
    this.#commitKey = from.#commitKey;
    this.#owners.note(this.nowNs, this.#ownersNow());
  }

  /** Everything volatile is gone; the committed OS is what boots next. */
  losePower(): void {
    this.#down.push({ fromNs: this.nowNs, toNs: Number.POSITIVE_INFINITY });
    this.nowNs = 0;
    this.boots += 1;
    this.state.losePower();
    // What became of acts before it is not known any more, but for the commit.
    for (const key of [...this.#outcomes.keys(), ...this.#running.keys()]) {
      if (key === this.#commitKey) continue;
      this.#lost.add(key);
      this.#outcomes.delete(key);
    }
    this.#running.clear();
  }

  get bootId(): string {
    return `boot-${this.boots}`;
  }

  status(): Promise<NodeStatus> {
    return Promise.resolve({ bootId: this.bootId, nowNs: this.nowNs, clock: 'virtual', facts: {} });
  }

  fence(epoch: number): Promise<void> {
    this.#epoch = Math.max(this.#epoch, epoch);
    return Promise.resolve();
  }

  async act(request: ActRequest): Promise<ActOutcome> {
    const early = this.#answerAtOnce(request);
    if (early) return early;
    const isNew = !this.#running.has(request.key);
    const running = this.#start(request);
    const hangs = running.interference !== undefined && 'hangs' in running.interference;
    if (isNew && hangs) return new Promise(() => {});
    // Whoever asks again is told, and the node had no time to go on meanwhile.
    const act = hangs ? this.#begin(request, running.interference) : running;
    return this.#end(this.#firstOf([act], null) ?? act);
  }

  async actAny(requests: readonly ActRequest[], untilNs: number | null): Promise<FirstEnd | null> {
    for (const request of requests) {
      const outcome = this.#answerAtOnce(request);
      if (outcome) return { key: request.key, outcome };
    }
    const running = requests.map((request) => this.#start(request));
    const first = this.#firstOf(running, untilNs);
    if (first) return { key: first.request.key, outcome: this.#end(first) };
    if (untilNs !== null) this.nowNs = Math.max(this.nowNs, untilNs);
    return null;
  }

  #firstOf(running: readonly RunningAct[], untilNs: number | null): RunningAct | undefined {
    if (this.#options.settle) return this.#options.settle(running, untilNs);
    const [first] = running.toSorted((a, b) => a.endNs - b.endNs);
    return first && (untilNs === null || first.endNs <= untilNs) ? first : undefined;
  }

  #answerAtOnce(request: ActRequest): ActOutcome | undefined {
    const { epoch, key } = request;
    if (epoch < this.#epoch) return this.#fail(request, 'stale-epoch', `epoch ${epoch} < ${this.#epoch}`);
    this.#epoch = epoch;
    return this.#outcomes.get(key);
  }

  /** Begins the act unless it has begun. */
  #start(request: ActRequest): RunningAct {
    const known = this.#running.get(request.key);
    if (known) return known;
    const interference = this.#options.interfere?.(request, this);
    if (interference && 'goesDown' in interference) this.#goDown(interference.goesDown);
    const running = this.#begin(request, interference);
    this.#running.set(request.key, running);
    return running;
  }

  #goDown(guest: GuestName): void {
    const answered = this.state.answers;
    this.state.goDown(guest);
    if (answered && !this.state.answers) this.#down.push({ fromNs: this.nowNs, toNs: Number.POSITIVE_INFINITY });
  }

  #begin(request: ActRequest, interference: Interference | undefined): RunningAct {
    const { ms, downtimeMs } = this.#options.timing(request, this.nowNs);
    const startNs = this.nowNs;
    const endNs = startNs + Math.round(ms * MS);
    const deadlineNs = request.deadlineNs ?? Number.POSITIVE_INFINITY;
    const isTooSlow = endNs > deadlineNs;
    return {
      request,
      interference,
      startNs,
      endNs: isTooSlow ? Math.max(startNs, deadlineNs) : endNs,
      isTooSlow,
      downtimeMs,
    };
  }

  #end(running: RunningAct): ActOutcome {
    const { key } = running.request;
    this.#running.delete(key);
    this.nowNs = Math.max(this.nowNs, running.endNs);
    const outcome = this.#perform(running);
    this.#outcomes.set(key, outcome);
    if (running.request.primitive === 'node.commit' && outcome.ok) this.#commitKey = key;
    this.#owners.note(this.nowNs, this.#ownersNow());
    return outcome;
  }

  probe(key: string): Promise<ProbeAnswer> {
    const outcome = this.#outcomes.get(key);
    if (outcome) return Promise.resolve({ state: 'done', outcome });
    if (this.#running.has(key)) return Promise.resolve({ state: 'running' });
    if (this.#lost.has(key)) return Promise.resolve({ state: 'lost', bootId: this.bootId });
    return Promise.resolve({ state: 'never-started' });
  }

  waitUntil(ns: number): Promise<void> {
    this.nowNs = Math.max(this.nowNs, ns);
    return Promise.resolve();
  }

  measureService(fromNs: number, toNs: number): Promise<ServiceMeasurement> {
    const intervalMs = this.#service?.intervalMs ?? 10;
    const intervalNs = intervalMs * MS;
    const slotFrom = (ns: number): number => Math.max(0, Math.ceil((ns - this.#probingFromNs) / intervalNs));
    const [first, end] = [slotFrom(fromNs), slotFrom(toNs)];
    const requests = Math.max(0, end - first);
    let failed = 0;
    let gap = 0;
    let longestGap = 0;
    let next = first;
    for (const down of this.#down.toSorted((a, b) => a.fromNs - b.fromNs)) {
      const [from, to] = [Math.max(next, slotFrom(down.fromNs)), Math.min(end, slotFrom(down.toNs))];
      if (to <= from) continue;
      gap = from === next && next > first ? gap + to - from : to - from;
      failed += to - from;
      longestGap = Math.max(longestGap, gap);
      next = to;
    }
    const latencyMs = requests > failed ? { p50: LATENCY_MS, p99: LATENCY_MS, max: LATENCY_MS } : null;
    return Promise.resolve({
      requests,
      failed,
      downtimeMs: failed * intervalMs,
      longestGapMs: longestGap * intervalMs,
      resolutionMs: intervalMs,
      latencyMs,
      load: null,
    });
  }

  measureTimeline(fromNs: number, toNs: number): Promise<NodeTimeline> {
    return Promise.resolve({ requests: this.#requests(fromNs, toNs), owners: this.#owners.between(fromNs, toNs) });
  }

  measureMicrovisor(): Promise<MicrovisorMeasurement> {
    return Promise.resolve({ traps: {}, guests: {}, productionWakeNsMax: 0 });
  }

  onProgress(): () => void {
    return () => {};
  }

  close(): Promise<void> {
    return Promise.resolve();
  }

  #perform({ request, interference, startNs, endNs, isTooSlow, downtimeMs }: RunningAct): ActOutcome {
    if (isTooSlow) return { ok: false, error: failure('timeout', 'the deadline passed'), startNs, endNs };
    const effect = effectOf(this.state, request.primitive, request.args, endNs - startNs);
    if ('code' in effect) return { ok: false, error: effect, startNs, endNs };
    const answered = this.state.answers;
    const fails = interference && 'fails' in interference ? interference : undefined;
    const { stages } = effect;
    const done = !fails ? stages.length : fails.halfWay ? Math.max(1, stages.length - 1) : 0;
    for (const stage of stages.slice(0, done)) stage();
    if (done > 0 || stages.length === 0) this.#followService(answered, effect.interrupts === true, startNs, downtimeMs);
    if (fails)
      return { ok: false, error: failure(fails.fails, fails.message ?? 'as the test wants it'), startNs, endNs };
    this.history.push(label(request));
    if (request.primitive === 'run.begin') {
      this.#service = request.args['service'] as unknown as ServiceSpec;
      this.#probingFromNs = endNs;
    }
    const result = effect.result();
    return { ok: true, result: this.#options.answer?.(request, result) ?? result, startNs, endNs };
  }

  /** Whether a client got an answer while something was done that ends now. */
  #followService(answered: boolean, wasInterrupted: boolean, startNs: number, downtimeMs: number): void {
    const { nowNs } = this;
    const earlierNs = Math.min(0, downtimeMs) * MS;
    if (answered && !this.state.answers) this.#down.push({ fromNs: startNs, toNs: Number.POSITIVE_INFINITY });
    else if (!answered && this.state.answers) this.#rise(nowNs + earlierNs);
    else if (wasInterrupted) this.#down.push({ fromNs: startNs, toNs: nowNs + earlierNs });
    else if (downtimeMs > 0) this.#down.push({ fromNs: startNs, toNs: startNs + downtimeMs * MS });
  }

  #rise(atNs: number): void {
    for (const interval of this.#down) interval.toNs = Math.min(interval.toNs, atNs);
  }

  #isDownAt(ns: number): boolean {
    return this.#down.some(({ fromNs, toNs }) => ns >= fromNs && ns < toNs);
  }

  #requests(fromNs: number, toNs: number): RequestSeries | null {
    if (!this.#service) return null;
    const intervalNs = this.#service.intervalMs * MS;
    const firstNs =
      this.#probingFromNs + Math.max(0, Math.ceil((fromNs - this.#probingFromNs) / intervalNs)) * intervalNs;
    const slots = Math.max(0, Math.ceil((toNs - firstNs) / intervalNs));
    const slotsPerBin = Math.max(1, Math.ceil(slots / BINS_MAX));
    const requests: number[] = [];
    const failed: number[] = [];
    for (let slot = 0; slot < slots; slot++) {
      const bin = Math.floor(slot / slotsPerBin);
      requests[bin] = (requests[bin] ?? 0) + 1;
      failed[bin] = (failed[bin] ?? 0) + (this.#isDownAt(firstNs + slot * intervalNs) ? 1 : 0);
    }
    const latencyMs = requests.map((count, bin) => (failed[bin] === count ? null : LATENCY_MS));
    return { fromNs: firstNs, binNs: slotsPerBin * intervalNs, requests, failed, p50Ms: latencyMs, maxMs: latencyMs };
  }

  #ownersNow(): ReadonlyMap<string, string> {
    const owners = new Map([['M-mode', this.state.isVirtualized ? 'Microvisor' : 'firmware']]);
    if (this.state.serving !== undefined) owners.set('service', this.state.serving);
    return owners;
  }

  #fail(_request: ActRequest, code: FailureCode, message: string): ActOutcome {
    return { ok: false, error: failure(code, message), startNs: this.nowNs, endNs: this.nowNs };
  }
}

function label({ primitive, args }: ActRequest): string {
  const subject = args['guest'] ?? args['name'] ?? args['disk'] ?? args['to'] ?? args['device'];
  return typeof subject === 'string' ? `${primitive} ${subject}` : primitive;
}
