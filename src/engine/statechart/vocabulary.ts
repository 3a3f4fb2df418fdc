/**
 * The closed vocabulary of a run's statechart: one kind of actor, and every guard, action and delay a plan compiles to.
 * A chart is a value of these words; nothing in it runs by itself. The driver brings effects about and sends events.
 *
 * Every event carries `atNs`, the node time at which it happened: the chart reads no clock. What the wall clock says, and
 * what people say, are events as well.
 */
import { assign, fromPromise, setup } from 'xstate';
import type { Outcome } from '../exit-codes.ts';
import { ExpressionFailure } from '../expression/scope.ts';
import type { PlannedPhase, PlannedStep } from '../plan/plan.ts';
import type { GuestFacts } from '../primitives.ts';
import { budgetWords } from '../values/budget-words.ts';
import { mayBegin } from '../values/calendar.ts';
import type { Evaluator } from './evaluator.ts';
import { canRetry, canRunAgain, retryDelayMs } from './retrying.ts';
import {
  beginTries,
  closePhase,
  conditionMessage,
  engineFailure,
  failStep,
  failUntried,
  finishAsking,
  finishStep,
  forgetRound,
  losePower,
  openPhase,
  requestFailure,
  resumePhase,
  withoutFailureOf,
} from './run-changes.ts';
import type {
  DoneStep,
  EffectError,
  EffectInput,
  EffectOutput,
  ExceededBudget,
  RunContext,
  RunInput,
  Waiting,
} from './run-context.ts';
import {
  answered,
  beginWaiting,
  type GateAnswer,
  type GateParams,
  gateFailure,
  isApproved,
  isTooOld,
  takeAnswer,
  tellClock,
  type WindowParams,
  wallMsOf,
  windowFailure,
} from './waiting.ts';

/** Attempts to take a step back, and node time between two. */
const UNDO_ATTEMPTS = 3;
const UNDO_DELAY_MS = 1_000;
/** After a loss of power the service is asked so often before the node counts as down. */
const RECOVERY_ATTEMPTS = 30;
const RECOVERY_DELAY_MS = 2_000;

export type RunEvent =
  /** The operator asks a paused run to go on. */
  | { readonly type: 'run.resume'; readonly atNs: number }
  /** The operator wants everything taken back. */
  | { readonly type: 'run.roll-back'; readonly atNs: number }
  /**
   * The node booted since: what was volatile is gone. `doing` are the steps that were under way, `inFlight` those of them
   * that may have left something to take back.
   */
  | {
      readonly type: 'node.lost-power';
      readonly atNs: number;
      readonly bootId: string;
      readonly doing: readonly number[];
      readonly inFlight: readonly DoneStep[];
    }
  /** What a client noticed is beyond a budget. */
  | ({ readonly type: 'budget.exceeded' } & ExceededBudget)
  /** What the wall clock says: told whenever a process begins to wait for a window or a gate. */
  | { readonly type: 'clock.told'; readonly atNs: number; readonly wallMs: number }
  | ({ readonly type: 'gate.answer'; readonly atNs: number } & GateAnswer)
  /** Whatever is waited for is taken to be so: in a dry run nobody can be asked. */
  | { readonly type: 'run.admit'; readonly atNs: number };

export interface StepParams {
  readonly step: PlannedStep;
}

export interface PhaseParams {
  readonly phase: PlannedPhase;
}

/** The budget of a phase, or that of the run. */
export interface BudgetParams {
  readonly scope: ExceededBudget['scope'];
  readonly phase: string;
}

const atNsOf = (event: object): number | undefined => (event as { readonly atNs?: number }).atNs;
const outputOf = (event: object): EffectOutput => (event as { readonly output: EffectOutput }).output;
const errorOf = (event: object): EffectError => (event as { readonly error: EffectError }).error;

/** The step whose effect has ended. */
const stepIndexOf = (event: object): number =>
  Number(/\d+$/.exec((event as { readonly actorId?: string }).actorId ?? '')?.[0]);

export function vocabulary(evaluator: Evaluator) {
  const seedOf = ({ id }: { readonly id: string }): string => `${evaluator.runId}/${id}`;
  return setup({
    types: {
      context: {} as RunContext,
      events: {} as RunEvent,
      input: {} as RunInput,
      output: {} as Outcome,
    },
    actors: {
      effect: fromPromise<EffectOutput, EffectInput>(() => {
        throw new Error('effects are brought about by the driver');
      }),
    },
    guards: {
      conditionFails: ({ context }, { step }: StepParams) =>
        conditionOf(evaluator, step, context) instanceof ExpressionFailure,
      isSkipped: ({ context }, { step }: StepParams) => conditionOf(evaluator, step, context) === false,
      isPhaseOver: ({ context }, { timeoutMs }: { readonly timeoutMs: number }) =>
        context.nowNs - (context.phases.at(-1)?.roundNs ?? context.nowNs) >= timeoutMs * 1e6,
      /** At the end of a pause: what else a phase does ends with its time. */
      isPausedTooLong: ({ context, event }, { timeoutMs }: { readonly timeoutMs: number }) => {
        const { nowNs, phases } = context;
        return (atNsOf(event) ?? nowNs) - (phases.at(-1)?.roundNs ?? nowNs) > timeoutMs * 1e6;
      },
      isBudgetSpent: ({ context }, params: BudgetParams) => spentBudget(context, params) !== undefined,
      needsAreOver: ({ context }, { step }: StepParams) => step.needs.every((index) => context.over.includes(index)),
      isStopping: ({ context }) => context.stopping !== null,
      isStoppingToAbort: ({ context }) => context.stopping === 'abort',
      canRetry: ({ context, event }, { step }: StepParams) => canRetry(context, step, errorOf(event), seedOf(step)),
      canRunAgain: ({ context }, { phase }: PhaseParams) => canRunAgain(context, phase, seedOf(phase)),
      mayRunAgain: ({ context }, { phase }: PhaseParams) =>
        context.stopping === 'rollback' && canRunAgain(context, phase, seedOf(phase)),
      canRetryUndo: ({ context }) => context.attempts + 1 < UNDO_ATTEMPTS,
      canRetryRecovery: ({ context }) => context.attempts + 1 < RECOVERY_ATTEMPTS,
      hasMoreToUndo: ({ context }) => context.done.length > 0,
      hasMoreToUndoIn: ({ context }, { phase }: PhaseParams) =>
        phase.steps.some(({ index }) => index === context.done.at(-1)?.index),
      isCommitted: ({ context }) => context.isCommitted,
      canGoBack: ({ context }) => !context.isCommitted && context.stopping === null,
      wasBooted: ({ event }) => (outputOf(event).result as { readonly booted?: boolean } | null)?.booted === true,
      windowIsOpen: ({ event }, { window }: WindowParams) => mayBegin(window, wallMsOf(event), window.cutoffMs),
      gateIsTooOld: ({ context, event }, params: GateParams) => isTooOld(context, event, params),
      isApproved: ({ context, event }, params: GateParams) => isApproved(context, event, params),
      isRejected: ({ event }, params: GateParams) => answered(event, params) === 'reject',
    },
    delays: {
      undoDelay: () => UNDO_DELAY_MS,
      recoveryDelay: () => RECOVERY_DELAY_MS,
      stepDelay: ({ context, event }) => context.tries[stepIndexOf(event)]?.delayMs ?? 0,
      phaseDelay: ({ context }) => {
        const { id = '', rounds = 1 } = context.phases.at(-1) ?? {};
        const retry = evaluator.phase(id)?.retry;
        return retry ? retryDelayMs(retry, rounds, seedOf({ id })) : 0;
      },
    },
    actions: {
      // For the driver: these change nothing here, it writes and shows them.
      phaseStarts: (_, _params: { readonly phase: string }) => {},
      phaseEnds: (_, _params: { readonly phase: string }) => {},
      stepIsSkipped: (_, _params: StepParams) => {},
      pauseIsOver: (_, _params: StepParams) => {},

      noteTime: assign(({ context, event }) => ({ nowNs: atNsOf(event) ?? context.nowNs })),
      noteBegun: assign(({ event }) => ({
        hasBegun: true,
        osBefore: osOf(outputOf(event)),
      })),
      noteEnd: assign(({ event }) => ({ osAfter: osOf(outputOf(event)) })),
      openPhase: assign(({ context, event }, { phase }: { readonly phase: string }) =>
        openPhase(context, phase, atNsOf(event) ?? context.nowNs),
      ),
      closePhase: assign(({ context, event }) => closePhase(context, atNsOf(event) ?? context.nowNs)),

      startStep: assign(({ context }, { step }: StepParams) => ({ tries: beginTries(context, step) })),
      startOver: assign(({ context, event }, { step }: StepParams) => ({
        ...resumePhase(context, atNsOf(event) ?? context.nowNs),
        tries: beginTries(context, step),
      })),
      skipStep: assign(({ context }, { step }: StepParams) => ({
        steps: {
          ...context.steps,
          [step.index]: { outcome: 'skipped' as const, attempts: 0, startNs: context.nowNs, endNs: context.nowNs },
        },
      })),
      finishStep: assign(({ context, event }, { step }: StepParams) => finishStep(context, step, outputOf(event))),
      finishAsking: assign(({ context, event }, { step }: StepParams) => finishAsking(context, step, outputOf(event))),
      finishPause: assign(({ context, event }, { step }: StepParams) => {
        const nowNs = atNsOf(event) ?? context.nowNs;
        return { nowNs, steps: { ...context.steps, [step.index]: { ...context.steps[step.index]!, endNs: nowNs } } };
      }),
      failStep: assign(({ context, event }, { step }: StepParams) =>
        failStep(context, step, errorOf(event), seedOf(step)),
      ),
      failCondition: assign(({ context }, { step }: StepParams) =>
        failUntried(context, step, 'expression', conditionMessage(conditionOf(evaluator, step, context), step)),
      ),
      failPhaseTimeout: assign(({ context }, { step }: StepParams) =>
        failUntried(context, step, 'phase-timeout', `the phase ${step.phase} took longer than its timeout`),
      ),
      failBudget: assign(({ context }, { step, ...params }: StepParams & BudgetParams) => {
        const spent = spentBudget(context, params);
        return spent ? failUntried(context, step, 'budget', budgetWords(spent)) : {};
      }),
      forgetFailure: assign(({ context }, { step }: StepParams) => ({ failure: withoutFailureOf(context, step) })),
      stepIsOver: assign(({ context }, { step }: StepParams) => ({ over: [...context.over, step.index] })),
      stop: assign(({ context }, { policy }: { readonly policy: 'rollback' | 'abort' }) => ({
        stopping: context.stopping ?? policy,
      })),
      noteExceeded: assign(({ context, event }) => {
        const { type: _, ...budget } = event as Extract<RunEvent, { readonly type: 'budget.exceeded' }>;
        return { nowNs: budget.atNs, exceeded: [...context.exceeded, budget] };
      }),
      acceptBudget: assign(({ context, event }, { scope, phase }: BudgetParams) => ({
        ...resumePhase(context, atNsOf(event) ?? context.nowNs),
        failure: null,
        acceptedBudgets: [...context.acceptedBudgets, budgetKey(scope, phase)],
      })),
      commit: assign({ isCommitted: true, done: [] }),

      beginEffect: assign({ attempts: 0 }),
      countAttempt: assign(({ context, event }) => ({
        attempts: context.attempts + 1,
        nowNs: atNsOf(event) ?? context.nowNs,
      })),
      finishUndo: assign(({ context, event }, { titles }: { readonly titles: readonly string[] }) => ({
        results: [
          ...context.results,
          {
            index: context.done.at(-1)!.index,
            isUndo: true,
            endNs: outputOf(event).endNs,
            result: outputOf(event).result,
          },
        ],
        undone: [...context.undone, titles[context.done.at(-1)!.index]!],
        done: context.done.slice(0, -1),
      })),
      giveUpUndo: assign(({ context }, { titles }: { readonly titles: readonly string[] }) => ({
        leftOver: context.done.map(({ index }) => titles[index]!).reverse(),
      })),
      forgetRound: assign(({ context }, { phase }: PhaseParams) => forgetRound(context, phase)),

      beginWaiting: assign((_, { kind, phase }: { readonly kind: Waiting['kind']; readonly phase: string }) => ({
        waiting: beginWaiting(kind, phase),
      })),
      tellClock: assign(({ context, event }, { phase }: PhaseParams) => ({
        nowNs: atNsOf(event) ?? context.nowNs,
        waiting: context.waiting && tellClock(context.waiting, event, phase),
      })),
      takeAnswer: assign(({ context, event }, params: GateParams) => ({
        nowNs: atNsOf(event) ?? context.nowNs,
        waiting: context.waiting && takeAnswer(context.waiting, event, params),
      })),
      endWaiting: assign(({ context, event }) => ({ nowNs: atNsOf(event) ?? context.nowNs, waiting: null })),
      failGate: assign(({ context, event }, params: GateParams) => ({ failure: gateFailure(context, params, event) })),
      failWindow: assign((_, params: WindowParams) => ({ failure: windowFailure(params) })),
      forgetRefusal: assign(({ context, event }) => ({ nowNs: atNsOf(event) ?? context.nowNs, failure: null })),

      losePower: assign(({ context, event }, { steps }: { readonly steps: readonly PlannedStep[] }) =>
        losePower(context, event as Extract<RunEvent, { readonly type: 'node.lost-power' }>, steps),
      ),
      failOnRequest: assign(({ context, event }) => ({
        nowNs: atNsOf(event) ?? context.nowNs,
        failure: context.failure ?? requestFailure(context),
      })),
      failBegin: assign(({ event }) => ({ failure: engineFailure('begin', errorOf(event)) })),
      failRecovery: assign(({ context, event }) => ({
        failure: context.failure ?? engineFailure('recovery', errorOf(event)),
      })),
      decide: assign((_, { outcome }: { readonly outcome: Outcome }) => ({ outcome })),
    },
  });
}

/** What a resume accepts: the budget of this phase, or that of the run. */
const budgetKey = (scope: ExceededBudget['scope'], phase: string): string =>
  scope === 'run' ? 'run' : `phase ${phase}`;

/** What was measured beyond the budget, unless that was accepted. */
function spentBudget({ exceeded, acceptedBudgets }: RunContext, params: BudgetParams): ExceededBudget | undefined {
  if (acceptedBudgets.includes(budgetKey(params.scope, params.phase))) return undefined;
  return exceeded.find(({ scope, phase }) => scope === params.scope && (scope === 'run' || phase === params.phase));
}

/** Whether the step runs, or why that cannot be told. */
function conditionOf(evaluator: Evaluator, step: PlannedStep, context: RunContext): boolean | ExpressionFailure {
  try {
    return evaluator.shouldRun(step, context);
  } catch (error) {
    if (error instanceof ExpressionFailure) return error;
    throw error;
  }
}

const osOf = ({ result }: EffectOutput): GuestFacts | null =>
  (result as { readonly os?: GuestFacts } | null)?.os ?? null;
