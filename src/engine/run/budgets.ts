/** Budgets against what the prober saw. The driver measures, the statechart decides what follows. */
import type { NodePort, ServiceMeasurement } from '../node-port.ts';
import type { Plan, PlannedBudget } from '../plan/plan.ts';
import type { ExceededBudget, RunContext } from '../statechart/run-context.ts';

/** While the run waits, the service is looked at so often, in node time; in a long wait less often. */
const LOOK_NS_MIN = 500_000_000;
const LOOKS_MAX = 10_000;

/** Between two looks in a wait of `delayMs`. */
export const budgetLookNs = (delayMs: number): number => Math.max(LOOK_NS_MIN, (delayMs * 1e6) / LOOKS_MAX);

interface OpenBudget {
  readonly budget: PlannedBudget;
  readonly scope: ExceededBudget['scope'];
  readonly phase: string;
  readonly fromNs: number;
}

/** Budgets that can be spent now: each is told of once. After a loss of power nobody measures any more. */
export function openBudgets(plan: Plan, context: RunContext): readonly OpenBudget[] {
  if (!context.hasBegun || context.powerLosses > 0 || context.outcome !== null) return [];
  const ledger = context.phases.at(-1);
  const phase = ledger && plan.phases.find(({ id }) => id === ledger.id);
  if (!ledger || !phase) return [];
  const { id } = phase;
  const open: OpenBudget[] = [];
  if (phase.budget && !isTold(context, 'phase', id) && ledger.endNs === null) {
    open.push({ budget: phase.budget, scope: 'phase', phase: id, fromNs: ledger.startNs });
  }
  if (plan.budget && !isTold(context, 'run', id)) {
    open.push({ budget: plan.budget, scope: 'run', phase: id, fromNs: context.beganNs });
  }
  return open;
}

const isTold = ({ exceeded }: RunContext, scope: ExceededBudget['scope'], phase: string): boolean =>
  exceeded.some((budget) => budget.scope === scope && (scope === 'run' || budget.phase === phase));

/** What is beyond a budget at `atNs`; the largest excess of each. */
export async function exceededBudgets(
  plan: Plan,
  context: RunContext,
  port: NodePort,
  atNs: number,
): Promise<readonly ExceededBudget[]> {
  const exceeded: ExceededBudget[] = [];
  for (const { budget, scope, phase, fromNs } of openBudgets(plan, context)) {
    const [beyond] = beyondLimits(budget, await port.measureService(fromNs, atNs));
    if (beyond) exceeded.push({ scope, phase, ...beyond, atNs });
  }
  return exceeded;
}

function beyondLimits(
  budget: PlannedBudget,
  { downtimeMs, failed, requests }: ServiceMeasurement,
): readonly Pick<ExceededBudget, 'what' | 'limit' | 'measured'>[] {
  const limits = [
    { what: 'downtime', limit: budget.downtimeMs, measured: downtimeMs },
    { what: 'errors', limit: budget.errors, measured: failed },
    { what: 'errorRate', limit: budget.errorRate, measured: requests === 0 ? 0 : failed / requests },
  ] as const;
  return limits.flatMap(({ what, limit, measured }) => {
    if (limit === null || measured <= limit) return [];
    // Of the first few requests a single one is a large share: a rate is judged when one failure alone would be within it.
    if (what === 'errorRate' && requests * limit < 1 && failed <= 1) return [];
    return [{ what, limit, measured }];
  });
}
