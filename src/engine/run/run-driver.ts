/**
 * Stage 5: makes a statechart happen. The chart decides by pure transitions; the driver brings effects about at the
 * node, lets node time pass for timers, and writes the journal.
 *
 * Invariants:
 * 1. An intent is on disk before its effect starts, an event before the transition that it causes.
 * 2. What a journal holds is replayed through the same transitions; nothing of it is done again.
 * 3. An intent without an event is asked for at the node (`probe`), never simply repeated.
 * 4. The driver stops between effects only: what it leaves behind can be resumed.
 */
import { initialTransition, type SnapshotFrom, transition } from 'xstate';
import { ExpressionFailure } from '../expression/scope.ts';
import type { IntentRecord, JournalRecord, PhaseRecord, TimerRecord } from '../generated/journal.ts';
import { JournalError } from '../journal/journal-error.ts';
import { LockLost } from '../journal/node-lock.ts';
import type { NewRecord } from '../journal/record-line.ts';
import type { ActOutcome, ActRequest, Json, NodePort } from '../node-port.ts';
import type { PlannedStep } from '../plan/plan.ts';
import type { RunChart } from '../statechart/compile-chart.ts';
import type { CompiledPlan } from '../statechart/compiled-plan.ts';
import type { Evaluator } from '../statechart/evaluator.ts';
import type { DoneStep, EffectError, EffectInput, EffectOutput, RunContext } from '../statechart/run-context.ts';
import type { NodeCall, StepArgs } from '../steps/step-kind.ts';
import { stepKind } from '../steps/table.ts';
import { type EffectRequest, effectRequest, stepArgs, stepOutputs } from './effect-request.ts';
import { type Announcement, Outstanding, type Timer } from './outstanding.ts';
import type { ProgressListener, RunProgress } from './run-progress.ts';

/** Where records go. In the dry run nowhere. */
export interface RecordSink {
  append(record: NewRecord): Promise<void>;
}

export interface DriverOptions {
  readonly compiled: CompiledPlan;
  readonly port: NodePort;
  readonly sink: RecordSink;
  /** Wall clock in milliseconds, for people who read the journal. */
  readonly wallNow: () => number;
  readonly keyPrefix: string;
  readonly epoch: number;
  readonly bootId: string;
  readonly beginNs: number;
  readonly facts: { readonly [name: string]: Json };
  readonly onProgress: ProgressListener;
  /** In a dry run nothing is known that an assertion could judge: it is taken to hold. */
  readonly assumesAssertions?: boolean;
  /** Stops the run before its next effect. */
  readonly signal?: AbortSignal | undefined;
  /** Takes the run back before its next effect, as long as it can be taken back. */
  readonly rollBack?: AbortSignal | undefined;
  /** Goes on from here in place of from the beginning. */
  readonly from?: DriverState;
}

/** All that a driver knows. A driver that goes on from it leaves it as it is. */
export interface DriverState {
  readonly snapshot: SnapshotFrom<RunChart>;
  readonly outstanding: Outstanding;
  /** Intents of earlier processes whose event never came, by effect. */
  readonly openIntents: ReadonlyMap<string, IntentRecord>;
  readonly bootId: string;
}

type Note = Omit<TimerRecord, 'seq' | 'crc' | 'wallMs'> | Omit<PhaseRecord, 'seq' | 'crc' | 'wallMs'>;

export type DriveEnd = 'finished' | 'paused' | 'interrupted';

/** An event as the chart and the journal have it. */
interface Happening {
  readonly type: string;
  readonly atNs: number;
  readonly [field: string]: unknown;
}

export class RunDriver {
  readonly #options: DriverOptions;
  readonly #steps: readonly PlannedStep[];
  readonly #evaluator: Evaluator;
  readonly #chart: RunChart;
  readonly #outstanding: Outstanding;
  readonly #openIntents: Map<string, IntentRecord>;
  #snapshot: SnapshotFrom<RunChart>;
  #bootId: string;
  #isReplay = true;

  constructor(options: DriverOptions) {
    const { compiled, from } = options;
    this.#options = options;
    this.#steps = compiled.steps;
    this.#evaluator = compiled.evaluator;
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
      if (typeof event['actorId'] === 'string') this.#openIntents.delete(event['actorId']);
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
    const [effect] = this.#outstanding.effects;
    if (this.#mustGoBack) {
      const event = await this.#goBack(effect);
      if (event) {
        await this.#happen(event);
        return undefined;
      }
    }
    const goesBack = this.#mustGoBack && this.#snapshot.hasTag('goes-back');
    if (this.#options.signal?.aborted && !goesBack) return 'interrupted';
    const [timer] = this.#outstanding.timers.values();
    if (effect) await this.#happen(await this.#bringAbout(...effect));
    else if (timer) await this.#happen(await this.#wait(timer));
    else if (this.isPaused) return 'paused';
    else throw new Error(`the statechart waits for nothing in ${JSON.stringify(this.#snapshot.value)}`);
    return undefined;
  }

  get #mustGoBack(): boolean {
    return this.#options.rollBack?.aborted === true;
  }

  /**
   * The event that takes the run back, after what an earlier process left under way has ended; none where the run goes
   * back already, or cannot any more.
   */
  async #goBack(effect: readonly [id: string, EffectInput] | undefined): Promise<Happening | undefined> {
    const { port } = this.#options;
    const event = { type: 'run.roll-back', atNs: this.context.nowNs } as const;
    if (!this.#snapshot.can(event)) return undefined;
    const open = effect && this.#openIntents.get(effect[0]);
    if (effect && open && (await port.probe(open.key)).state !== 'never-started') return this.#takeUp(...effect, open);
    const lost = await this.#lostPower(null);
    return lost ?? { ...event, atNs: (await port.status()).nowNs };
  }

  async #happen(event: Happening): Promise<void> {
    await this.#write({ type: 'event', event, atNs: event.atNs, wallMs: this.#options.wallNow() });
    if (typeof event['actorId'] === 'string') this.#openIntents.delete(event['actorId']);
    this.#apply(event);
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
    if (effect) this.#tellEnd(effect, event);
    // The chart's own events are typed; those of effects and timers are made by XState and have no type of ours.
    const [snapshot, actions] = transition(this.#chart, this.#snapshot, event as never);
    this.#snapshot = snapshot;
    this.#announce(this.#outstanding.apply(actions, event.atNs), event.atNs);
  }

  async #wait(timer: Timer): Promise<Happening> {
    const { port } = this.#options;
    const lost = await this.#lostPower(null);
    if (lost) return lost;
    void this.#note({ type: 'timer', timer: timer.id, dueNs: timer.dueNs, atNs: this.context.nowNs });
    this.#progress({ type: 'waiting', untilNs: timer.dueNs, forMs: timer.delayMs });
    await port.waitUntil(timer.dueNs);
    return { ...timer.event, atNs: timer.dueNs };
  }

  async #bringAbout(effectId: string, effect: EffectInput): Promise<Happening> {
    const open = this.#openIntents.get(effectId);
    if (open) return this.#takeUp(effectId, effect, open);
    const lost = await this.#lostPower(null);
    if (lost) return lost;
    const { nowNs } = await this.#options.port.status();
    this.#tellStart(effect, nowNs);
    if (effect.kind === 'step' && stepKind(this.#steps[effect.index]!.uses).does.by !== 'node') {
      return this.#evaluate(effectId, this.#steps[effect.index]!, nowNs);
    }
    let request: EffectRequest;
    try {
      request = effectRequest(effect, this.context, this.#requestContext());
    } catch (error) {
      if (error instanceof ExpressionFailure) return failed(effectId, notBegun(error.message, nowNs));
      throw error;
    }
    const deadlineNs = this.#deadlineNs(effect, nowNs, request.timeoutMs);
    const { call, key } = request;
    await this.#write({
      type: 'intent',
      effect: effectId,
      key,
      primitive: call.primitive,
      args: call.args as unknown as { [name: string]: unknown },
      deadlineNs,
      atNs: nowNs,
      wallMs: this.#options.wallNow(),
    });
    return this.#act(effectId, effect, toActRequest(call, key, deadlineNs), request.args);
  }

  /** An intent that an earlier process wrote and whose end it did not live to see. */
  async #takeUp(effectId: string, effect: EffectInput, intent: IntentRecord): Promise<Happening> {
    const { port } = this.#options;
    this.#tellStart(effect, intent.atNs);
    const args = this.#argsOf(effect);
    const answer = await port.probe(intent.key);
    if (answer.state === 'done') return this.#outcome(effectId, effect, args, answer.outcome);
    const lost = await this.#lostPower(this.#inFlight(effect));
    if (lost) return lost;
    if (answer.state === 'lost')
      return {
        type: 'node.lost-power',
        atNs: (await port.status()).nowNs,
        bootId: answer.bootId,
        inFlight: this.#inFlight(effect),
      };
    const { key, primitive, deadlineNs } = intent;
    const call = { primitive, args: intent.args } as unknown as NodeCall;
    return this.#act(effectId, effect, toActRequest(call, key, deadlineNs), args);
  }

  async #act(
    effectId: string,
    effect: EffectInput,
    request: Omit<ActRequest, 'epoch'>,
    args: StepArgs,
  ): Promise<Happening> {
    const { port, epoch } = this.#options;
    const outcome = await port.act({ ...request, epoch });
    if (!outcome.ok && outcome.error.code === 'stale-epoch') throw new LockLost(outcome.error.message);
    if (!outcome.ok && outcome.error.code === 'lost-power') {
      const lost = await this.#lostPower(this.#inFlight(effect));
      if (lost) return lost;
    }
    return this.#outcome(effectId, effect, args, outcome);
  }

  #outcome(effectId: string, effect: EffectInput, args: StepArgs, outcome: ActOutcome): Happening {
    const { startNs, endNs } = outcome;
    if (!outcome.ok) {
      const { code, message, retryable } = outcome.error;
      return failed(effectId, { startNs, endNs, args, code, message, retryable, left: 'perhaps', result: null });
    }
    const { result } = outcome;
    if (effect.kind !== 'step') return done(effectId, { startNs, endNs, args, result, outputs: {} });
    try {
      const outputs = stepOutputs(this.#evaluator, this.#steps[effect.index]!, result, this.context);
      return done(effectId, { startNs, endNs, args, result, outputs });
    } catch (error) {
      if (!(error instanceof ExpressionFailure)) throw error;
      const problem = { code: 'expression', message: error.message, retryable: false, left: 'all' as const, result };
      return failed(effectId, { startNs, endNs, args, ...problem });
    }
  }

  /** Steps that ask nothing of the node: they take no node time. */
  #evaluate(effectId: string, step: PlannedStep, nowNs: number): Happening {
    const kind = stepKind(step.uses);
    const times = { startNs: nowNs, endNs: nowNs };
    try {
      if (kind.does.by === 'assert') {
        const condition = step.with['that'];
        const source = condition?.as === 'value' ? String(condition.value) : '';
        const holds = this.#evaluator.condition(source, step, this.context);
        if (!holds && this.#options.assumesAssertions !== true) {
          const { message } = this.#evaluator.args({ message: step.with['message']! }, step, this.context);
          const told = message === '' ? `${source} does not hold` : String(message);
          const problem = {
            code: 'assertion',
            message: told,
            retryable: false,
            left: 'nothing' as const,
            result: null,
          };
          return failed(effectId, { ...times, args: {}, ...problem });
        }
      }
      const args =
        kind.does.by === 'pause' ? stepArgs(this.#requestContext(), kind, step.with, step, this.context) : {};
      const outputs = stepOutputs(this.#evaluator, step, {}, this.context);
      return done(effectId, { ...times, args, result: {}, outputs });
    } catch (error) {
      if (error instanceof ExpressionFailure) return failed(effectId, notBegun(error.message, nowNs));
      throw error;
    }
  }

  /** The event for the chart if the node booted since the run last looked. */
  async #lostPower(inFlight: DoneStep | null): Promise<Happening | undefined> {
    const { bootId, nowNs } = await this.#options.port.status();
    if (bootId === this.#bootId) return undefined;
    return { type: 'node.lost-power', atNs: nowNs, bootId, inFlight };
  }

  #inFlight(effect: EffectInput): DoneStep | null {
    if (effect.kind === 'undo') return null;
    if (effect.kind !== 'step' || stepKind(this.#steps[effect.index]!.uses).atomic) return null;
    const { undo, isAfterCommit } = this.#steps[effect.index]!;
    if (undo === 'none' || isAfterCommit) return null;
    return { index: effect.index, args: this.#argsOf(effect), result: null };
  }

  /** The arguments an effect was started with: the context has not changed since. */
  #argsOf(effect: EffectInput): StepArgs {
    return effect.kind === 'step' ? effectRequest(effect, this.context, this.#requestContext()).args : {};
  }

  #requestContext(): Parameters<typeof effectRequest>[2] {
    const { compiled, keyPrefix } = this.#options;
    return { plan: compiled.plan, steps: this.#steps, evaluator: this.#evaluator, keyPrefix, bootId: this.#bootId };
  }

  /** Whichever comes first, the timeout of the step or that of its phase. */
  #deadlineNs(effect: EffectInput, nowNs: number, timeoutMs: number): number {
    const deadlineNs = nowNs + timeoutMs * 1e6;
    if (effect.kind !== 'step') return deadlineNs;
    const { phase } = this.#steps[effect.index]!;
    const planned = this.#options.compiled.plan.phases.find(({ id }) => id === phase);
    const open = this.context.phases.findLast(({ id }) => id === phase);
    if (planned?.timeoutMs == null || !open) return deadlineNs;
    return Math.min(deadlineNs, open.startNs + planned.timeoutMs * 1e6);
  }

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
    for (const { type, params } of announcements) {
      if (type === 'stepIsSkipped') this.#progress({ type: 'step-skipped', step: params['step'] as PlannedStep });
      if (type === 'pauseIsOver') {
        const step = params['step'] as PlannedStep;
        const { startNs = atNs } = this.context.steps[step.index] ?? {};
        this.#progress({ type: 'step-done', step, nodeNs: atNs - startNs, atNs });
      }
      if (type !== 'phaseStarts' && type !== 'phaseEnds') continue;
      const phase = String(params['phase']);
      const isStart = type === 'phaseStarts';
      if (!this.#isReplay) this.#note({ type: 'phase', phase, edge: isStart ? 'start' : 'end', atNs });
      this.#progress({ type: isStart ? 'phase-start' : 'phase-end', phase, atNs });
    }
  }

  #tellStart(effect: EffectInput, atNs: number): void {
    if (effect.kind === 'step') {
      this.#progress({ type: 'step-start', step: this.#steps[effect.index]!, attempt: effect.attempt, atNs });
    } else if (effect.kind === 'undo') {
      this.#progress({ type: 'undo-start', step: this.#steps[effect.entry.index]!, attempt: effect.attempt, atNs });
    }
  }

  #tellEnd(effect: EffectInput, { output, error, atNs }: Happening & { output?: unknown; error?: unknown }): void {
    if (effect.kind !== 'step' && effect.kind !== 'undo') return;
    const step = this.#steps[effect.kind === 'step' ? effect.index : effect.entry.index]!;
    if (output !== undefined) {
      const { startNs, endNs } = output as EffectOutput;
      // A pause is done when its time has passed.
      if (effect.kind === 'step' && step.uses === 'pause') return;
      if (effect.kind === 'step') this.#progress({ type: 'step-done', step, nodeNs: endNs - startNs, atNs });
      else this.#progress({ type: 'undo-done', step, atNs });
    } else if (error !== undefined) {
      const { code, message } = error as EffectError;
      if (effect.kind === 'step')
        this.#progress({ type: 'step-failed', step, attempt: effect.attempt, code, message, atNs });
      else this.#progress({ type: 'undo-failed', step, code, message, atNs });
    }
  }

  #progress(progress: RunProgress): void {
    this.#options.onProgress(progress, this.#isReplay);
  }
}

/** The table's types tie arguments to names; what crosses the port is JSON. */
const toActRequest = (
  { primitive, args }: NodeCall,
  key: string,
  deadlineNs: number | null,
): Omit<ActRequest, 'epoch'> => ({
  primitive,
  args: args as unknown as ActRequest['args'],
  key,
  ...(deadlineNs === null ? {} : { deadlineNs }),
});

const done = (actorId: string, output: EffectOutput): Happening => ({
  type: `xstate.done.actor.${actorId}`,
  actorId,
  output,
  atNs: output.endNs,
});

const failed = (actorId: string, error: EffectError): Happening => ({
  type: `xstate.error.actor.${actorId}`,
  actorId,
  error,
  atNs: error.endNs,
});

/** The step's arguments have no value: the node was never asked, so there is nothing to take back. */
const notBegun = (message: string, atNs: number): EffectError => ({
  startNs: atNs,
  endNs: atNs,
  args: {},
  code: 'expression',
  message,
  retryable: false,
  left: 'nothing',
  result: null,
});
