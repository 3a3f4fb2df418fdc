/**
 * How long steps take, from what earlier runs took: drawn anew for every simulated run.
 *
 * With three or more runs of the playbook: the multivariate Student-t distribution that predicts the next run of a normal
 * population, made of the runs themselves. One number for each earlier run says how much the new one is like it, so that
 * steps that were slow together are slow together; the spread grows with how little was seen. A sum of steps then falls
 * into its predicted band as often as it should (Student's t with n - 1 degrees of freedom). Where the runs vary less
 * than the kind of the step lets expect, each step has a part of its own beside.
 *
 * With one or two, that part is nearly all there is. For steps that never ran here: the mean of what is known, and a guess
 * of the spread.
 */
import type { ModelTiming } from '../model/model-node.ts';
import type { ActRequest } from '../node-port.ts';
import { type Plan, stepsOf } from '../plan/plan.ts';
import { priorTiming } from '../run/dry-run.ts';
import { type Occasion, occasionOf } from '../run/occasion.ts';
import type { PastRun } from './history.ts';
import type { Random } from './random.ts';
import { ENGINE_WORK, engineModel, type Known, mean, RUNS_MIN, type StepModel, stepModel } from './step-model.ts';

/** Of a step of which nothing is known but the prior of its kind, e.g. an undo: of the logarithm. */
const SPREAD_UNKNOWN = 0.5;
/** Degrees of freedom while the spread is a guess. */
const DEGREES_MIN = 2;

/** Weights of the earlier runs in a new one. */
export interface Draw {
  readonly timing: (request: ActRequest) => ModelTiming;
  readonly failureOf: (stepId: string) => string | undefined;
  /** A figure of the next run, from what it was in the earlier ones. */
  readonly like: (figures: readonly number[]) => number;
}

interface Deviation {
  readonly like: (residuals: readonly number[]) => number;
  readonly scale: number;
}

export class TimingModel {
  /** Runs of this playbook that went well: what the figures of a run come from. */
  readonly runs: readonly PastRun[];
  readonly steps: ReadonlyMap<string, StepModel>;
  /** What the engine does on its own account: a step may have the same name. */
  readonly engine: ReadonlyMap<string, StepModel>;
  readonly #plan: Plan;

  constructor(plan: Plan, history: readonly PastRun[]) {
    this.#plan = plan;
    const own = history.filter(({ playbook }) => playbook === plan.name);
    this.runs = own.filter(({ outcome }) => outcome === 'succeeded');
    const all = history.flatMap(({ observations }) => observations);
    const known: Known = { runs: this.runs, own, all, prior: priorTiming(plan) };
    this.steps = new Map(stepsOf(plan).map((step) => [step.id, stepModel(step, known)]));
    this.engine = new Map([...ENGINE_WORK.keys()].map((id) => [id, engineModel(id, known)]));
  }

  #modelOf({ at, isStep, isUndo }: Occasion): StepModel | undefined {
    return isUndo ? undefined : (isStep ? this.steps : this.engine).get(at);
  }

  /** What is known best of each step, without a spread. */
  usual(): (request: ActRequest) => ModelTiming {
    const prior = priorTiming(this.#plan);
    const ids = new Set(this.steps.keys());
    return (request) => {
      const model = this.#modelOf(occasionOf(request.key, ids));
      const { ms, downtimeMs } = prior(request);
      return { ms: model?.meanMs ?? ms, downtimeMs };
    };
  }

  draw(random: Random): Draw {
    const deviation = this.#deviation(random);
    const prior = priorTiming(this.#plan);
    const ids = new Set(this.steps.keys());
    const times = new Map<StepModel, number>();
    const timing = (request: ActRequest): ModelTiming => {
      const model = this.#modelOf(occasionOf(request.key, ids));
      const usual = prior(request);
      if (!model) return { ms: usual.ms * Math.exp(random.normal() * SPREAD_UNKNOWN), downtimeMs: usual.downtimeMs };
      const ms = times.get(model) ?? drawnMs(model, deviation, random);
      times.set(model, ms);
      return { ms, downtimeMs: usual.downtimeMs };
    };
    return {
      timing,
      failureOf: (id) => {
        const model = this.steps.get(id);
        return model && model.failureRate > 0 && random.uniform() < model.failureRate ? model.failureCode : undefined;
      },
      like: (figures) => {
        if (figures.length < RUNS_MIN) return mean(figures);
        const center = mean(figures);
        return center + deviation.like(figures.map((figure) => figure - center));
      },
    };
  }

  /** The t-distributed sum of residuals that stands for a new run. */
  #deviation(random: Random): Deviation {
    const n = this.runs.length;
    if (n === 0) return { like: () => 0, scale: 1 };
    const weights = Array.from({ length: n }, () => random.normal() / Math.sqrt(Math.max(1, n - 1)));
    const degrees = n < RUNS_MIN ? DEGREES_MIN : n - 1;
    const scale = Math.sqrt((1 + 1 / n) / (random.chiSquare(degrees) / degrees));
    return {
      like: (residuals) => scale * residuals.reduce((sum, residual, run) => sum + residual * (weights[run] ?? 0), 0),
      scale,
    };
  }
}

function drawnMs(model: StepModel, { like, scale }: Deviation, random: Random): number {
  const { basis, meanMs, residuals, unseenMs, spread } = model;
  if (basis !== 'measured') return meanMs * Math.exp(random.normal() * spread);
  const beside = unseenMs === 0 ? 0 : scale * unseenMs * random.normal();
  return Math.max(0, meanMs + like(residuals) + beside);
}
