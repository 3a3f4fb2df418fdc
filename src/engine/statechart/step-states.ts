/**
 * The steps of a phase as states. Each is deciding ─► [probing] ─► acting ─► [waiting] ─► over, with backoff between
 * attempts. Where every step needs the one before it they are a chain of states; otherwise the phase has a region for
 * each branch, a chain that begins when what its first step needs is over.
 *
 * A failure in a chain leaves the phase at once. In a phase with branches others may be in flight: they end, nothing
 * new begins (`stopping`), and then the phase is left.
 */
import type { BudgetAction, Plan, PlannedPhase, PlannedStep } from '../plan/plan.ts';
import { ROLLBACK_PHASE } from '../plan/plan.ts';
import { COMMIT } from '../steps/node.ts';
import type { Always, StateConfig, States, Transition } from './chart-config.ts';
import type { BudgetParams } from './vocabulary.ts';

interface Place {
  readonly plan: Plan;
  readonly phase: PlannedPhase;
  readonly hasBranches: boolean;
}

/** State keys must not contain dots, which separate them in a target. */
const stepKey = ({ id }: PlannedStep): string => `step ${id}`;
const ALL_DONE = 'all done';

export function stepsState(plan: Plan, phase: PlannedPhase, next: Transition): StateConfig {
  const chains = chainsOf(phase.steps);
  const [only, ...others] = chains;
  const place: Place = { plan, phase, hasBranches: others.length > 0 };
  if (others.length === 0) return { ...chainState(place, only!), on: GOES_BACK, onDone: next };
  const again = { guard: { type: 'mayRunAgain', params: { phase } }, target: againOf(phase) } as const;
  return {
    type: 'parallel',
    on: { 'run.roll-back': { guard: 'canGoBack', actions: ['failOnRequest', STOP_TO_ROLL_BACK] } },
    states: Object.fromEntries(chains.map((chain) => [`branch ${chain[0]!.id}`, branchState(place, chain)])),
    onDone: [
      { guard: 'isStoppingToAbort', target: '#run.failed-safe' },
      ...(phase.retry ? [again] : []),
      { guard: 'isStopping', target: `#run.${ROLLBACK_PHASE}` },
      next,
    ],
  };
}

/** The operator wants everything taken back, and nothing is in flight. */
export const GOES_BACK = {
  'run.roll-back': {
    guard: 'canGoBack',
    target: `#run.${ROLLBACK_PHASE}`,
    actions: 'failOnRequest',
  },
} as const satisfies StateConfig['on'];

const STOP_TO_ROLL_BACK = { type: 'stop', params: { policy: 'rollback' } } as const;

const againOf = ({ id }: PlannedPhase): string => `#run.again ${id}`;

/** Steps that follow each other and nothing else, in order; each step is in one of them. */
function chainsOf(steps: readonly PlannedStep[]): readonly (readonly PlannedStep[])[] {
  const chains: PlannedStep[][] = [];
  for (const step of steps) {
    const [need, ...otherNeeds] = step.needs;
    const before = otherNeeds.length === 0 ? chains.find((chain) => chain.at(-1)!.index === need) : undefined;
    if (before) before.push(step);
    else chains.push([step]);
  }
  return chains;
}

/** A region that begins when what its first step needs is over. */
function branchState(place: Place, chain: readonly PlannedStep[]): StateConfig {
  const [first] = chain;
  const { initial, states } = chainState(place, chain);
  return {
    initial: 'needing',
    states: {
      needing: {
        always: [
          { guard: 'isStopping', target: ALL_DONE },
          { guard: { type: 'needsAreOver', params: { step: first! } }, target: initial },
        ],
      },
      ...states,
    },
  };
}

function chainState(place: Place, chain: readonly PlannedStep[]): { initial: string; states: States } {
  const states: States = { [ALL_DONE]: { type: 'final' } };
  for (const [index, step] of chain.entries()) {
    const following = chain[index + 1];
    states[stepKey(step)] = stepState(place, step, following ? stepKey(following) : ALL_DONE);
  }
  return { initial: stepKey(chain[0]!), states };
}

function stepState(place: Place, step: PlannedStep, next: string): StateConfig {
  const params = { step };
  const failed = { target: 'failed' } as const;
  const begin = step.doneIf ? 'probing' : 'acting';
  const commits = step.uses === COMMIT ? (['commit'] as const) : [];
  const stops: readonly Always[] = place.hasBranches ? [{ guard: 'isStopping', target: 'over' }] : [];
  const budgets = budgetsOf(place, step);
  const spent: readonly Always[] = budgets.map(({ action: _, state, ...budget }) => ({
    guard: { type: 'isBudgetSpent', params: budget },
    actions: { type: 'failBudget', params: { step, ...budget } },
    target: state,
  }));
  return {
    entry: { type: 'startStep', params },
    initial: 'deciding',
    states: {
      deciding: {
        always: [
          ...stops,
          ...spent,
          ...(place.phase.timeoutMs === null
            ? []
            : [
                {
                  guard: { type: 'isPhaseOver' as const, params: { timeoutMs: place.phase.timeoutMs } },
                  actions: { type: 'failPhaseTimeout' as const, params },
                  ...failed,
                },
              ]),
          { guard: { type: 'conditionFails', params }, actions: { type: 'failCondition', params }, ...failed },
          {
            guard: { type: 'isSkipped', params },
            actions: [
              { type: 'skipStep', params },
              { type: 'stepIsSkipped', params },
            ],
            target: 'over',
          },
          { target: begin },
        ],
      },
      ...(step.doneIf ? { probing: probingState(step), ready: { always: [...stops, { target: 'acting' }] } } : {}),
      acting: {
        invoke: {
          id: `step ${step.index}`,
          src: 'effect',
          input: ({ context }) => ({
            kind: 'step',
            index: step.index,
            attempt: (context.tries[step.index]?.attempts ?? 0) + 1,
          }),
          onDone: {
            target: step.uses === 'pause' ? 'waiting' : 'over',
            actions: [{ type: 'finishStep', params }, ...commits],
          },
          onError: [
            { guard: { type: 'canRetry', params }, target: 'backoff', actions: { type: 'failStep', params } },
            { actions: { type: 'failStep', params }, ...failed },
          ],
        },
      },
      backoff: { always: [...stops, ...spent], after: { stepDelay: { target: begin, actions: 'noteTime' } } },
      waiting: {
        always: [...stops, ...spent],
        after: {
          stepDelay: [
            ...(place.phase.timeoutMs === null
              ? []
              : [
                  {
                    guard: { type: 'isPausedTooLong' as const, params: { timeoutMs: place.phase.timeoutMs } },
                    actions: ['noteTime' as const, { type: 'failPhaseTimeout' as const, params }],
                    ...failed,
                  },
                ]),
            {
              target: 'over',
              actions: [
                { type: 'finishPause', params },
                { type: 'pauseIsOver', params },
              ],
            },
          ],
        },
      },
      failed: failedState(place, step),
      ...Object.fromEntries(budgets.map((budget) => [budget.state, spentState(place, budget)])),
      over: { type: 'final', ...(place.hasBranches ? { entry: { type: 'stepIsOver', params } } : {}) },
    },
    onDone: { target: next },
  };
}

function probingState(step: PlannedStep): StateConfig {
  return {
    invoke: {
      id: `ask ${step.index}`,
      src: 'effect',
      input: ({ context }) => ({
        kind: 'ask',
        index: step.index,
        attempt: (context.tries[step.index]?.attempts ?? 0) + 1,
      }),
      onDone: { target: 'over', actions: { type: 'finishAsking', params: { step } } },
      onError: { target: 'ready', actions: 'noteTime' },
    },
  };
}

function failedState(place: Place, step: PlannedStep): StateConfig {
  switch (step.onFailure) {
    case 'rollback':
      return place.phase.retry && !place.hasBranches
        ? {
            always: [
              { guard: { type: 'canRunAgain', params: { phase: place.phase } }, target: againOf(place.phase) },
              { target: `#run.${ROLLBACK_PHASE}` },
            ],
          }
        : leavingState(place, 'rollback');
    case 'abort':
      return leavingState(place, 'abort');
    case 'continue':
      return { always: { target: 'over', actions: { type: 'forgetFailure', params: { step } } } };
    case 'pause':
      return pausedState(place, { target: 'deciding', actions: { type: 'startOver', params: { step } } });
  }
}

/** At once, or when what is in flight beside it has ended. */
function leavingState({ hasBranches }: Place, policy: 'rollback' | 'abort'): StateConfig {
  if (hasBranches) return { entry: { type: 'stop', params: { policy } }, always: { target: 'over' } };
  return { always: { target: policy === 'abort' ? '#run.failed-safe' : `#run.${ROLLBACK_PHASE}` } };
}

function pausedState({ hasBranches }: Place, resumed: Resumed): StateConfig {
  return {
    tags: ['paused'],
    on: { 'run.resume': resumed },
    ...(hasBranches ? { always: { guard: 'isStopping', target: 'over' } } : {}),
  };
}

type Resumed = NonNullable<NonNullable<StateConfig['on']>['run.resume']>;

interface StepBudget extends BudgetParams {
  readonly action: Exclude<BudgetAction, 'warn'>;
  /** The state of a step that finds it spent. */
  readonly state: string;
}

/** Budgets that a step looks at before it begins and while it waits. */
function budgetsOf({ plan, phase }: Place, { isAfterCommit }: PlannedStep): readonly StepBudget[] {
  const budgets = [
    { scope: 'phase', budget: phase.budget, state: 'budget of the phase spent' },
    { scope: 'run', budget: plan.budget, state: 'budget of the run spent' },
  ] as const;
  return budgets.flatMap(({ scope, budget, state }): readonly StepBudget[] => {
    if (!budget || budget.action === 'warn') return [];
    const holds = budget.action === 'pause' || (budget.action === 'abort') === isAfterCommit;
    return [{ scope, phase: phase.id, action: holds ? budget.action : 'pause', state }];
  });
}

function spentState(place: Place, { action, scope, phase }: StepBudget): StateConfig {
  if (action !== 'pause') return leavingState(place, action);
  return pausedState(place, { target: 'deciding', actions: { type: 'acceptBudget', params: { scope, phase } } });
}
