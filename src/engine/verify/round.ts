/**
 * One round of a run as the real driver makes it, on a copy of a model node, with whatever the world may do to it. The
 * checker has no semantics of its own: driver, statechart and model are those of every run.
 */
import type { NewRecord } from '../journal/record-line.ts';
import { Crash, endsAfter, endsBefore, type Fate, interferenceOf, losesPower, usesAllTime } from '../model/fate.ts';
import { ModelNode, type ModelTiming, type RunningAct } from '../model/model-node.ts';
import type { ModelHardware } from '../model/model-state.ts';
import type { ActRequest } from '../node-port.ts';
import type { PlannedPhase } from '../plan/plan.ts';
import type { DriverOptions, DriverState, OpenIntent } from '../run/driver-options.ts';
import { priorTiming } from '../run/dry-run.ts';
import { RunDriver } from '../run/run-driver.ts';
import type { CompiledPlan } from '../statechart/compiled-plan.ts';
import type { EffectInput, Waiting } from '../statechart/run-context.ts';
import type { Choices } from './choices.ts';
import type { Edge, Spot } from './edge.ts';
import { PossibleFates } from './possible-fates.ts';
import type { UnknownEvaluator } from './unknown-evaluator.ts';

const EPOCH = 1;
const NS_PER_MS = 1e6;
const KEY_PREFIX = 'verify';
/** Wall clock of the checker, in milliseconds; an hour and more pass while a run waits for somebody. */
const WALL_MS = 0;

export interface Round {
  readonly spot: Spot;
  readonly fate: Edge['fate'];
  /** What ended. */
  readonly effect: EffectInput | undefined;
  readonly error: Edge['error'];
  /** What it may take at the most. */
  readonly timeoutMs: number;
}

/** Where the earlier steps of a phase used up its time. */
const LATE_FATES = ['takes-all-time', 'times-out'] as const;
const BEGINS = ['ok'] as const;
/** The choice of what comes first. */
export const FIRST = 'first';
/** What comes first where no act does. */
const TIME = 'time';

/** Somebody paused the run, and nothing is under way any more. */
export const isParked = ({ driver: { snapshot, outstanding } }: Spot): boolean =>
  snapshot.hasTag('paused') && outstanding.isEmpty;

export class Rounds {
  readonly #compiled: CompiledPlan;
  readonly #evaluator: UnknownEvaluator;
  readonly #hardware: ModelHardware;
  readonly #timing: (request: ActRequest, nowNs: number) => ModelTiming;
  readonly #fates: PossibleFates;

  /** `compiled` has `evaluator` for its expressions. */
  constructor(compiled: CompiledPlan, evaluator: UnknownEvaluator) {
    const { plan } = compiled;
    this.#compiled = compiled;
    this.#evaluator = evaluator;
    this.#hardware = { ...plan.node, harts: plan.node.harts ?? hartsMin(compiled) };
    const prior = priorTiming(plan);
    this.#timing = (request, nowNs) => {
      const { ms, downtimeMs } = prior(request);
      return { ms: Math.min(ms, ((request.deadlineNs ?? Number.POSITIVE_INFINITY) - nowNs) / NS_PER_MS), downtimeMs };
    };
    this.#fates = new PossibleFates(compiled);
  }

  start(): Spot {
    const node = new ModelNode({ timing: this.#timing, hardware: this.#hardware });
    return { driver: this.#driver(node, undefined).state, node, conditions: new Map() };
  }

  /** What happens next, as the choices have it. */
  async go(from: Spot, choices: Choices): Promise<Round> {
    const spot = inSomeOrder(from, choices);
    this.#evaluator.conditions = new Map(spot.conditions);
    this.#evaluator.choices = choices;
    const { snapshot, outstanding } = spot.driver;
    if (snapshot.hasTag('paused')) {
      // Beside a branch that is paused others go on; mvctl may be ended and the run resumed before they have come to their end.
      const isResumed = isParked(spot) || choices.choose('operator', ['watches', 'resumes']) === 'resumes';
      if (isResumed) return this.#resume(spot);
    }
    if (outstanding.effects.size > 0) return this.#bringAbout(spot, choices);
    if (outstanding.timers.size > 0) return this.#passTime(spot, choices);
    return this.#wait(spot, snapshot.context.waiting!, choices);
  }

  /** The operator asks a paused run to go on. */
  async #resume(spot: Spot): Promise<Round> {
    const node = this.#copy(spot.node);
    const driver = this.#driver(node, spot.driver);
    await driver.resume();
    return this.#round(driver, node, { fate: 'resumed' });
  }

  async #passTime(spot: Spot, choices: Choices): Promise<Round> {
    const fate = choices.choose('meanwhile', ['time-passes', 'power-lost-before']);
    const [timer] = spot.driver.outstanding.timers.values();
    const node = this.#copy(spot.node);
    if (fate === 'power-lost-before') node.losePower();
    const driver = this.#driver(node, spot.driver);
    await driver.advance();
    return this.#round(driver, node, { fate, timeoutMs: timer?.delayMs ?? 0 });
  }

  /** For people, or for a window. */
  async #wait(spot: Spot, waiting: Waiting, choices: Choices): Promise<Round> {
    const gate = waiting.kind === 'gate' ? this.#phase(waiting.phase)?.gate : undefined;
    const isLimited = gate?.timeoutMs != null;
    const fate = choices.choose('answer', [
      'admitted',
      ...(gate ? (['rejected'] as const) : []),
      ...(isLimited ? (['nobody-answers'] as const) : []),
    ]);
    const node = this.#copy(spot.node);
    const [by = ''] = gate?.approvers ?? [];
    const isLate = fate === 'nobody-answers' && waiting.sinceMs !== null;
    const driver = this.#driver(node, spot.driver, undefined, {
      admits: fate === 'admitted',
      answers: () =>
        fate === 'rejected' ? [{ gate: waiting.phase, by, decision: 'reject', comment: '', wallMs: WALL_MS }] : [],
      wallNow: () => WALL_MS + (isLate ? (gate?.timeoutMs ?? 0) : 0),
    });
    await driver.advance();
    // Whoever begins to wait is told the time first.
    if (fate === 'rejected' && driver.context.waiting) await driver.advance();
    return this.#round(driver, node, { fate });
  }

  /** The operator wants everything taken back. */
  async #takeBack(spot: Spot): Promise<Round> {
    const node = this.#copy(spot.node);
    const driver = this.#driver(node, spot.driver, undefined, { rollBack: AbortSignal.abort() });
    await driver.advance();
    return this.#round(driver, node, { fate: 'taken-back' });
  }

  async #bringAbout(spot: Spot, choices: Choices): Promise<Round> {
    const canGoBack =
      spot.driver.openIntents.size === 0 && spot.driver.snapshot.can({ type: 'run.roll-back', atNs: 0 });
    if (canGoBack && choices.choose('operator', ['watches', 'takes the run back']) !== 'watches')
      return this.#takeBack(spot);
    const phaseEndNs = spot.driver.outstanding.timers.size > 0 ? undefined : this.#phaseEndNs(spot);
    const isLate = phaseEndNs !== undefined && choices.choose('phase', ['in time', 'late']) === 'late';
    const intents = new Map<string, OpenIntent>(spot.driver.openIntents);
    const idOf = ({ key }: ActRequest): string => [...intents].find(([, intent]) => intent.key === key)?.[0] ?? '';
    const effectOf = (request: ActRequest): EffectInput => spot.driver.outstanding.effects.get(idOf(request))!;
    /** What befell the effect that ends, or the one with which the engine or the node does. */
    let struck: { readonly id: string; readonly fate: Fate } | undefined;
    let begun = 0;
    const interfere = (request: ActRequest, { state }: ModelNode): undefined => {
      const fates = isLate ? BEGINS : this.#fates.ofBegin(effectOf(request), request, state, begun === 0);
      begun += 1;
      const fate = choices.choose('fate', fates);
      if (!endsBefore(fate)) return;
      struck = { id: idOf(request), fate };
      throw new Crash();
    };
    const settle = (running: readonly RunningAct[], untilNs: number | null): RunningAct | undefined => {
      const act = firstOf(running, untilNs, choices, idOf);
      if (!act) return undefined;
      const { request } = act;
      const fates = isLate ? LATE_FATES : this.#fates.ofEnd(spot, effectOf(request), request, node.state, untilNs);
      const fate = choices.choose('fate', fates);
      struck = { id: idOf(request), fate };
      return settled(act, fate, node.nowNs, untilNs);
    };
    const node = new ModelNode({ timing: this.#timing, hardware: this.#hardware, interfere, settle }, spot.node);
    if (isLate) node.nowNs = Math.max(node.nowNs, phaseEndNs - NS_PER_MS);
    const end = new RoundEnd();
    const driver = this.#driver(node, spot.driver, (record) => {
      if (record.type === 'intent') intents.set(record.effect, JSON.parse(JSON.stringify(record)) as OpenIntent);
      if (record.type !== 'event') return;
      end.take(record);
      if (struck?.id === end.effectId && endsAfter(struck.fate)) throw new Crash();
    });
    let heir = driver;
    let heirNode = node;
    try {
      await driver.advance();
    } catch (problem) {
      if (!(problem instanceof Crash)) throw problem;
      // A later process takes the run up from its journal.
      if (struck && losesPower(struck.fate)) node.losePower();
      heirNode = this.#copy(node);
      heir = this.#driver(heirNode, { ...spot.driver, openIntents: intents }, (record) => {
        if (record.type === 'event') end.take(record);
      });
      await heir.advance();
    }
    const { effects, timers } = spot.driver.outstanding;
    const timer = struck ? undefined : [...timers.values()].find(({ event }) => event.type === end.type);
    if (timer) return this.#round(heir, heirNode, { fate: 'time-passes', timeoutMs: timer.delayMs });
    const id = struck?.id ?? end.effectId;
    const intent = intents.get(id);
    const timeoutMs = intent?.deadlineNs == null ? 0 : (intent.deadlineNs - intent.atNs) / NS_PER_MS;
    const { error } = end;
    // Before a driver says that the run pauses it looks whether the node is still there.
    if (heir.isPaused && heir.state.outstanding.isEmpty) await heir.advance();
    const fate = struck?.fate ?? (error ? 'fails' : 'ok');
    return this.#round(heir, heirNode, { fate, effect: effects.get(id), error, timeoutMs });
  }

  /** When the time of the phase of the steps under way is over, in node time. */
  #phaseEndNs({ driver }: Spot): number | undefined {
    const step = [...driver.outstanding.effects.values()].find(({ kind }) => kind === 'step');
    const open = driver.snapshot.context.phases.at(-1);
    const timeoutMs = this.#phase(open?.id)?.timeoutMs ?? null;
    return !step || timeoutMs === null || !open ? undefined : open.roundNs + timeoutMs * NS_PER_MS;
  }

  #phase(wanted: string | undefined): PlannedPhase | undefined {
    return this.#compiled.plan.phases.find(({ id }) => id === wanted);
  }

  #copy(node: ModelNode): ModelNode {
    return new ModelNode({ timing: this.#timing, hardware: this.#hardware }, node);
  }

  #driver(
    port: ModelNode,
    from: DriverState | undefined,
    onRecord: (record: NewRecord) => void = () => {},
    options: Partial<DriverOptions> = {},
  ): RunDriver {
    return new RunDriver({
      compiled: this.#compiled,
      port,
      sink: {
        append: async (record) => onRecord(record),
      },
      wallNow: () => WALL_MS,
      keyPrefix: KEY_PREFIX,
      epoch: EPOCH,
      bootId: port.bootId,
      beginNs: port.nowNs,
      facts: {},
      onProgress: () => {},
      secrets: this.#secrets,
      ...(from ? { from } : {}),
      ...options,
    });
  }

  get #secrets(): { readonly [name: string]: string } {
    return Object.fromEntries(Object.keys(this.#compiled.plan.secrets).map((name) => [name, '']));
  }

  #round(driver: RunDriver, node: ModelNode, told: Partial<Omit<Round, 'spot'>> & Pick<Round, 'fate'>): Round {
    this.#evaluator.choices = undefined;
    const { effect, error, fate, timeoutMs = 0 } = told;
    const spot = { driver: driver.state, node, conditions: this.#evaluator.conditions };
    return { spot, fate, effect, error, timeoutMs };
  }
}

/** The event that ends a round; the last one told. */
class RoundEnd {
  type = '';
  /** Empty where no effect has ended. */
  effectId = '';
  error: Edge['error'];

  take({ event }: { readonly event: unknown }): void {
    const { type, actorId, error } = event as {
      readonly type: string;
      readonly actorId?: string;
      readonly error?: Edge['error'];
    };
    this.type = type;
    this.effectId = actorId ?? '';
    this.error = error;
  }
}

/** How long two branches wait for does not tell which of them waited first: any timer can be due before the others. */
function inSomeOrder(spot: Spot, choices: Choices): Spot {
  const { driver } = spot;
  const { timers } = driver.outstanding;
  if (timers.size === 0) return spot;
  const outstanding = driver.outstanding.withFirst(choices.choose(FIRST, [...timers.keys()]), spot.node.nowNs);
  return { ...spot, driver: { ...driver, outstanding } };
}

/** A playbook that has harts change hands has to do so right on a node that has several. */
const hartsMin = ({ steps }: CompiledPlan): number => (steps.some(({ uses }) => uses.startsWith('cpu.')) ? 2 : 1);

/** Of acts under way any can be over first, and where the run waits for a time as well, that can come before all of them. */
function firstOf(
  running: readonly RunningAct[],
  untilNs: number | null,
  choices: Choices,
  nameOf: (request: ActRequest) => string,
): RunningAct | undefined {
  const names = running.map(({ request }) => nameOf(request));
  const first = choices.choose(FIRST, untilNs === null ? names : [...names, TIME]);
  return running[names.indexOf(first)];
}

/** The act as the fate has it end, at `nowNs` or later, but not later than `untilNs`. */
function settled(act: RunningAct, fate: Fate, nowNs: number, untilNs: number | null): RunningAct {
  const { request, startNs } = act;
  const isLong = usesAllTime(fate) || fate === 'too-much-downtime';
  const wantedNs = isLong ? (request.deadlineNs ?? act.endNs) : act.endNs;
  const endNs = Math.max(nowNs, Math.min(wantedNs, untilNs ?? Number.POSITIVE_INFINITY));
  const downtimeMs = fate === 'too-much-downtime' ? (endNs - startNs) / NS_PER_MS : act.downtimeMs;
  return { ...act, interference: interferenceOf(fate), endNs, downtimeMs };
}
