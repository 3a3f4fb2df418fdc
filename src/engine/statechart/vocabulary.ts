/**
 * The closed vocabulary of a run's statechart: one kind of actor, and every guard, action and delay a plan compiles to.
 * A chart is a value of these words; nothing in it runs by itself. The driver brings effects about and sends events.
 *
 * Every event carries `atNs`, the node time at which it happened: the chart reads no clock.
 */
import { assign, fromPromise, setup } from 'xstate';
import type { Outcome } from '../exit-codes.ts';
import { ExpressionFailure } from '../expression/scope.ts';
import type { PlannedStep } from '../plan/plan.ts';
import type { GuestFacts } from '../primitives.ts';
import type { StepArgs } from '../steps/step-kind.ts';
import { stepKind } from '../steps/table.ts';
import type { Evaluator } from './evaluator.ts';
import type {
  DoneStep,
  EffectError,
  EffectInput,
  EffectOutput,
  RunContext,
  RunFailure,
  RunInput,
} from './run-context.ts';

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
  /** The node booted since: what was volatile is gone. `inFlight` is the step that was under way. */
  | {
      readonly type: 'node.lost-power';
      readonly atNs: number;
      readonly bootId: string;
      readonly inFlight: DoneStep | null;
    };

export interface StepParams {
  readonly step: PlannedStep;
}

const atNsOf = (event: object): number | undefined => (event as { readonly atNs?: number }).atNs;
const outputOf = (event: object): EffectOutput => (event as { readonly output: EffectOutput }).output;
const errorOf = (event: object): EffectError => (event as { readonly error: EffectError }).error;

/** Attempts of the step that count: those since the run was last resumed. */
const attemptsNow = ({ attempts, attemptsBefore }: RunContext): number => attempts - attemptsBefore;

/** Node time between the attempt that failed as the n-th and the next one. */
function retryDelayMs({ retry }: PlannedStep, failedAttempts: number): number {
  return Math.min(retry.delayMs * retry.factor ** (failedAttempts - 1), retry.delayMsMax);
}

export function vocabulary(evaluator: Evaluator) {
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
        context.nowNs - (context.phases.at(-1)?.startNs ?? context.nowNs) >= timeoutMs * 1e6,
      canRetry: ({ context, event }, { step }: StepParams) =>
        errorOf(event).retryable && attemptsNow(context) + 1 < step.retry.attempts,
      canRetryUndo: ({ context }) => context.attempts + 1 < UNDO_ATTEMPTS,
      canRetryRecovery: ({ context }) => context.attempts + 1 < RECOVERY_ATTEMPTS,
      hasMoreToUndo: ({ context }) => context.done.length > 0,
      isCommitted: ({ context }) => context.isCommitted,
      isUncommitted: ({ context }) => !context.isCommitted,
      wasBooted: ({ event }) => (outputOf(event).result as { readonly booted?: boolean } | null)?.booted === true,
    },
    delays: {
      undoDelay: () => UNDO_DELAY_MS,
      recoveryDelay: () => RECOVERY_DELAY_MS,
      stepDelay: ({ context }) => context.delayMs,
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
      openPhase: assign(({ context, event }, { phase }: { readonly phase: string }) => ({
        nowNs: atNsOf(event) ?? context.nowNs,
        phases: [...context.phases, { id: phase, startNs: atNsOf(event) ?? context.nowNs, endNs: null }],
      })),
      closePhase: assign(({ context, event }) => ({
        nowNs: atNsOf(event) ?? context.nowNs,
        phases: context.phases.map((phase) =>
          // After a loss of power the node's time begins anew: what was open ended when it was last seen.
          phase.endNs === null ? { ...phase, endNs: Math.max(context.nowNs, atNsOf(event) ?? context.nowNs) } : phase,
        ),
      })),
      startStep: assign({ attempts: 0, attemptsBefore: 0 }),
      startOver: assign(({ context, event }) => ({
        attemptsBefore: context.attempts,
        nowNs: atNsOf(event) ?? context.nowNs,
      })),
      skipStep: assign(({ context }, { step }: StepParams) => ({
        steps: {
          ...context.steps,
          [step.index]: { outcome: 'skipped' as const, attempts: 0, startNs: context.nowNs, endNs: context.nowNs },
        },
      })),
      finishStep: assign(({ context, event }, { step }: StepParams) => finishStep(context, step, outputOf(event))),
      finishPause: assign(({ context, event }, { step }: StepParams) => {
        const nowNs = atNsOf(event) ?? context.nowNs;
        return { nowNs, steps: { ...context.steps, [step.index]: { ...context.steps[step.index]!, endNs: nowNs } } };
      }),
      failStep: assign(({ context, event }, { step }: StepParams) => failStep(context, step, errorOf(event))),
      failCondition: assign(({ context }, { step }: StepParams) => {
        const problem = conditionOf(evaluator, step, context);
        const message = problem instanceof ExpressionFailure ? problem.message : `${step.when}: not a condition`;
        return {
          failure: context.failure ?? failureOf(step, { code: 'expression', message }, context.attempts),
          steps: {
            ...context.steps,
            [step.index]: { outcome: 'failed' as const, attempts: 0, startNs: context.nowNs, endNs: context.nowNs },
          },
        };
      }),
      failPhaseTimeout: assign(({ context }, { step }: StepParams) => ({
        failure:
          context.failure ??
          failureOf(
            step,
            { code: 'phase-timeout', message: `the phase ${step.phase} took longer than its timeout` },
            0,
          ),
      })),
      forgetFailure: assign({ failure: null }),
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
      losePower: assign(({ context, event }, { steps }: { readonly steps: readonly PlannedStep[] }) =>
        losePower(context, event as Extract<RunEvent, { readonly type: 'node.lost-power' }>, steps),
      ),
      failOnRequest: assign(({ context, event }) => ({
        nowNs: atNsOf(event) ?? context.nowNs,
        failure: context.failure ?? {
          phase: context.phases.at(-1)?.id ?? 'begin',
          step: 'operator',
          attempts: 1,
          code: 'on-request',
          message: 'whoever runs it wanted it taken back',
          line: 1,
        },
      })),
      failBegin: assign(({ event }) => ({ failure: runFailure('begin', errorOf(event)) })),
      failRecovery: assign(({ context, event }) => ({
        failure: context.failure ?? runFailure('recovery', errorOf(event)),
      })),
      decide: assign((_, { outcome }: { readonly outcome: Outcome }) => ({ outcome })),
    },
  });
}

/** Whether the step runs, or why that cannot be told. */
function conditionOf(evaluator: Evaluator, step: PlannedStep, context: RunContext): boolean | ExpressionFailure {
  if (step.when === null) return true;
  try {
    return evaluator.condition(step.when, step, context);
  } catch (error) {
    if (error instanceof ExpressionFailure) return error;
    throw error;
  }
}

const osOf = ({ result }: EffectOutput): GuestFacts | null =>
  (result as { readonly os?: GuestFacts } | null)?.os ?? null;

function finishStep(context: RunContext, step: PlannedStep, output: EffectOutput): Partial<RunContext> {
  const { undo } = stepKind(step.uses);
  const takesBack = step.undo !== 'none' && !step.isAfterCommit && !(step.undo === 'default' && undo.how !== 'default');
  const entry: DoneStep = { index: step.index, args: output.args, result: (output.result ?? {}) as StepArgs };
  return {
    nowNs: output.endNs,
    delayMs: step.uses === 'pause' ? Number(output.args['for']) : 0,
    outputs: { ...context.outputs, [step.id]: output.outputs },
    results: [...context.results, { index: step.index, isUndo: false, endNs: output.endNs, result: output.result }],
    steps: { ...context.steps, [step.index]: ledger(context, step, output, 'done') },
    done: takesBack ? [...withoutStep(context.done, step.index), entry] : context.done,
    failure: context.failure?.step === step.id ? null : context.failure,
  };
}

/** A failed attempt leaves something to take back unless the kind promises that it does not. */
function failStep(context: RunContext, step: PlannedStep, error: EffectError): Partial<RunContext> {
  const kind = stepKind(step.uses);
  const leavesSomething = error.left === 'all' || (error.left === 'perhaps' && !kind.atomic);
  const takesBack = leavesSomething && step.undo !== 'none' && !step.isAfterCommit;
  const entry: DoneStep = {
    index: step.index,
    args: error.args,
    result: error.left === 'all' ? ((error.result ?? {}) as StepArgs) : null,
  };
  return {
    nowNs: error.endNs,
    steps: { ...context.steps, [step.index]: ledger(context, step, error, 'failed') },
    done: takesBack ? [...withoutStep(context.done, step.index), entry] : context.done,
    failure: failureOf(step, error, context.attempts + 1),
    attempts: context.attempts + 1,
    delayMs: retryDelayMs(step, attemptsNow(context) + 1),
  };
}

const withoutStep = (done: readonly DoneStep[], index: number): readonly DoneStep[] =>
  done.filter((entry) => entry.index !== index);

const ledger = (
  context: RunContext,
  step: PlannedStep,
  { startNs, endNs }: { readonly startNs: number; readonly endNs: number },
  outcome: 'done' | 'failed',
): RunContext['steps'][number] => ({
  outcome,
  attempts: context.attempts + 1,
  startNs: context.steps[step.index]?.startNs ?? startNs,
  endNs,
});

const failureOf = (
  step: PlannedStep,
  { code, message }: { readonly code: string; readonly message: string },
  attempts: number,
): RunFailure => ({ phase: step.phase, step: step.id, attempts, code, message, line: step.line });

const runFailure = (what: string, { code, message }: EffectError): RunFailure => ({
  phase: what,
  step: what,
  attempts: 1,
  code,
  message,
  line: 1,
});

/** What was volatile needs no undo any more; what was under way may have left something behind. */
function losePower(
  context: RunContext,
  event: Extract<RunEvent, { readonly type: 'node.lost-power' }>,
  steps: readonly PlannedStep[],
): Partial<RunContext> {
  const inFlight = event.inFlight;
  const wasDoing = inFlight ? steps[inFlight.index] : undefined;
  const done = [...context.done.filter(({ index }) => index !== inFlight?.index), ...(inFlight ? [inFlight] : [])];
  const failure: RunFailure = {
    phase: wasDoing?.phase ?? context.phases.at(-1)?.id ?? 'begin',
    step: wasDoing?.id ?? 'node',
    attempts: context.attempts + 1,
    code: 'lost-power',
    message: 'the node lost power; what the run had done in its memory is gone',
    line: wasDoing?.line ?? 1,
  };
  return {
    nowNs: event.atNs,
    powerLosses: context.powerLosses + 1,
    attempts: 0,
    attemptsBefore: 0,
    failure,
    done: context.isCommitted ? [] : done.filter(({ index }) => !stepKind(steps[index]!.uses).volatile),
  };
}
