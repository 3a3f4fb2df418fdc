import { describe, expect, it } from 'vitest';
import { ModelNode, type Plan, priorTiming, type RunOptions, renderPretty } from '../../src/engine/index.ts';
import type { ActRequest } from '../../src/engine/node-port.ts';
import { predictionRows } from '../../src/engine/report/prediction-rows.ts';
import { runOnModel } from '../../src/engine/run/run-on-model.ts';
import { backtest, backtestSplits } from '../../src/engine/simulate/backtest.ts';
import { type PastRun, pastRuns } from '../../src/engine/simulate/history.ts';
import { NominalWay } from '../../src/engine/simulate/nominal-way.ts';
import { predict } from '../../src/engine/simulate/predict.ts';
import { quantiles } from '../../src/engine/simulate/quantiles.ts';
import { Random } from '../../src/engine/simulate/random.ts';
import { renderSimulation } from '../../src/engine/simulate/render-simulation.ts';
import { simulate } from '../../src/engine/simulate/simulate.ts';
import { compilePlan } from '../../src/engine/statechart/compiled-plan.ts';
import { OFFLINE, ONLINE, planOf, planText, reportOf, resumeRun, runPlan, TestFolders } from './model-run.ts';

const offline = planOf(OFFLINE);
const online = planOf(ONLINE);

/** A node whose steps take other times in each run: some of it common to all steps of a run, some not. */
function unsteady(plan: Plan, random: Random): ModelNode {
  const prior = priorTiming(plan);
  const common = random.normal() * 0.05;
  const timing = (request: ActRequest) => {
    const { ms, downtimeMs } = prior(request);
    return { ms: ms * Math.max(0.2, 1 + common + random.normal() * 0.1), downtimeMs };
  };
  return new ModelNode({ timing, hardware: plan.node });
}

/** Runs that really happened, on such a node, with journal and report. */
async function pastRunsOf(plan: Plan, count: number, seed: number): Promise<readonly PastRun[]> {
  using folders = new TestFolders();
  const random = new Random(seed);
  const history: PastRun[] = [];
  for (let run = 0; run < count; run++) {
    const stateDir = folders.make();
    const options: RunOptions = { port: unsteady(plan, random), stateDir, wallNow: () => 0 };
    expect(reportOf(await runPlan(plan, options)).run.outcome).toBe('succeeded');
    history.push(...pastRuns([stateDir]));
  }
  return history;
}

describe('the predictor', () => {
  it('reads what steps took from the journals of earlier runs', async () => {
    const [run] = await pastRunsOf(offline, 1, 7);
    const install = run!.observations.find(({ id }) => id === 'install');
    expect(install).toMatchObject({ uses: 'guest.run', failed: null });
    expect(install!.ms).toBeCloseTo(
      run!.report.phases.flatMap(({ steps }) => steps).find(({ id }) => id === 'install')!.nodeMs,
    );
  });

  it('says of what is only guessed that it is', async () => {
    const { pastRuns: seen, steps } = await simulate(online, { history: [], runs: 20, seed: 1, startMs: 0 });
    expect(seen).toBe(0);
    expect(new Set(steps.map(({ basis }) => basis))).toEqual(new Set(['guessed']));
  });

  it('gives the same prediction twice, and another one for another seed', async () => {
    const options = { history: [], runs: 50, seed: 1, startMs: 0 };
    const first = await simulate(online, options);
    expect(JSON.stringify(await simulate(online, options))).toBe(JSON.stringify(first));
    expect((await simulate(online, { ...options, seed: 2 })).nodeMs).not.toEqual(first.nodeMs);
  });

  it('does not take a step for the work of the engine that has the same name', async () => {
    const plan = planText(
      'p.yaml',
      `apiVersion: mvctl/v1
kind: Playbook
name: named
phases:
  - id: work
    steps:
      - { id: boot, uses: guest.run, with: { guest: old, argv: [long] }, undo: none, expected: 30s }
      - { id: begin, uses: service.check }
      - { id: commit, uses: commit, with: { guest: old } }
`,
    );
    const history = await pastRunsOf(plan, 3, 5);
    const measuredMs = history.map(({ report }) => report.run.nodeMs);
    for (const known of [[], history]) {
      const { nodeMs } = await simulate(plan, { history: known, runs: 100, seed: 1, startMs: 0 });
      expect(nodeMs.p50).toBeGreaterThan(Math.min(...measuredMs) * 0.8);
      expect(nodeMs.p50).toBeLessThan(Math.max(...measuredMs) * 1.2);
    }
  });

  it('takes steps of the same kind for one that never ran here', async () => {
    const history = await pastRunsOf(offline, 3, 3);
    const { steps } = await simulate(online, { history, runs: 20, seed: 1, startMs: 0 });
    expect(steps.find(({ id }) => id === 'rebootCopy')).toMatchObject({ basis: 'like steps', seen: 3 });
  });

  it('has four of five further runs between its p10 and p90 after five', { timeout: 120_000 }, async () => {
    let inBand = 0;
    let of = 0;
    let downInBand = 0;
    for (let experiment = 0; experiment < 6; experiment++) {
      const history = await pastRunsOf(offline, 15, 100 + experiment);
      const { scores } = await backtest(offline, { history, train: 5, runs: 400, seed: experiment });
      const duration = scores.find(({ what }) => what === 'duration')!;
      inBand += duration.inBand;
      of += duration.of;
      downInBand += scores.find(({ what }) => what === 'downtime')!.inBand;
    }
    expect(of).toBe(60);
    // The ten runs of an experiment share its band, so they vary more than 60 that do not.
    for (const share of [inBand / of, downInBand / of]) {
      expect(share).toBeGreaterThan(0.6);
      expect(share).toBeLessThan(0.97);
    }
  });

  it('is scored on random choices of the runs that predict, the same ones for the same seed', async () => {
    const history = await pastRunsOf(offline, 8, 31);
    const options = { history, train: 5, runs: 100, seed: 1, splits: 4 };
    const all = await backtestSplits(offline, options);
    expect(all).toMatchObject({ splits: 4, trained: 5, tested: 3, enough: { from: 1, to: 3 } });
    expect(all.duration.of).toBe(12);
    expect(all.phases.of).toBeGreaterThan(12);
    expect(all.duration.width).toBeGreaterThan(0.01);
    expect(await backtestSplits(offline, options)).toEqual(all);
  });

  it('says how little runs without downtime prove', async () => {
    const [run] = await pastRunsOf(offline, 1, 11);
    const never: PastRun = { ...run!, report: { ...run!.report, service: { ...run!.report.service!, downtimeMs: 0 } } };
    const of = async (history: readonly PastRun[]) =>
      renderSimulation(await simulate(offline, { history, runs: 20, seed: 1, startMs: 0 }), { color: false });
    expect(await of([never, never, never, never, never])).toContain(
      'never down in 5 earlier runs: that leaves up to 45 % of runs that are (95 % confidence)',
    );
    expect(await of([run!])).not.toContain('never down');
    expect(await of([])).not.toContain('never down');
  });

  it('foresees failures as often as there were some', async () => {
    const history = (await pastRunsOf(offline, 4, 5)).map((run, index): PastRun => {
      const failed = { id: 'install', uses: 'guest.run', ms: 100, failed: 'exit-code', isEngine: false };
      return index === 0 ? { ...run, observations: [failed, ...run.observations] } : run;
    });
    const { outcomes } = await simulate(offline, { history, runs: 400, seed: 1, startMs: 0 });
    expect(outcomes.paused).toBeGreaterThan(0.1);
    expect(outcomes.paused).toBeLessThan(0.3);
  });

  it('adds up the times of a run in which nothing fails to what the statechart makes of them', async () => {
    for (const plan of [online, offline]) {
      const compiled = compilePlan(plan);
      const way = await NominalWay.find(compiled, priorTiming(plan));
      const random = new Random(3);
      const times = new Map<string, number>();
      const timing = (request: ActRequest) => {
        const usual = priorTiming(plan)(request);
        const ms = times.get(request.key) ?? usual.ms * (0.5 + random.uniform());
        times.set(request.key, ms);
        return { ...usual, ms };
      };
      const added = await way!.figures(timing);
      const { context, node } = await runOnModel(compiled, { timing, assumesAssertions: true });
      for (const { id, startNs, endNs } of context.phases) {
        const figures = added!.find((phase) => phase.id === id)!;
        expect(figures.nodeMs, id).toBeCloseTo((endNs! - startNs) / 1e6, 3);
        expect(figures.downtimeMs, id).toBe((await node.measureService(startNs, endNs!)).downtimeMs);
      }
    }
  });

  it('tells the chance that a budget is spent and that a window is closed', async () => {
    const plan: Plan = {
      ...offline,
      budget: { downtimeMs: 10_000, errors: null, errorRate: null, action: 'warn', line: 1 },
    };
    const { budgets } = await simulate(plan, { history: [], runs: 200, seed: 1, startMs: 0 });
    expect(budgets).toMatchObject([{ of: 'the run', limitMs: 10_000 }]);
    expect(budgets[0]!.chance).toBeGreaterThan(0.05);
    expect(budgets[0]!.chance).toBeLessThan(1);
  });
});

describe('the random numbers', () => {
  it('are uniform and normal', () => {
    const random = new Random(5);
    const uniform = quantiles(Array.from({ length: 20_000 }, () => random.uniform()));
    expect(uniform.p10).toBeCloseTo(0.1, 1);
    expect(uniform.p90).toBeCloseTo(0.9, 1);
    const normal = quantiles(Array.from({ length: 20_000 }, () => random.normal()));
    expect(normal.p10).toBeCloseTo(-1.2816, 1);
    expect(normal.p50).toBeCloseTo(0, 1);
    expect(normal.p90).toBeCloseTo(1.2816, 1);
  });
});

describe('a report', () => {
  it('has predicted beside measured, also where a later process ends the run', async () => {
    using folders = new TestFolders();
    const stateDir = folders.make();
    const node = new ModelNode({ timing: priorTiming(offline), hardware: offline.node });
    const controller = new AbortController();
    const options: RunOptions = {
      port: node,
      stateDir,
      wallNow: () => 0,
      predict: (plan) => predict(plan, stateDir, 0),
    };
    const end = await runPlan(offline, {
      ...options,
      signal: controller.signal,
      onProgress: ({ type }) => (type === 'step-done' ? controller.abort() : undefined),
    });
    expect(end.kind).toBe('interrupted');
    const report = reportOf(await resumeRun({ port: node, stateDir, wallNow: () => 0 }));
    expect(report.predicted).toMatchObject({ pastRuns: 0, runs: 400 });
    expect(report.predicted!.phases.map(({ id }) => id)).toEqual(offline.phases.map(({ id }) => id));
    const [baseline] = predictionRows(report);
    expect(baseline).toMatchObject({ what: 'baseline', isInBand: true });
    expect(renderPretty(report, { color: false })).toContain('from priors: no earlier run');
  });
});
