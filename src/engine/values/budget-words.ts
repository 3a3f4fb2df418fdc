/** A budget that is spent, in words: for the failure of a run and for its report. */

export interface SpentBudget {
  readonly scope: 'phase' | 'run';
  readonly phase: string;
  readonly what: 'downtime' | 'errors' | 'errorRate';
  readonly limit: number;
  readonly measured: number;
}

const AMOUNT: Readonly<Record<SpentBudget['what'], (value: number) => string>> = {
  downtime: (ms) => `${ms} ms of downtime`,
  errors: (count) => `${count} failed requests`,
  errorRate: (share) => `${Math.round(share * 1e4) / 100} % of the requests failed`,
};

export function budgetWords({ scope, phase, what, limit, measured }: SpentBudget): string {
  const amount = AMOUNT[what];
  return `the budget of ${scope === 'run' ? 'the run' : phase} is spent: ${amount(measured)}, allowed are ${amount(limit)}`;
}
