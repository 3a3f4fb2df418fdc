/** Thousands of runs of a plan on the model node, with times drawn from earlier runs of the node. */
import type { Outcome } from '../exit-codes.ts';
import type { ModelNode } from '../model/model-node.ts';
import type { ActRequest } from '../node-port.ts';
import type { Plan, PlannedBudget } from '../plan/plan.ts';
import type { FailureCode } from '../primitives.ts';
import { occasionOf } from '../run/occasion.ts';
import { runOnModel } from '../run/run-on-model.ts';
import { type CompiledPlan, compilePlan } from '../statechart/compiled-plan.ts';
import { mayBegin } from '../values/calendar.ts';
import type { PastRun } from './history.ts';
import { NominalWay, type PhaseFigures } from './nominal-way.ts';
import { type Quantiles, quantiles } from './quantiles.ts';
import { Random } from './random.ts';
import type { Basis } from './step-model.ts';
import { type Draw, TimingModel } from './timing-model.ts';

export interface SimulateOptions {
  readonly history: readonly PastRun[];
  readonly runs: number;
  readonly seed: number;
  /** Wall clock at which the run would begin, in milliseconds: for its windows. */
  readonly startMs: number;
}

export interface PhasePrediction {
  readonly id: string;
  readonly nodeMs: Quantiles;
  readonly downtimeMs: Quantiles;
  /** Share of the runs that it is reached in. */
  readonly reached: number;
}

export interface Simulation {
  readonly plan: Plan;
  readonly runs: number;
  /** Earlier runs of the playbook that went well. */
  readonly pastRuns: number;
  readonly steps: readonly {
    readonly id: string;
    readonly basis: Basis;
    readonly seen: number;
    readonly meanMs: number;
  }[];
  readonly outcomes: { readonly [outcome in Outcome]?: number };
  /** Of runs that succeed. */
  readonly nodeMs: Quantiles;
  readonly downtimeMs: Quantiles;
  /** Of the earlier runs, those in which the service was never down; null where one was. */
  readonly neverDownIn: number | null;
  readonly phases: readonly PhasePrediction[];
  /** Chance that a budget is spent. */
  readonly budgets: readonly { readonly of: string; readonly limitMs: number; readonly chance: number }[];
  /** Chance that a phase comes to its window when it is closed. */
  readonly windows: readonly { readonly phase: string; readonly chance: number }[];
}

interface SimulatedRun {
  readonly outcome: Outcome;
  readonly phases: readonly PhaseFigures[];
}

export async function simulate(plan: Plan, options: SimulateOptions): Promise<Simulation> {
  const compiled = compilePlan(plan);
  const model = new TimingModel(plan, options.history);
  const random = new Random(options.seed);
  const way = await NominalWay.find(compiled, model.usual());
  const corrections = await downtimeCorrections(compiled, model, way);
  const runs: SimulatedRun[] = [];
  for (let run = 0; run < options.runs; run++) {
    const draw = model.draw(random);
    const simulated = await simulateOne(compiled, model, draw, way);
    runs.push(corrected(simulated, draw, corrections));
  }
  return summarize(plan, model, runs, options.startMs);
}

async function simulateOne(
  compiled: CompiledPlan,
  model: TimingModel,
  draw: Draw,
  way: NominalWay | undefined,
): Promise<SimulatedRun> {
  const failing = new Map<string, string>();
  for (const [id, { failureRate }] of model.steps) {
    const code = failureRate > 0 ? draw.failureOf(id) : undefined;
    if (code !== undefined) failing.set(id, code);
  }
  const drawn = fixed(draw.timing);
  const phases = failing.size === 0 ? await way?.figures(drawn) : undefined;
  if (phases) return { outcome: 'succeeded', phases };
  let isFirst = true;
  const { outcome, context, node } = await runOnModel(compiled, {
    timing: drawn,
    fateOf: ({ at, isUndo }) => {
      const code = isUndo ? undefined : failing.get(at);
      if (code === undefined || !isFirst) return undefined;
      isFirst = false;
      return { fate: 'fails', code: code as FailureCode };
    },
    assumesAssertions: true,
    admits: true,
  });
  return { outcome, phases: await figuresOf(node, context.phases, context.nowNs) };
}

/** The same time whenever the same is asked, whoever asks. */
function fixed(timing: Draw['timing']): Draw['timing'] {
  const known = new Map<string, ReturnType<Draw['timing']>>();
  return (request: ActRequest) => {
    const time = known.get(request.key) ?? timing(request);
    known.set(request.key, time);
    return time;
  };
}

async function figuresOf(
  node: ModelNode,
  ledgers: readonly { readonly id: string; readonly startNs: number; readonly endNs: number | null }[],
  nowNs: number,
): Promise<readonly PhaseFigures[]> {
  const figures: PhaseFigures[] = [];
  for (const { id, startNs, endNs } of ledgers) {
    const toNs = endNs ?? nowNs;
    const { downtimeMs } = await node.measureService(startNs, toNs);
    figures.push({ id, nodeMs: (toNs - startNs) / 1e6, downtimeMs });
  }
  return figures;
}

/** By phase and run of the history: what a client saw beyond what the model makes of that run's times. */
async function downtimeCorrections(
  compiled: CompiledPlan,
  { runs }: TimingModel,
  way: NominalWay | undefined,
): Promise<ReadonlyMap<string, readonly number[]>> {
  const corrections = new Map<string, number[]>();
  if (!way) return corrections;
  const ids = new Set(compiled.steps.map(({ id }) => id));
  for (const { observations, report } of runs) {
    const figures = await way.figures(({ key }) => {
      const { at, isStep } = occasionOf(key, ids);
      const done = observations.find(
        ({ id, failed, isEngine }) => id === at && failed === null && isEngine === !isStep,
      );
      return { ms: done?.ms ?? 0, downtimeMs: 0 };
    });
    for (const { id, downtimeMs } of figures ?? []) {
      const measured = report.phases.find((phase) => phase.id === id)?.downtimeMs ?? downtimeMs;
      corrections.set(id, [...(corrections.get(id) ?? []), measured - downtimeMs]);
    }
  }
  return corrections;
}

function corrected(
  { outcome, phases }: SimulatedRun,
  draw: Draw,
  corrections: ReadonlyMap<string, readonly number[]>,
): SimulatedRun {
  return {
    outcome,
    phases: phases.map((phase) => {
      const known = corrections.get(phase.id) ?? [];
      const downtimeMs = known.length === 0 ? phase.downtimeMs : Math.max(0, phase.downtimeMs + draw.like(known));
      return { ...phase, downtimeMs };
    }),
  };
}

const total = (phases: readonly PhaseFigures[], figure: 'nodeMs' | 'downtimeMs'): number =>
  phases.reduce((sum, phase) => sum + phase[figure], 0);

function summarize(plan: Plan, model: TimingModel, runs: readonly SimulatedRun[], startMs: number): Simulation {
  const succeeded = runs.filter(({ outcome }) => outcome === 'succeeded');
  const counted = succeeded.length > 0 ? succeeded : runs;
  const outcomes: { [outcome in Outcome]?: number } = {};
  for (const { outcome } of runs) outcomes[outcome] = (outcomes[outcome] ?? 0) + 1 / runs.length;
  return {
    plan,
    runs: runs.length,
    pastRuns: model.runs.length,
    steps: [...model.steps, ...model.engine].map(([id, { basis, seen, meanMs }]) => ({ id, basis, seen, meanMs })),
    outcomes,
    nodeMs: quantiles(counted.map(({ phases }) => total(phases, 'nodeMs'))),
    downtimeMs: quantiles(counted.map(({ phases }) => total(phases, 'downtimeMs'))),
    neverDownIn: model.runs.every(({ report }) => report.service?.downtimeMs === 0) ? model.runs.length : null,
    phases: plan.phases.map(({ id }) => {
      const reached = runs.flatMap(({ phases }) => phases.filter((phase) => phase.id === id));
      return {
        id,
        nodeMs: quantiles(reached.map(({ nodeMs }) => nodeMs)),
        downtimeMs: quantiles(reached.map(({ downtimeMs }) => downtimeMs)),
        reached: reached.length / runs.length,
      };
    }),
    budgets: budgetChances(plan, runs),
    windows: windowChances(plan, runs, startMs),
  };
}

function budgetChances(plan: Plan, runs: readonly SimulatedRun[]): Simulation['budgets'] {
  const chance = (
    of: string,
    budget: PlannedBudget | null,
    downtimeOf: (run: SimulatedRun) => number,
  ): Simulation['budgets'] => {
    const limitMs = budget?.downtimeMs;
    if (limitMs == null) return [];
    return [{ of, limitMs, chance: runs.filter((run) => downtimeOf(run) > limitMs).length / runs.length }];
  };
  return [
    ...plan.phases.flatMap(({ id, budget }) =>
      chance(`phase ${id}`, budget, ({ phases }) =>
        total(
          phases.filter((phase) => phase.id === id),
          'downtimeMs',
        ),
      ),
    ),
    ...chance('the run', plan.budget, ({ phases }) => total(phases, 'downtimeMs')),
  ];
}

/** As if node time were wall-clock time. */
function windowChances(plan: Plan, runs: readonly SimulatedRun[], startMs: number): Simulation['windows'] {
  return plan.phases.flatMap(({ id, window }) => {
    if (!window) return [];
    const closed = runs.filter(({ phases }) => {
      const before = phases.slice(
        0,
        Math.max(
          0,
          phases.findIndex((phase) => phase.id === id),
        ),
      );
      return !mayBegin(window, startMs + total(before, 'nodeMs'), window.cutoffMs);
    });
    return [{ phase: id, chance: closed.length / runs.length }];
  });
}
