/**
 * One round of a run as the real driver makes it, on a copy of a model node, with whatever the world may do to it. The
 * checker has no semantics of its own: driver, statechart and model are those of every run.
 */
import type { IntentRecord } from '../generated/journal.ts';
import type { NewRecord } from '../journal/record-line.ts';
import { Crash, endsAfter, endsBefore, type Fate, interferenceOf, losesPower, usesAllTime } from '../model/fate.ts';
import { effectOf } from '../model/model-effects.ts';
import { type Interference, ModelNode, type ModelTiming } from '../model/model-node.ts';
import type { ActRequest } from '../node-port.ts';
import { priorTiming } from '../run/dry-run.ts';
import { type DriverState, RunDriver } from '../run/run-driver.ts';
import type { CompiledPlan } from '../statechart/compiled-plan.ts';
import type { EffectInput } from '../statechart/run-context.ts';
import { stepKind } from '../steps/table.ts';
import type { Choices } from './choices.ts';
import type { Edge, Spot } from './edge.ts';
import type { UnknownEvaluator } from './unknown-evaluator.ts';

/** Where the earlier steps of a phase used up its time. */
const LATE_FATES = ['takes-all-time', 'times-out'] as const;

const EPOCH = 1;
const NS_PER_MS = 1e6;
const KEY_PREFIX = 'verify';

export interface Round {
  readonly spot: Spot;
  readonly fate: Edge['fate'];
  readonly error: Edge['error'];
  /** What the effect may take at the most. */
  readonly timeoutMs: number;
}

export class Rounds {
  readonly #compiled: CompiledPlan;
  readonly #evaluator: UnknownEvaluator;
  readonly #disks: readonly string[];
  readonly #timing: (request: ActRequest) => ModelTiming;

  /** `compiled` has `evaluator` for its expressions. */
  constructor(compiled: CompiledPlan, evaluator: UnknownEvaluator) {
    this.#compiled = compiled;
    this.#evaluator = evaluator;
    this.#disks = compiled.plan.node.disks.map(({ name }) => name);
    this.#timing = priorTiming(compiled.plan);
  }

  start(): Spot {
    const node = new ModelNode({ timing: this.#timing, disks: this.#disks });
    const driver = this.#driver(node, undefined, () => {});
    return { driver: driver.state, node, conditions: new Map() };
  }

  /** What happens next, as the choices have it. */
  async go(spot: Spot, choices: Choices): Promise<Round> {
    const [effect] = spot.driver.outstanding.effects.values();
    this.#evaluator.conditions = new Map(spot.conditions);
    this.#evaluator.choices = choices;
    if (effect && this.#isOfNode(effect)) return this.#bringAbout(spot, effect, choices);
    return effect ? this.#evaluate(spot) : this.#passTime(spot, choices);
  }

  /** The operator asks a paused run to go on. */
  async resume(spot: Spot, choices: Choices): Promise<Round> {
    this.#evaluator.conditions = new Map(spot.conditions);
    this.#evaluator.choices = choices;
    const node = this.#copy(spot.node);
    const driver = this.#driver(node, spot.driver, () => {});
    await driver.resume();
    return this.#round(driver, node, 'resumed', undefined, 0);
  }

  #isOfNode(effect: EffectInput): boolean {
    return effect.kind !== 'step' || stepKind(this.#compiled.steps[effect.index]!.uses).does.by === 'node';
  }

  async #evaluate(spot: Spot): Promise<Round> {
    const node = this.#copy(spot.node);
    let error: Edge['error'];
    const driver = this.#driver(node, spot.driver, (record) => {
      error = errorOf(record);
    });
    await driver.advance();
    return this.#round(driver, node, error ? 'fails' : 'ok', error, 0);
  }

  async #passTime(spot: Spot, choices: Choices): Promise<Round> {
    const fate = choices.choose('meanwhile', ['time-passes', 'power-lost-before']);
    const [timer] = spot.driver.outstanding.timers.values();
    const node = this.#copy(spot.node);
    if (fate === 'power-lost-before') node.losePower();
    const driver = this.#driver(node, spot.driver, () => {});
    await driver.advance();
    return this.#round(driver, node, fate, undefined, timer?.delayMs ?? 0);
  }

  async #bringAbout(spot: Spot, effect: EffectInput, choices: Choices): Promise<Round> {
    let fate: Fate = 'ok';
    let error: Edge['error'];
    let timeoutMs = 0;
    let intent: IntentRecord | undefined;
    const phaseEndNs = this.#phaseEndNs(spot, effect);
    const isLate = phaseEndNs !== undefined && choices.choose('phase', ['in time', 'late']) === 'late';
    const interfere = (request: ActRequest, model: ModelNode): Interference | undefined => {
      timeoutMs = ((request.deadlineNs ?? model.nowNs) - model.nowNs) / NS_PER_MS;
      fate = choices.choose('fate', isLate ? LATE_FATES : this.#fatesOf(effect, request, model));
      if (endsBefore(fate)) throw new Crash();
      return interferenceOf(fate);
    };
    const timing = (request: ActRequest): ModelTiming => {
      const { ms, downtimeMs } = this.#timing(request);
      return { ms: usesAllTime(fate) ? timeoutMs : Math.min(ms, timeoutMs), downtimeMs };
    };
    const node = new ModelNode({ timing, disks: this.#disks, interfere }, spot.node);
    if (isLate) node.nowNs = Math.max(node.nowNs, phaseEndNs - NS_PER_MS);
    const driver = this.#driver(node, spot.driver, (record) => {
      if (record.type === 'intent') intent = JSON.parse(JSON.stringify(record)) as IntentRecord;
      if (record.type !== 'event') return;
      if (endsAfter(fate)) throw new Crash();
      error = errorOf(record);
    });
    try {
      await driver.advance();
    } catch (problem) {
      if (!(problem instanceof Crash)) throw problem;
      return this.#afterCrash(spot, node, effect, intent, fate, timeoutMs);
    }
    return this.#round(driver, node, fate, error, timeoutMs);
  }

  /** A later process takes the run up from its journal. */
  async #afterCrash(
    spot: Spot,
    node: ModelNode,
    effect: EffectInput,
    intent: IntentRecord | undefined,
    fate: Fate,
    timeoutMs: number,
  ): Promise<Round> {
    if (losesPower(fate)) node.losePower();
    const heir = this.#copy(node);
    const [id] = [...spot.driver.outstanding.effects].find(([, input]) => input === effect)!;
    const openIntents = new Map(spot.driver.openIntents);
    if (intent) openIntents.set(id, intent);
    let error: Edge['error'];
    const driver = this.#driver(heir, { ...spot.driver, openIntents }, (record) => {
      error = errorOf(record);
    });
    await driver.advance();
    return this.#round(driver, heir, fate, error, timeoutMs);
  }

  /** Only what can make a difference: to whom it happens, and whether anything was done by then. */
  #fatesOf(effect: EffectInput, request: ActRequest, model: ModelNode): readonly Fate[] {
    const wouldDo = effectOf(model.state, request.primitive, request.args, 0);
    if ('code' in wouldDo) return ['ok', 'power-lost-before'];
    // The engine's own check after a boot: of its many attempts only the number differs.
    if (effect.kind === 'check' && effect.attempt > 1) return ['ok', 'fails'];
    const step = effect.kind === 'step' ? this.#compiled.steps[effect.index]! : undefined;
    const leavesHalf = wouldDo.stages.length > 0 && !(step && stepKind(step.uses).atomic);
    const changes = wouldDo.stages.length > 0;
    return [
      'ok',
      'fails',
      'times-out',
      ...(leavesHalf ? (['fails-half-way', 'times-out-half-way'] as const) : []),
      'crash-before',
      'crash-after',
      'fails-then-crash',
      'power-lost-before',
      ...(changes ? (['power-lost-after'] as const) : []),
    ];
  }

  /** When the time of the step's phase is over, in node time. */
  #phaseEndNs({ driver }: Spot, effect: EffectInput): number | undefined {
    if (effect.kind !== 'step') return undefined;
    const { phase } = this.#compiled.steps[effect.index]!;
    const timeoutMs = this.#compiled.plan.phases.find(({ id }) => id === phase)?.timeoutMs ?? null;
    const open = driver.snapshot.context.phases.findLast(({ id }) => id === phase);
    return timeoutMs === null || !open ? undefined : open.startNs + timeoutMs * NS_PER_MS;
  }

  #copy(node: ModelNode): ModelNode {
    return new ModelNode({ timing: this.#timing, disks: this.#disks }, node);
  }

  #driver(port: ModelNode, from: DriverState | undefined, onRecord: (record: NewRecord) => void): RunDriver {
    return new RunDriver({
      compiled: this.#compiled,
      port,
      sink: {
        append: async (record) => onRecord(record),
      },
      wallNow: () => 0,
      keyPrefix: KEY_PREFIX,
      epoch: EPOCH,
      bootId: port.bootId,
      beginNs: port.nowNs,
      facts: {},
      onProgress: () => {},
      ...(from ? { from } : {}),
    });
  }

  #round(driver: RunDriver, node: ModelNode, fate: Edge['fate'], error: Edge['error'], timeoutMs: number): Round {
    this.#evaluator.choices = undefined;
    const spot = { driver: driver.state, node, conditions: this.#evaluator.conditions };
    return { spot, fate, error, timeoutMs };
  }
}

function errorOf(record: NewRecord): Edge['error'] {
  if (record.type !== 'event') return undefined;
  const { error } = record.event as { readonly error?: { readonly code: string; readonly message: string } };
  return error;
}
