/** Every way a plan's run can go, judged. Reads nothing and runs nothing. */
import type { Plan } from '../plan/plan.ts';
import { explore, STATES_MAX } from './explore.ts';
import { judge, type Violation } from './judge.ts';
import { type WorstCases, worstCases } from './worst-case.ts';

export interface Verification {
  readonly plan: Plan;
  readonly violations: readonly Violation[];
  readonly worst: WorstCases;
  readonly states: number;
  /** Ways from one state to the next: what can happen there. */
  readonly transitions: number;
  readonly crashes: number;
  readonly isComplete: boolean;
}

export async function verifyPlan(plan: Plan, statesMax = STATES_MAX): Promise<Verification> {
  const exploration = await explore(plan, statesMax);
  const { states, edges, crashes, isComplete } = exploration;
  const worst = worstCases(exploration);
  return {
    plan,
    violations: judge(exploration, worst),
    worst,
    states: states.length,
    transitions: edges,
    crashes,
    isComplete,
  };
}
