/**
 * How long steps take, from what earlier runs took: drawn anew for every simulated run.
 *
 * With three or more runs of the playbook: the multivariate Student-t distribution that predicts the next run of a normal
 * population, made of the runs themselves. One number for each earlier run says how much the new one is like it, so that
 * steps that were slow together are slow together; the spread grows with how little was seen. A sum of steps then falls
 * into its predicted band as often as it should (Student's t with n - 1 degrees of freedom).
 *
 * With fewer, and for steps that never ran here: the mean of what is known, and a guess of the spread.
 */
import type { ModelTiming } from '../model/model-node.ts';
import type { ActRequest } from '../node-port.ts';
import type { Plan, PlannedStep } from '../plan/plan.ts';
import { stepsOf } from '../plan/plan.ts';
import { priorTiming } from '../run/dry-run.ts';
import { occasionOf } from '../run/occasion.ts';
import type { Observation, PastRun } from './history.ts';
import type { Random } from './random.ts';

/** From what a duration is known, best first. */
export type Basis = 'measured' | 'like steps' | 'expected' | 'guessed';

interface StepModel {
  readonly basis: Basis;
  /** Runs, or steps, that it was seen in. */
  readonly seen: number;
  readonly meanMs: number;
  /** By run of the history: how far from the mean; 0 where it was not done. Empty: the spread is a guess. */
  readonly residuals: readonly number[];
  /** Of the logarithm, where the spread is a guess. */
  readonly spread: number;
  /** Share of attempts that failed, and the code of the last one. */
  readonly failureRate: number;
  readonly failureCode: string;
}

/** Runs from which a spread can be told. */
export const RUNS_MIN = 3;
/** Spreads of the logarithm of a duration: where a mean is known, and where nothing is. */
const SPREAD_KNOWN = 0.2;
const SPREAD_GUESSED = 0.5;

/** Weights of the earlier runs in a new one. */
export interface Draw {
  readonly timing: (request: ActRequest) => ModelTiming;
  readonly failureOf: (stepId: string) => string | undefined;
  /** A figure of the next run, from what it was in the earlier ones. */
  readonly like: (figures: readonly number[]) => number;
}

export class TimingModel {
  /** Runs of this playbook that went well: what the figures of a run come from. */
  readonly runs: readonly PastRun[];
  readonly steps: ReadonlyMap<string, StepModel>;
  readonly #plan: Plan;

  constructor(plan: Plan, history: readonly PastRun[]) {
    this.#plan = plan;
    this.runs = history.filter(({ playbook, outcome }) => playbook === plan.name && outcome === 'succeeded');
    const own = history.filter(({ playbook }) => playbook === plan.name);
    const all = history.flatMap(({ observations }) => observations);
    const prior = priorTiming(plan);
    this.steps = new Map([
      ...stepsOf(plan).map((step): [string, StepModel] => [step.id, this.#stepModel(step, own, all, prior)]),
      ...ENGINE_WORK.map((id): [string, StepModel] => [id, this.#engineModel(id, all, prior)]),
    ]);
  }

  /** What is known best of each step, without a spread. */
  usual(): (request: ActRequest) => ModelTiming {
    const prior = priorTiming(this.#plan);
    const ids = new Set(this.steps.keys());
    return (request) => {
      const { at, isUndo } = occasionOf(request.key, ids);
      const model = isUndo ? undefined : this.steps.get(at);
      const { ms, downtimeMs } = prior(request);
      return { ms: model?.meanMs ?? ms, downtimeMs };
    };
  }

  draw(random: Random): Draw {
    const { like } = this.#weights(random);
    const prior = priorTiming(this.#plan);
    const ids = new Set(this.steps.keys());
    const factors = new Map<string, number>();
    const timing = (request: ActRequest): ModelTiming => {
      const { at, isUndo } = occasionOf(request.key, ids);
      const model = isUndo ? undefined : this.steps.get(at);
      const usual = prior(request);
      if (!model) return { ms: usual.ms * Math.exp(random.normal() * SPREAD_GUESSED), downtimeMs: usual.downtimeMs };
      if (model.residuals.length >= RUNS_MIN) {
        return { ms: Math.max(0, like(model.residuals) + model.meanMs), downtimeMs: usual.downtimeMs };
      }
      const factor = factors.get(at) ?? Math.exp(random.normal() * model.spread);
      factors.set(at, factor);
      return { ms: model.meanMs * factor, downtimeMs: usual.downtimeMs };
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
        return center + like(figures.map((figure) => figure - center));
      },
    };
  }

  /** The t-distributed sum of residuals that stands for a new run. */
  #weights(random: Random): { readonly like: (residuals: readonly number[]) => number } {
    const n = this.runs.length;
    if (n < RUNS_MIN) return { like: () => 0 };
    const weights = Array.from({ length: n }, () => random.normal() / Math.sqrt(n - 1));
    const scale = Math.sqrt((1 + 1 / n) / (random.chiSquare(n - 1) / (n - 1)));
    return {
      like: (residuals) => scale * residuals.reduce((sum, residual, run) => sum + residual * (weights[run] ?? 0), 0),
    };
  }

  #stepModel(
    step: PlannedStep,
    own: readonly PastRun[],
    all: readonly Observation[],
    prior: (request: ActRequest) => ModelTiming,
  ): StepModel {
    const perRun = this.runs.map(({ observations }) => doneMs(observations, step.id, step.uses));
    const measured = perRun.filter((ms) => ms !== undefined);
    const attempts = own.flatMap(({ observations }) => observations.filter(({ id }) => id === step.id));
    const failures = attempts.filter(({ failed }) => failed !== null);
    const failure = {
      failureRate: attempts.length === 0 ? 0 : failures.length / attempts.length,
      failureCode: failures.at(-1)?.failed ?? '',
    };
    if (measured.length > 0) {
      const meanMs = mean(measured);
      const residuals = measured.length < RUNS_MIN ? [] : perRun.map((ms) => (ms === undefined ? 0 : ms - meanMs));
      return { basis: 'measured', seen: measured.length, meanMs, residuals, spread: SPREAD_KNOWN, ...failure };
    }
    // What takes no time of the node takes none here either.
    const isTimed = !['assert', 'set', 'pause'].includes(step.uses);
    const like = isTimed ? all.filter(({ uses, failed }) => uses === step.uses && failed === null) : [];
    if (like.length > 0) {
      const meanMs = mean(like.map(({ ms }) => ms));
      return { basis: 'like steps', seen: like.length, meanMs, residuals: [], spread: SPREAD_GUESSED, ...failure };
    }
    const { ms: meanMs } = prior(requestOf(step));
    const basis = step.expectedMs === null ? 'guessed' : 'expected';
    return { basis, seen: 0, meanMs, residuals: [], spread: SPREAD_GUESSED, ...failure };
  }

  #engineModel(id: string, all: readonly Observation[], prior: (request: ActRequest) => ModelTiming): StepModel {
    const perRun = this.runs.map(({ observations }) => doneMs(observations, id, id));
    const seen = perRun.filter((ms) => ms !== undefined);
    const like = seen.length > 0 ? seen : all.flatMap((one) => (one.id === id && one.failed === null ? [one.ms] : []));
    const none = { failureRate: 0, failureCode: '' };
    if (like.length === 0) {
      const { ms: meanMs } = prior({ primitive: 'run.begin', args: {}, key: `x/${id}`, epoch: 1 });
      return { basis: 'guessed', seen: 0, meanMs, residuals: [], spread: SPREAD_GUESSED, ...none };
    }
    const meanMs = mean(like);
    const residuals = seen.length < RUNS_MIN ? [] : perRun.map((ms) => (ms === undefined ? 0 : ms - meanMs));
    const basis = seen.length > 0 ? 'measured' : 'like steps';
    return { basis, seen: like.length, meanMs, residuals, spread: SPREAD_KNOWN, ...none };
  }
}

const ENGINE_WORK = ['boot', 'begin', 'end'];

const requestOf = ({ id, phase }: PlannedStep): ActRequest => ({
  primitive: 'run.begin',
  args: {},
  key: `x/${phase}/${id}/1`,
  epoch: 1,
});

/** Of the attempt that was done, in a run in which it was. */
function doneMs(observations: readonly Observation[], id: string, uses: string): number | undefined {
  return observations.find((one) => one.id === id && one.uses === uses && one.failed === null)?.ms;
}

export const mean = (numbers: readonly number[]): number =>
  numbers.length === 0 ? 0 : numbers.reduce((sum, number) => sum + number, 0) / numbers.length;
