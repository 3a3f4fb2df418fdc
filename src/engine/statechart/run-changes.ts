/** What the ends of effects change in what a run remembers. Pure. */
import { ExpressionFailure } from '../expression/scope.ts';
import type { PlannedPhase, PlannedStep } from '../plan/plan.ts';
import { isVolatile, type StepArgs } from '../steps/step-kind.ts';
import { stepKind } from '../steps/table.ts';
import { attemptsNow, retryDelayMs, triesOf } from './retrying.ts';
import type {
  DoneStep,
  EffectError,
  EffectOutput,
  PhaseLedger,
  RunContext,
  RunFailure,
  StepLedger,
} from './run-context.ts';

type Changes = Partial<RunContext>;

/** A phase begins, for the first time or anew. */
export function openPhase(context: RunContext, id: string, nowNs: number): Changes {
  const last = context.phases.at(-1);
  const isAnew = last?.id === id;
  const ledger: PhaseLedger = isAnew
    ? { ...last, endNs: null, rounds: last.rounds + 1, roundNs: nowNs }
    : { id, startNs: nowNs, endNs: null, rounds: 1, roundNs: nowNs };
  return {
    nowNs,
    over: [],
    stopping: null,
    phases: [...(isAnew ? context.phases.slice(0, -1) : context.phases), ledger],
  };
}

export function closePhase(context: RunContext, nowNs: number): Changes {
  // After a loss of power the node's time begins anew: what was open ended when it was last seen.
  const endNs = Math.max(context.nowNs, nowNs);
  return { nowNs, phases: context.phases.map((phase) => (phase.endNs === null ? { ...phase, endNs } : phase)) };
}

/** A paused run goes on: the time of its phase counts anew, or what ran out of it could never be done. */
export function resumePhase(context: RunContext, nowNs: number): Changes {
  const { phases } = context;
  return { nowNs, phases: phases.map((phase) => (phase.endNs === null ? { ...phase, roundNs: nowNs } : phase)) };
}

/** Attempts that are over no longer count, but keep their numbers: they are part of keys at the node. */
export function beginTries(context: RunContext, step: PlannedStep): RunContext['tries'] {
  const { attempts } = triesOf(context, step);
  return { ...context.tries, [step.index]: { attempts, attemptsBefore: attempts, sinceNs: null, delayMs: 0 } };
}

function endTry(context: RunContext, step: PlannedStep, startNs: number, delayMs: number): RunContext['tries'] {
  const { attempts, attemptsBefore, sinceNs } = triesOf(context, step);
  const tries = { attempts: attempts + 1, attemptsBefore, sinceNs: sinceNs ?? startNs, delayMs };
  return { ...context.tries, [step.index]: tries };
}

export function finishStep(context: RunContext, step: PlannedStep, output: EffectOutput): Changes {
  const entry: DoneStep = {
    index: step.index,
    attempt: triesOf(context, step).attempts + 1,
    args: output.args,
    result: (output.result ?? {}) as StepArgs,
  };
  return {
    nowNs: output.endNs,
    tries: endTry(context, step, output.startNs, step.uses === 'pause' ? Number(output.args['for']) : 0),
    outputs: { ...context.outputs, [step.id]: output.outputs },
    results: [...context.results, { index: step.index, isUndo: false, endNs: output.endNs, result: output.result }],
    steps: { ...context.steps, [step.index]: ledger(context, step, output, 'done') },
    done: isTakenBack(step) ? [...withoutStep(context.done, step.index), entry] : context.done,
    failure: withoutFailureOf(context, step),
  };
}

/** What was asked about was there: before the first attempt others did it, after one that failed this one did. */
export function finishAsking(context: RunContext, step: PlannedStep, output: EffectOutput): Changes {
  const tries = triesOf(context, step);
  const outcome = attemptsNow(tries) === 0 ? 'done-already' : 'done';
  // What failed and promised to leave nothing did it all the same; of the others half of it is known already.
  const isNews = outcome === 'done' && isTakenBack(step) && context.done.every(({ index }) => index !== step.index);
  const entry: DoneStep = { index: step.index, attempt: tries.attempts, args: output.args, result: null };
  return {
    nowNs: output.endNs,
    done: isNews ? [...context.done, entry] : context.done,
    tries: endTry(context, step, output.startNs, 0),
    steps: { ...context.steps, [step.index]: { ...ledger(context, step, output, outcome) } },
    failure: withoutFailureOf(context, step),
  };
}

const isTakenBack = ({ undo, uses, isAfterCommit }: PlannedStep): boolean =>
  undo !== 'none' && !isAfterCommit && !(undo === 'default' && stepKind(uses).undo.how !== 'default');

/** A failed attempt leaves something to take back unless the kind promises that it does not. */
export function failStep(context: RunContext, step: PlannedStep, error: EffectError, seed: string): Changes {
  const kind = stepKind(step.uses);
  const leavesSomething = error.left === 'all' || (error.left === 'perhaps' && !kind.atomic);
  const takesBack = leavesSomething && step.undo !== 'none' && !step.isAfterCommit;
  const tries = triesOf(context, step);
  const entry: DoneStep = {
    index: step.index,
    attempt: tries.attempts + 1,
    args: error.args,
    result: error.left === 'all' ? ((error.result ?? {}) as StepArgs) : null,
  };
  return {
    nowNs: error.endNs,
    tries: endTry(context, step, error.startNs, retryDelayMs(step.retry, attemptsNow(tries) + 1, seed)),
    steps: { ...context.steps, [step.index]: ledger(context, step, error, 'failed') },
    done: takesBack ? [...withoutStep(context.done, step.index), entry] : context.done,
    failure: failureOf(step, error, tries.attempts + 1),
  };
}

/** The step fails before anything of it was tried. */
export function failUntried(context: RunContext, step: PlannedStep, code: string, message: string): Changes {
  const { nowNs, steps } = context;
  return {
    failure: withoutFailureOf(context, step) ?? failureOf(step, { code, message }, triesOf(context, step).attempts),
    steps: { ...steps, [step.index]: { outcome: 'failed', attempts: 0, startNs: nowNs, endNs: nowNs } },
  };
}

/** The phase was taken back and is run again: what its steps had found out is of a round that never was. */
export function forgetRound({ outputs }: RunContext, { steps }: PlannedPhase): Changes {
  const taken = new Set(steps.map(({ id }) => id));
  return {
    failure: null,
    outputs: Object.fromEntries(Object.entries(outputs).filter(([id]) => !taken.has(id))),
  };
}

export const conditionMessage = (problem: unknown, { when }: PlannedStep): string =>
  problem instanceof ExpressionFailure ? problem.message : `${when}: not a condition`;

export const withoutFailureOf = ({ failure }: RunContext, { id }: PlannedStep): RunFailure | null =>
  failure?.step === id ? null : failure;

const withoutStep = (done: readonly DoneStep[], index: number): readonly DoneStep[] =>
  done.filter((entry) => entry.index !== index);

const ledger = (
  context: RunContext,
  step: PlannedStep,
  { startNs, endNs }: { readonly startNs: number; readonly endNs: number },
  outcome: StepLedger['outcome'],
): StepLedger => ({
  outcome,
  attempts: triesOf(context, step).attempts + 1,
  startNs: context.steps[step.index]?.startNs ?? startNs,
  endNs,
});

const failureOf = (
  step: PlannedStep,
  { code, message }: { readonly code: string; readonly message: string },
  attempts: number,
): RunFailure => ({ phase: step.phase, step: step.id, attempts, code, message, file: step.file, line: step.line });

/** The operator wants it taken back. */
export const requestFailure = (context: RunContext): RunFailure => ({
  phase: context.phases.at(-1)?.id ?? 'begin',
  step: 'operator',
  attempts: 1,
  code: 'on-request',
  message: 'whoever runs it wanted it taken back',
  file: null,
  line: 1,
});

/** A failure of what the engine does on its own account. */
export const engineFailure = (what: string, { code, message }: EffectError): RunFailure => ({
  phase: what,
  step: what,
  attempts: 1,
  code,
  message,
  file: null,
  line: 1,
});

/** What was volatile needs no undo any more; what was under way may have left something behind. */
export function losePower(
  context: RunContext,
  {
    atNs,
    doing,
    inFlight,
  }: { readonly atNs: number; readonly doing: readonly number[]; readonly inFlight: readonly DoneStep[] },
  steps: readonly PlannedStep[],
): Changes {
  const wasDoing = steps[doing[0] ?? -1];
  const done = [...context.done.filter(({ index }) => !inFlight.some((entry) => entry.index === index)), ...inFlight];
  const failure: RunFailure = {
    phase: wasDoing?.phase ?? context.phases.at(-1)?.id ?? 'begin',
    step: wasDoing?.id ?? 'node',
    attempts: wasDoing ? triesOf(context, wasDoing).attempts + 1 : 1,
    code: 'lost-power',
    message: 'the node lost power; what the run had done in its memory is gone',
    file: wasDoing?.file ?? null,
    line: wasDoing?.line ?? 1,
  };
  return {
    nowNs: atNs,
    powerLosses: context.powerLosses + 1,
    attempts: 0,
    stopping: null,
    waiting: null,
    failure,
    done: context.isCommitted ? [] : done.filter(({ index, args }) => !isVolatile(stepKind(steps[index]!.uses), args)),
  };
}
