/** A prediction as a report has it, and the times of a rehearsal. */
import type { ReportBand, ReportPrediction } from '../generated/report.ts';
import type { Plan } from '../plan/plan.ts';
import { pastRuns } from './history.ts';
import type { Quantiles } from './quantiles.ts';
import { type Simulation, simulate } from './simulate.ts';
import { TimingModel } from './timing-model.ts';

/** Enough for p10 and p90; every apply waits for it. */
const RUNS = 400;
const SEED = 1;

/** What the steps of a plan usually take on this node. */
export const usualTiming = (plan: Plan, stateDir: string): ReturnType<TimingModel['usual']> =>
  new TimingModel(plan, pastRuns([stateDir])).usual();

export async function predict(plan: Plan, stateDir: string, startMs: number): Promise<ReportPrediction> {
  return predictionOf(await simulate(plan, { history: pastRuns([stateDir]), runs: RUNS, seed: SEED, startMs }));
}

function predictionOf({ runs, pastRuns: seen, nodeMs, downtimeMs, phases }: Simulation): ReportPrediction {
  return {
    runs,
    pastRuns: seen,
    nodeMs: band(nodeMs),
    downtimeMs: band(downtimeMs),
    phases: phases.map((phase) => ({
      id: phase.id,
      nodeMs: band(phase.nodeMs),
      downtimeMs: band(phase.downtimeMs),
    })),
  };
}

const band = ({ p10, p50, p90 }: Quantiles): ReportBand => ({ p10, p50, p90 });
