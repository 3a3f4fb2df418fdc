/**
 * One round of a run as the real driver makes it, on a copy of a model node, with whatever the world may do to it. The
 * checker has no semantics of its own: driver, statechart and model are those of every run.
 */
import type { NewRecord } from '../journal/record-line.ts';
import { Crash, endsAfter, endsBefore, type Fate, interferenceOf, losesPower, usesAllTime } from '../model/fate.ts';
import { effectOf } from '../model/model-effects.ts';
import { type Interference, ModelNode, type ModelTiming } from '../model/model-node.ts';
import type { ActRequest } from '../node-port.ts';
import type { PlannedPhase } from '../plan/plan.ts';
import { openBudgets } from '../run/budgets.ts';
import { priorTiming } from '../run/dry-run.ts';
import { type DriverOptions, type DriverState, type OpenIntent, RunDriver } from '../run/run-driver.ts';
import type { CompiledPlan } from '../statechart/compiled-plan.ts';
import type { EffectInput, Waiting } from '../statechart/run-context.ts';
import { STEP_KINDS, stepKind } from '../steps/table.ts';
import type { Choices } from './choices.ts';
import type { Edge, Spot } from './edge.ts';
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
const ALONE = ['ok'] as const;

export class Rounds {
  readonly #compiled: CompiledPlan;
  readonly #evaluator: UnknownEvaluator;
  readonly #disks: CompiledPlan['plan']['node']['disks'];
  readonly #timing: (request: ActRequest) => ModelTiming;
  readonly #branching: ReadonlySet<string>;

  /** `compiled` has `evaluator` for its expressions. */
  constructor(compiled: CompiledPlan, evaluator: UnknownEvaluator) {
    const { plan } = compiled;
    this.#compiled = compiled;
    this.#evaluator = evaluator;
    this.#disks = plan.node.disks;
    this.#timing = priorTiming(plan);
    this.#branching = new Set(plan.phases.filter(hasBranches).map(({ id }) => id));
  }

  start(): Spot {
    const node = new ModelNode({ timing: this.#timing, disks: this.#disks });
    return { driver: this.#driver(node, undefined).state, node, conditions: new Map(), fates: new Map() };
  }

  /** What happens next, as the choices have it. */
  async go(spot: Spot, choices: Choices): Promise<Round> {
    this.#evaluator.conditions = new Map(spot.conditions);
    this.#evaluator.choices = choices;
    const { snapshot, outstanding } = spot.driver;
    if (snapshot.hasTag('paused')) return this.#resume(spot);
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
      answers: () => [{ gate: waiting.phase, by, decision: 'reject', comment: '', wallMs: WALL_MS }],
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
    const fates = new Map(spot.fates);
    const intents = new Map<string, OpenIntent>(spot.driver.openIntents);
    const phaseEndNs = this.#phaseEndNs(spot);
    const isLate = phaseEndNs !== undefined && choices.choose('phase', ['in time', 'late']) === 'late';
    const fateFor = (request: ActRequest): Fate => {
      const id = [...intents].find(([, { key }]) => key === request.key)?.[0] ?? '';
      return fates.get(id) ?? 'ok';
    };
    const interfere = (request: ActRequest, model: ModelNode): Interference | undefined => {
      const id = [...intents].find(([, { key }]) => key === request.key)?.[0] ?? '';
      const effect = spot.driver.outstanding.effects.get(id)!;
      // Of steps that are in flight together one goes wrong at a time.
      const isAlone = [...fates.values()].every((other) => other === 'ok');
      const fate = choices.choose(
        'fate',
        !isAlone ? ALONE : isLate ? LATE_FATES : this.#fatesOf(spot, effect, request, model),
      );
      fates.set(id, fate);
      if (endsBefore(fate)) throw new Crash();
      return interferenceOf(fate);
    };
    const timing = (request: ActRequest): ModelTiming => this.#timingFor(request, fateFor(request), spot, choices);
    const node = new ModelNode({ timing, disks: this.#disks, interfere }, spot.node);
    if (isLate) node.nowNs = Math.max(node.nowNs, phaseEndNs - NS_PER_MS);
    const end = new RoundEnd(spot);
    const driver = this.#driver(node, spot.driver, (record) => {
      if (record.type === 'intent') intents.set(record.effect, JSON.parse(JSON.stringify(record)) as OpenIntent);
      if (record.type !== 'event') return;
      end.take(record);
      if (endsAfter(fates.get(end.effectId) ?? 'ok')) throw new Crash();
    });
    let died: Fate | undefined;
    let heir = driver;
    let heirNode = node;
    try {
      await driver.advance();
    } catch (problem) {
      if (!(problem instanceof Crash)) throw problem;
      // A later process takes the run up from its journal.
      for (const [id, fate] of fates) {
        if (!endsBefore(fate) && !endsAfter(fate)) continue;
        died = fate;
        fates.set(id, 'ok');
      }
      if (died && losesPower(died)) node.losePower();
      heirNode = this.#copy(node);
      heir = this.#driver(heirNode, { ...spot.driver, openIntents: intents }, (record) => {
        if (record.type === 'event') end.take(record);
      });
      await heir.advance();
    }
    const fate = died ?? fates.get(end.effectId) ?? (end.error ? 'fails' : 'ok');
    const intent = intents.get(end.effectId);
    const timeoutMs = intent?.deadlineNs == null ? 0 : (intent.deadlineNs - intent.atNs) / NS_PER_MS;
    const open = new Map([...fates].filter(([id]) => heir.state.openIntents.has(id)));
    return this.#round(heir, heirNode, { fate, effect: end.effect, error: end.error, timeoutMs, fates: open });
  }

  /** How long it takes: usually what the table says; as long as it may, where the fate says so. */
  #timingFor(request: ActRequest, fate: Fate, spot: Spot, choices: Choices): ModelTiming {
    const { ms, downtimeMs } = this.#timing(request);
    const limitMs = ((request.deadlineNs ?? 0) - spot.node.nowNs) / NS_PER_MS;
    if (fate === 'too-much-downtime') return { ms: limitMs, downtimeMs: limitMs };
    if (usesAllTime(fate)) return { ms: limitMs, downtimeMs };
    // Beside other steps it may end before them or after them.
    const phase = spot.driver.snapshot.context.phases.at(-1)?.id ?? '';
    const isSlow = this.#branching.has(phase) && choices.choose('speed', ['quick', 'slow']) === 'slow';
    return { ms: isSlow ? limitMs : Math.min(ms, limitMs), downtimeMs };
  }

  /** Only what can make a difference: to whom it happens, and whether anything was done by then. */
  #fatesOf(spot: Spot, effect: EffectInput, request: ActRequest, model: ModelNode): readonly Fate[] {
    const wouldDo = effectOf(model.state, request.primitive, request.args, 0);
    if ('code' in wouldDo) return ['ok', 'power-lost-before'];
    // The engine's own check after a boot: of its many attempts only the number differs.
    if (effect.kind === 'check' && effect.attempt > 1) return ['ok', 'fails'];
    if (effect.kind === 'ask') return ['ok', 'fails', 'crash-before', 'crash-after', 'power-lost-before'];
    const step = effect.kind === 'step' ? this.#compiled.steps[effect.index]! : undefined;
    const changes = wouldDo.stages.length > 0;
    const kind = step ? stepKind(step.uses) : STEP_KINDS.find(({ name }) => name === request.primitive);
    const leavesHalf = changes && kind?.atomic !== true;
    // What is in flight beside others multiplies the states: there only what differs for them is tried.
    if (step && this.#branching.has(step.phase)) {
      const again = step.retry.attempts > 1 ? (['times-out'] as const) : [];
      const half = leavesHalf ? (['fails-half-way'] as const) : [];
      return ['ok', 'fails', ...half, ...again, 'crash-before', 'crash-after', 'power-lost-before'];
    }
    const { plan } = this.#compiled;
    const hasBudget = step !== undefined && openBudgets(plan, spot.driver.snapshot.context).length > 0;
    return [
      'ok',
      'fails',
      'times-out',
      ...(leavesHalf ? (['fails-half-way', 'times-out-half-way'] as const) : []),
      ...(hasBudget ? (['too-much-downtime'] as const) : []),
      'crash-before',
      'crash-after',
      'fails-then-crash',
      'power-lost-before',
      ...(changes ? (['power-lost-after'] as const) : []),
    ];
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
    return new ModelNode({ timing: this.#timing, disks: this.#disks }, node);
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

  #round(
    driver: RunDriver,
    node: ModelNode,
    told: Partial<Omit<Round, 'spot'>> & Pick<Round, 'fate'> & Partial<Pick<Spot, 'fates'>>,
  ): Round {
    this.#evaluator.choices = undefined;
    const { fates = new Map(), effect, error, fate, timeoutMs = 0 } = told;
    const spot = { driver: driver.state, node, conditions: this.#evaluator.conditions, fates };
    return { spot, fate, effect, error, timeoutMs };
  }
}

/** The event that ends a round; the last one told. */
class RoundEnd {
  readonly #spot: Spot;
  effectId = '';
  error: Edge['error'];

  constructor(spot: Spot) {
    this.#spot = spot;
  }

  get effect(): EffectInput | undefined {
    const { effects } = this.#spot.driver.outstanding;
    return effects.get(this.effectId) ?? [...effects.values()][0];
  }

  take({ event }: { readonly event: unknown }): void {
    const { actorId, error } = event as { readonly actorId?: string; readonly error?: Edge['error'] };
    this.effectId = actorId ?? '';
    this.error = error;
  }
}

/** Some of its steps run at the same time. */
const hasBranches = ({ steps }: PlannedPhase): boolean =>
  steps.some(({ needs }, position) => position > 0 && !(needs.length === 1 && needs[0] === steps[position - 1]!.index));
