/** A plan with all that is made of it once and used by every run of it: thousands of simulated ones share it. */
import { type Plan, type PlannedStep, stepsOf } from '../plan/plan.ts';
import { compileChart, type RunChart } from './compile-chart.ts';
import { Evaluator } from './evaluator.ts';

export interface CompiledPlan {
  readonly plan: Plan;
  readonly steps: readonly PlannedStep[];
  readonly evaluator: Evaluator;
  readonly chart: RunChart;
}

export function compilePlan(plan: Plan, evaluator = new Evaluator(plan)): CompiledPlan {
  return { plan, steps: stepsOf(plan), evaluator, chart: compileChart(plan, evaluator) };
}
