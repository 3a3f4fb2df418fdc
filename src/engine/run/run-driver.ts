/**
 * Stage 5: makes a statechart happen. The chart decides by pure transitions; the driver brings effects about at the
 * node, lets node time pass for timers, and writes the journal.
 *
 * Invariants:
 * 1. An intent is on disk before its effect starts, an event before the transition that it causes.
 * 2. What a journal holds is replayed through the same transitions; nothing of it is done again.
 * 3. An intent without an event is asked for at the node (`probe`), never simply repeated.
 * 4. The driver stops between effects only: what it leaves behind can be resumed.
 * 5. Effects that need not wait for each other are handed to the node together, in the order of the plan; the node runs
 *    until the first of them has ended. So the order of events is the same in every run.
 */
import { initialTransition, type SnapshotFrom, transition } from 'xstate';
import { ExpressionFailure } from '../expression/scope.ts';
import type { JournalRecord, PhaseRecord, TimerRecord } from '../generated/journal.ts';
import { JournalError } from '../journal/journal-error.ts';
import { LockLost } from '../journal/node-lock.ts';
import type { NewRecord } from '../journal/record-line.ts';
import type { ActOutcome, ActRequest } from '../node-port.ts';
import type { PlannedStep } from '../plan/plan.ts';
import { secretShown } from '../plan/planned-value.ts';
import type { RunChart } from '../statechart/compile-chart.ts';
import type { DoneStep, EffectInput, RunContext } from '../statechart/run-context.ts';
import type { StepArgs } from '../steps/step-kind.ts';
import { stepKind } from '../steps/table.ts';
import { budgetLookNs, exceededBudgets, openBudgets } from './budgets.ts';
import type { DriverOptions, DriverState, OpenIntent } from './driver-options.ts';
import { deadlineNs, type EffectRequest, effectRequest, type RequestContext, toActRequest } from './effect-request.ts';
import { evaluateStep, notBegun } from './evaluate-step.ts';
import { done, endOfAct, failed, type Happening } from './happening.ts';
import { type Announcement, Outstanding, type Timer } from './outstanding.ts';
import { ProgressTeller, phaseEdge } from './progress-teller.ts';
import type { RunProgress } from './run-progress.ts';

type Note = Omit<TimerRecord, 'seq' | 'crc' | 'wallMs'> | Omit<PhaseRecord, 'seq' | 'crc' | 'wallMs'>;

/** `waiting`: for people or for a time of day; context.waiting says for what. */
export type DriveEnd = 'finished' | 'paused' | 'waiting' | 'interrupted';

/** An effect that this process has handed to the node. */
interface Begun {
  readonly effect: EffectInput;
  /** Arguments of the step as they may be shown. */
  readonly args: StepArgs;
  readonly request: Omit<ActRequest, 'epoch'>;
}

export class RunDriver {
  readonly #options: DriverOptions;
  readonly #steps: readonly PlannedStep[];
  readonly #chart: RunChart;
  readonly #outstanding: Outstanding;
  readonly #openIntents: Map<string, OpenIntent>;
  readonly #begun = new Map<string, Begun>();
  readonly #notedTimers = new Set<string>();
  readonly #teller: ProgressTeller;
  #wasToldClock = false;
  #snapshot: SnapshotFrom<RunChart>;
  #bootId: string;
  #isReplay = true;

  constructor(options: DriverOptions) {
    const { compiled, from } = options;
    this.#options = options;
    this.#steps = compiled.steps;
    this.#teller = new ProgressTeller(compiled.steps, options.onProgress);
    this.#chart = compiled.chart;
    this.#bootId = from?.bootId ?? options.bootId;
    this.#openIntents = new Map(from?.openIntents);
    this.#outstanding = new Outstanding(from?.outstanding);
    if (from) {
      this.#snapshot = from.snapshot;
      return;
    }
    const [snapshot, actions] = initialTransition(this.#chart, { atNs: options.beginNs, facts: options.facts });
    this.#snapshot = snapshot;
    this.#announce(this.#outstanding.apply(actions, options.beginNs), options.beginNs);
  }

  get context(): RunContext {
    return this.#snapshot.context;
  }

  get isPaused(): boolean {
    return this.#snapshot.hasTag('paused');
  }

  /** What the driver knows now; a later round does not change it. */
  get state(): DriverState {
    return {
      snapshot: this.#snapshot,
      outstanding: new Outstanding(this.#outstanding),
      openIntents: new Map(this.#openIntents),
      bootId: this.#bootId,
    };
  }

  /** Takes in what an earlier process wrote. */
  replay(records: readonly JournalRecord[]): void {
    for (const record of records) {
      if (record.type === 'intent') this.#openIntents.set(record.effect, record);
      if (record.type !== 'event') continue;
      const event = record.event as unknown as Happening;
      this.#close(event);
      this.#apply(event);
    }
  }

  /** Goes on until the run is over, pauses, or is told to stop. Rejects with NodeUnreachable, JournalError or LockLost. */
  async drive(): Promise<DriveEnd> {
    this.#isReplay = false;
    if (this.isPaused && !this.#mustGoBack) await this.resume();
    for (;;) {
      const end = await this.advance();
      if (end !== undefined) return end;
    }
  }

  /** The operator asks a paused run to go on. */
  async resume(): Promise<void> {
    await this.#happen({ type: 'run.resume', atNs: (await this.#options.port.status()).nowNs });
  }

  /** One effect or one timer, and the transition it causes; or why there is none. */
  async advance(): Promise<DriveEnd | undefined> {
    this.#isReplay = false;
    if (this.#snapshot.status === 'done') return 'finished';
    const event = await this.#next();
    if (typeof event === 'string') return event;
    const isTold = event.type === 'budget.exceeded';
    for (const exceeded of isTold ? [] : await this.#exceededAt(event)) await this.#happen(exceeded);
    await this.#happen(event);
    return undefined;
  }

  /** What happens next, or why nothing does. */
  async #next(): Promise<Happening | DriveEnd> {
    if (this.#mustGoBack) {
      const event = await this.#goBack();
      if (event) return event;
    }
    const goesBack = this.#mustGoBack && this.#snapshot.hasTag('goes-back');
    const isHalting = this.#options.signal?.aborted === true && !goesBack;
    if (isHalting && this.#begun.size === 0) return 'interrupted';
    if (!isHalting) {
      const event = await this.#begin();
      if (event) return event;
    }
    const timer = this.#outstanding.firstTimer;
    if (this.#begun.size > 0) return this.#firstEnd(timer);
    if (timer) return this.#wait(timer);
    if (this.#snapshot.hasTag('waiting')) return this.#admission();
    // What went on beside the step that failed may have ended with the node's power.
    if (this.isPaused) return (await this.#lostPower()) ?? 'paused';
    throw new Error(`the statechart waits for nothing in ${JSON.stringify(this.#snapshot.value)}`);
  }

  get #mustGoBack(): boolean {
    return this.#options.rollBack?.aborted === true;
  }

  /**
   * The event that takes the run back, after what an earlier process left under way has ended; none where the run goes
   * back already, or cannot any more.
   */
  async #goBack(): Promise<Happening | undefined> {
    const { port } = this.#options;
    const event = { type: 'run.roll-back', atNs: this.context.nowNs } as const;
    if (this.#begun.size > 0 || !this.#snapshot.can(event)) return undefined;
    for (const [id, effect] of this.#outstanding.effects) {
      const open = this.#openIntents.get(id);
      if (!open || (await port.probe(open.key)).state === 'never-started') continue;
      const taken = await this.#takeUp(id, effect, open);
      return taken ?? this.#firstEnd(undefined);
    }
    const lost = await this.#lostPower();
    return lost ?? { ...event, atNs: (await port.status()).nowNs };
  }

  async #happen(event: Happening): Promise<void> {
    await this.#write({ type: 'event', event, atNs: event.atNs, wallMs: this.#options.wallNow() });
    this.#close(event);
    this.#apply(event);
  }

  /** The effect that the event ends is under way no longer. */
  #close(event: Happening): void {
    if (event.type === 'node.lost-power') {
      this.#openIntents.clear();
      this.#begun.clear();
    }
    if (typeof event['actorId'] !== 'string') return;
    this.#openIntents.delete(event['actorId']);
    this.#begun.delete(event['actorId']);
  }

  /** The only place where the chart moves. */
  #apply(event: Happening): void {
    const effect = typeof event['actorId'] === 'string' ? this.#outstanding.effects.get(event['actorId']) : undefined;
    this.#outstanding.timers.forEach((timer, id) => {
      if (timer.event.type === event.type) this.#outstanding.timers.delete(id);
    });
    if (event.type === 'node.lost-power') {
      this.#bootId = String(event['bootId']);
      this.#progress({ type: 'lost-power', atNs: event.atNs });
    }
    if (effect) this.#teller.effectEnds(effect, event, this.#isReplay);
    // The chart's own events are typed; those of effects and timers are made by XState and have no type of ours.
    const [snapshot, actions] = transition(this.#chart, this.#snapshot, event as never);
    this.#snapshot = snapshot;
    const inFlight = new Map(this.#outstanding.effects);
    this.#announce(this.#outstanding.apply(actions, event.atNs), event.atNs);
    // An intent ends with its effect: a later effect of the same name is another one.
    for (const id of this.#openIntents.keys()) {
      if (this.#outstanding.effects.get(id) !== inFlight.get(id)) this.#openIntents.delete(id);
    }
  }

  async #wait(timer: Timer): Promise<Happening> {
    const lost = await this.#lostPower();
    if (lost) return lost;
    this.#noteTimer(timer);
    const isWatched = openBudgets(this.#options.compiled.plan, this.context).length > 0;
    for (;;) {
      const { nowNs } = await this.#options.port.status();
      const untilNs = isWatched ? Math.min(timer.dueNs, nowNs + budgetLookNs(timer.delayMs)) : timer.dueNs;
      await this.#options.port.waitUntil(untilNs);
      if (untilNs >= timer.dueNs) return { ...timer.event, atNs: timer.dueNs };
      const [exceeded] = await this.#exceededAt({ type: 'look', atNs: untilNs });
      if (exceeded) return exceeded;
    }
  }

  /** For people, and once: a timer is looked at again whenever something else has ended before it is due. */
  #noteTimer({ id, dueNs, delayMs }: Timer): void {
    if (this.#notedTimers.has(`${id} ${dueNs}`)) return;
    this.#notedTimers.add(`${id} ${dueNs}`);
    this.#note({ type: 'timer', timer: id, dueNs, atNs: this.context.nowNs });
    this.#progress({ type: 'waiting', untilNs: dueNs, forMs: delayMs });
  }

  /** Budgets that are spent at the instant of the event, which comes after them. */
  async #exceededAt({ atNs }: Happening): Promise<readonly Happening[]> {
    const { compiled, port } = this.#options;
    const exceeded = await exceededBudgets(compiled.plan, this.context, port, atNs);
    return exceeded.map((budget) => ({ type: 'budget.exceeded', ...budget }));
  }

  #inPlanOrder(): readonly (readonly [string, EffectInput])[] {
    return [...this.#outstanding.effects].sort(([, a], [, b]) => positionOf(a) - positionOf(b));
  }

  /** Begins every effect that is outstanding, in the order of the plan; the event of one that ended at once, or that could not begin. */
  async #begin(): Promise<Happening | undefined> {
    for (const [id, effect] of this.#inPlanOrder()) {
      if (this.#begun.has(id)) continue;
      const open = this.#openIntents.get(id);
      const event = open ? await this.#takeUp(id, effect, open) : await this.#bringAbout(id, effect);
      if (event) return event;
    }
    return undefined;
  }

  async #bringAbout(effectId: string, effect: EffectInput): Promise<Happening | undefined> {
    const lost = await this.#lostPower();
    if (lost) return lost;
    const { nowNs } = await this.#options.port.status();
    this.#teller.effectStarts(effect, nowNs, false);
    const step = effect.kind === 'step' ? this.#steps[effect.index] : undefined;
    if (step && stepKind(step.uses).does.by !== 'node') return this.#evaluate(effectId, step, nowNs);
    let shown: EffectRequest;
    let request: EffectRequest;
    try {
      shown = this.#shown(effect);
      request = this.#request(effect);
    } catch (error) {
      if (error instanceof ExpressionFailure) return failed(effectId, notBegun(error.message, nowNs));
      throw error;
    }
    const untilNs = deadlineNs(effect, this.#options.compiled, this.context, nowNs, request.timeoutMs);
    const intent = {
      type: 'intent',
      effect: effectId,
      key: request.key,
      primitive: request.call.primitive,
      args: shown.call.args as unknown as { [name: string]: unknown },
      deadlineNs: untilNs,
      atNs: nowNs,
      wallMs: this.#options.wallNow(),
    } as const;
    await this.#write(intent);
    this.#openIntents.set(effectId, intent);
    this.#begun.set(effectId, {
      effect,
      args: shown.args,
      request: toActRequest(request.call, request.key, untilNs),
    });
    return undefined;
  }

  /** An intent that an earlier process wrote and whose end it did not live to see. */
  async #takeUp(effectId: string, effect: EffectInput, intent: OpenIntent): Promise<Happening | undefined> {
    const { port } = this.#options;
    this.#teller.effectStarts(effect, intent.atNs, false);
    const { call } = this.#request(effect);
    const { args } = this.#shown(effect);
    const answer = await port.probe(intent.key);
    const begun: Begun = { effect, args, request: toActRequest(call, intent.key, intent.deadlineNs) };
    if (answer.state === 'done') return this.#outcome(effectId, begun, answer.outcome);
    this.#begun.set(effectId, begun);
    const lost = await this.#lostPower();
    if (lost) return lost;
    if (answer.state !== 'lost') return undefined;
    const { nowNs } = await port.status();
    return this.#powerLoss(nowNs, answer.bootId);
  }

  /** The end of the effect that ends first, or the timer if that is due before. */
  async #firstEnd(timer: Timer | undefined): Promise<Happening> {
    const { port, epoch } = this.#options;
    const begun = [...this.#begun];
    const [[onlyId, only] = []] = begun;
    if (timer) this.#noteTimer(timer);
    if (onlyId !== undefined && only && begun.length === 1 && !timer) {
      return this.#ended(onlyId, only, await port.act({ ...only.request, epoch }));
    }
    const requests = begun.map(([, { request }]) => ({ ...request, epoch }));
    const end = await port.actAny(requests, timer?.dueNs ?? null);
    const ended = end && begun.find(([, { request }]) => request.key === end.key);
    if (ended) return this.#ended(...ended, end.outcome);
    if (!timer) throw new Error('the node ended no effect, and there was no time at which to stop');
    return { ...timer.event, atNs: timer.dueNs };
  }

  async #ended(effectId: string, begun: Begun, outcome: ActOutcome): Promise<Happening> {
    if (!outcome.ok && outcome.error.code === 'stale-epoch') throw new LockLost(outcome.error.message);
    if (!outcome.ok && outcome.error.code === 'lost-power') {
      const lost = await this.#lostPower();
      if (lost) return lost;
    }
    return this.#outcome(effectId, begun, outcome);
  }

  /**
   * When a run came to where it waits; what people said since then, who may have answered in time though nobody resumed it;
   * then the wall clock, which says whether it is too late, or open; or that nobody has answered yet.
   */
  async #admission(): Promise<Happening | DriveEnd> {
    const { port, wallNow, admits, answers = () => [] } = this.#options;
    const { nowNs: atNs } = await port.status();
    const { waiting } = this.context;
    if (!waiting) throw new Error('the statechart waits, and does not say for what');
    if (admits) return { type: 'run.admit', atNs };
    const { sinceMs, phase, kind } = waiting;
    const given =
      kind === 'gate' && sinceMs !== null
        ? answers().filter(({ gate, wallMs }) => gate === phase && wallMs >= sinceMs)
        : [];
    const answer = given[waiting.answers];
    if (answer) return { type: 'gate.answer', atNs, ...answer };
    if (this.#wasToldClock && sinceMs !== null) return 'waiting';
    this.#wasToldClock = true;
    return { type: 'clock.told', atNs, wallMs: wallNow() };
  }

  #outcome(effectId: string, begun: Begun, outcome: ActOutcome): Happening {
    return endOfAct(effectId, begun, outcome, this.#options.compiled, this.context);
  }

  #evaluate(effectId: string, step: PlannedStep, nowNs: number): Happening {
    const { compiled, assumesAssertions = false } = this.#options;
    const end = evaluateStep(compiled, step, this.context, nowNs, assumesAssertions);
    return 'code' in end ? failed(effectId, end) : done(effectId, end);
  }

  /** The event for the chart if the node booted since the run last looked. */
  async #lostPower(): Promise<Happening | undefined> {
    const { bootId, nowNs } = await this.#options.port.status();
    if (bootId === this.#bootId) return undefined;
    return this.#powerLoss(nowNs, bootId);
  }

  /** What an earlier process had under way beside others and this one has not come to yet was under way, too. */
  #powerLoss(atNs: number, bootId: string): Happening {
    const underWay = this.#inPlanOrder().flatMap(([id, effect]) =>
      effect.kind === 'step' && (this.#begun.has(id) || this.#openIntents.has(id)) ? [{ id, effect }] : [],
    );
    const inFlight = underWay.flatMap(({ id, effect }): readonly DoneStep[] => {
      const { index, attempt } = effect;
      const { undo, isAfterCommit } = this.#steps[index]!;
      // Nobody heard that it failed: also one that does all or nothing may have done all.
      if (undo === 'none' || isAfterCommit) return [];
      const { args } = this.#begun.get(id) ?? this.#shown(effect);
      return [{ index, attempt, args, result: null }];
    });
    return { type: 'node.lost-power', atNs, bootId, doing: underWay.map(({ effect }) => effect.index), inFlight };
  }

  /** As the node gets it. */
  #request(effect: EffectInput): EffectRequest {
    return effectRequest(effect, this.context, this.#requestContext(this.#secret));
  }

  /** As the journal and the report get it: without secrets. */
  #shown(effect: EffectInput): EffectRequest {
    return effectRequest(effect, this.context, this.#requestContext(secretShown));
  }

  #requestContext(secret: (name: string) => string): RequestContext {
    const { compiled, keyPrefix } = this.#options;
    const { plan, steps, evaluator } = compiled;
    return { plan, steps, evaluator, keyPrefix, bootId: this.#bootId, secret };
  }

  readonly #secret = (name: string): string => {
    const value = this.#options.secrets?.[name];
    if (value === undefined) throw new ExpressionFailure(`the secret ${name} is not known`);
    return value;
  };

  async #write(record: NewRecord): Promise<void> {
    await this.#options.sink.append(record);
  }

  /** A record for people: it shares the next write, and whoever waits for that hears of a failure. */
  #note(record: Note): void {
    this.#options.sink.append({ ...record, wallMs: this.#options.wallNow() } as NewRecord).catch((error: unknown) => {
      if (!(error instanceof JournalError)) throw error;
    });
  }

  #announce(announcements: readonly Announcement[], atNs: number): void {
    for (const announcement of announcements) {
      const edge = phaseEdge(announcement);
      if (edge && !this.#isReplay) this.#note({ type: 'phase', ...edge, atNs });
      this.#teller.announce(announcement, this.context, atNs, this.#isReplay);
    }
  }

  #progress(progress: RunProgress): void {
    this.#options.onProgress(progress, this.#isReplay);
  }
}

const positionOf = (effect: EffectInput): number => ('index' in effect ? effect.index : 0);
