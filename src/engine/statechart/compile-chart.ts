/**
 * Stage 4: a plan to the statechart of its run.
 *
 *   powering-on ─► beginning ─► phase ─► phase ─► … ─► ending(succeeded) ─► finished
 *                  │ a step fails
 *                  ├─ before the commit ─► rollback, latest step first ─► ending(rolled-back | failed-dirty)
 *                  ├─ after it ─► paused inside the phase, until run.resume
 *                  └─ onFailure: abort ─► ending(failed-safe)
 *   before the commit: run.roll-back ─► rollback
 *   from anywhere: node.lost-power ─► recovery ─► rollback of what is durable | ending(failed-safe)
 *
 * A step is deciding ─► acting ─► [waiting] ─► done, with backoff between attempts.
 */
import type { Plan, PlannedPhase, PlannedStep } from '../plan/plan.ts';
import { RECOVERY_PHASE, ROLLBACK_PHASE, stepsOf } from '../plan/plan.ts';
import type { Evaluator } from './evaluator.ts';
import type { DoneStep, RunInput } from './run-context.ts';
import { vocabulary } from './vocabulary.ts';

type Vocabulary = ReturnType<typeof vocabulary>;
type ChartConfig = Parameters<Vocabulary['createMachine']>[0];
type StateConfig = NonNullable<ChartConfig['states']>[string];
type States = { [key: string]: StateConfig };

export type RunChart = ReturnType<typeof compileChart>;

export function compileChart(plan: Plan, evaluator: Evaluator) {
  const words = vocabulary(evaluator);
  const steps = stepsOf(plan);
  const titles = steps.map(({ id }) => id);
  const config: ChartConfig = {
    id: 'run',
    context: ({ input }: { input: RunInput }) => ({
      nowNs: input.atNs,
      facts: input.facts,
      hasBegun: false,
      beganNs: input.atNs,
      osBefore: null,
      osAfter: null,
      isCommitted: false,
      powerLosses: 0,
      attempts: 0,
      attemptsBefore: 0,
      delayMs: 0,
      outputs: {},
      results: [],
      steps: {},
      phases: [],
      done: [],
      undone: [],
      leftOver: [],
      failure: null,
      outcome: null,
    }),
    initial: 'powering-on',
    output: ({ context }) => context.outcome ?? 'paused',
    on: {
      'node.lost-power': { target: '.recovery', actions: { type: 'losePower', params: { steps } } },
    },
    states: {
      'powering-on': poweringOnState(),
      beginning: {
        invoke: {
          id: 'begin',
          src: 'effect',
          input: { kind: 'begin' },
          onDone: { target: phaseKey(plan.phases[0]!), actions: ['noteTime', 'noteBegun'] },
          onError: {
            target: 'finished',
            actions: ['failBegin', { type: 'decide', params: { outcome: 'rolled-back' } }],
          },
        },
        on: NOTHING_TO_TAKE_BACK,
      },
      ...phaseStates(plan),
      [ROLLBACK_PHASE]: rollbackState(titles),
      [RECOVERY_PHASE]: recoveryState(),
      'failed-safe': {
        entry: { type: 'decide', params: { outcome: 'failed-safe' } },
        always: { target: 'ending' },
      },
      ending: {
        tags: ['goes-back'],
        invoke: {
          id: 'end',
          src: 'effect',
          input: { kind: 'end' },
          onDone: { target: 'finished', actions: ['noteTime', 'noteEnd'] },
          onError: { target: 'finished', actions: 'noteTime' },
        },
      },
      finished: { type: 'final' },
    },
  };
  return words.createMachine(config);
}

/** Before the first phase a run has done nothing that could be taken back. */
const NOTHING_TO_TAKE_BACK = {
  'run.roll-back': {
    target: '#run.finished',
    actions: ['failOnRequest' as const, { type: 'decide' as const, params: { outcome: 'rolled-back' as const } }],
  },
};

/** A playbook may call a phase `finished`; its state is called something else. */
const phaseKey = ({ id }: PlannedPhase): string => `phase ${id}`;
/** State keys must not contain dots, which separate them in a target. */
const stepKey = ({ id }: PlannedStep): string => `step ${id}`;

function phaseStates(plan: Plan): States {
  const states: States = {};
  for (const [index, phase] of plan.phases.entries()) {
    const next = plan.phases[index + 1];
    states[phaseKey(phase)] = {
      entry: [
        { type: 'openPhase', params: { phase: phase.id } },
        { type: 'phaseStarts', params: { phase: phase.id } },
      ],
      exit: ['closePhase', { type: 'phaseEnds', params: { phase: phase.id } }],
      initial: stepKey(phase.steps[0]!),
      on: { 'run.roll-back': { guard: 'isUncommitted', target: ROLLBACK_PHASE, actions: 'failOnRequest' } },
      states: stepStates(phase),
      onDone: next
        ? { target: phaseKey(next) }
        : { target: 'ending', actions: { type: 'decide', params: { outcome: 'succeeded' } } },
    };
  }
  return states;
}

function stepStates(phase: PlannedPhase): States {
  const states: States = { 'all done': { type: 'final' } };
  for (const [index, step] of phase.steps.entries()) {
    const next = phase.steps[index + 1];
    states[stepKey(step)] = stepState(phase, step, next ? stepKey(next) : 'all done');
  }
  return states;
}

function stepState(phase: PlannedPhase, step: PlannedStep, next: string): StateConfig {
  const params = { step };
  const failed = { target: 'failed' } as const;
  const commits = step.uses === 'commit' ? (['commit'] as const) : [];
  return {
    entry: 'startStep',
    initial: 'deciding',
    states: {
      deciding: {
        always: [
          ...(phase.timeoutMs === null
            ? []
            : [
                {
                  guard: { type: 'isPhaseOver' as const, params: { timeoutMs: phase.timeoutMs } },
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
          { target: 'acting' },
        ],
      },
      acting: {
        invoke: {
          id: `step ${step.index}`,
          src: 'effect',
          input: ({ context }) => ({ kind: 'step', index: step.index, attempt: context.attempts + 1 }),
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
      backoff: { after: { stepDelay: { target: 'acting', actions: 'noteTime' } } },
      waiting: {
        after: {
          stepDelay: {
            target: 'over',
            actions: [
              { type: 'finishPause', params },
              { type: 'pauseIsOver', params },
            ],
          },
        },
      },
      failed: failedState(step),
      over: { type: 'final' },
    },
    onDone: { target: next },
  };
}

function failedState(step: PlannedStep): StateConfig {
  switch (step.onFailure) {
    case 'rollback':
      return { always: { target: `#run.${ROLLBACK_PHASE}` } };
    case 'abort':
      return { always: { target: '#run.failed-safe' } };
    case 'continue':
      return { always: { target: 'over', actions: 'forgetFailure' } };
    case 'pause':
      return { tags: ['paused'], on: { 'run.resume': { target: 'deciding', actions: 'startOver' } } };
  }
}

const topOfStack = ({ done }: { readonly done: readonly DoneStep[] }): DoneStep => done.at(-1)!;

function rollbackState(titles: readonly string[]): StateConfig {
  return {
    entry: [
      { type: 'openPhase', params: { phase: ROLLBACK_PHASE } },
      { type: 'phaseStarts', params: { phase: ROLLBACK_PHASE } },
    ],
    exit: ['closePhase', { type: 'phaseEnds', params: { phase: ROLLBACK_PHASE } }],
    tags: ['goes-back'],
    initial: 'deciding',
    states: {
      deciding: {
        entry: 'beginEffect',
        always: [
          { guard: 'hasMoreToUndo', target: 'undoing' },
          { target: '#run.ending', actions: { type: 'decide', params: { outcome: 'rolled-back' } } },
        ],
      },
      undoing: {
        invoke: {
          id: 'undo',
          src: 'effect',
          input: ({ context }) => ({ kind: 'undo', entry: topOfStack(context), attempt: context.attempts + 1 }),
          onDone: { target: 'deciding', actions: ['noteTime', { type: 'finishUndo', params: { titles } }] },
          onError: [
            { guard: 'canRetryUndo', target: 'backoff', actions: 'countAttempt' },
            // Whatever was done before it may be what this one stands on: stop here and say so.
            {
              target: '#run.ending',
              actions: [
                'noteTime',
                { type: 'giveUpUndo', params: { titles } },
                { type: 'decide', params: { outcome: 'failed-dirty' } },
              ],
            },
          ],
        },
      },
      backoff: { after: { undoDelay: { target: 'undoing', actions: 'noteTime' } } },
    },
  };
}

/** A run starts on a server that serves: a node that is off is booted, and given the time to come up. */
function poweringOnState(): StateConfig {
  const failed = {
    target: '#run.finished',
    actions: [
      'noteTime' as const,
      'failBegin' as const,
      { type: 'decide' as const, params: { outcome: 'rolled-back' as const } },
    ],
  };
  return {
    on: NOTHING_TO_TAKE_BACK,
    initial: 'booting',
    states: {
      booting: {
        invoke: {
          id: 'power on',
          src: 'effect',
          input: { kind: 'boot', attempt: 1 },
          onDone: [
            { guard: 'wasBooted', target: 'checking', actions: ['noteTime', 'beginEffect'] },
            { target: '#run.beginning', actions: 'noteTime' },
          ],
          onError: failed,
        },
      },
      checking: {
        invoke: {
          id: 'check after power on',
          src: 'effect',
          input: ({ context }) => ({ kind: 'check', attempt: context.attempts + 1 }),
          onDone: { target: '#run.beginning', actions: 'noteTime' },
          onError: [{ guard: 'canRetryRecovery', target: 'backoff', actions: 'countAttempt' }, failed],
        },
      },
      backoff: { after: { recoveryDelay: { target: 'checking', actions: 'noteTime' } } },
    },
  };
}

function recoveryState(): StateConfig {
  return {
    entry: [
      { type: 'openPhase', params: { phase: RECOVERY_PHASE } },
      { type: 'phaseStarts', params: { phase: RECOVERY_PHASE } },
    ],
    exit: ['closePhase', { type: 'phaseEnds', params: { phase: RECOVERY_PHASE } }],
    tags: ['goes-back'],
    initial: 'booting',
    states: {
      booting: {
        invoke: {
          id: 'boot',
          src: 'effect',
          input: ({ context }) => ({ kind: 'boot', attempt: context.attempts + 1 }),
          onDone: { target: 'checking', actions: ['noteTime', 'beginEffect'] },
          onError: {
            target: '#run.ending',
            actions: ['noteTime', 'failRecovery', { type: 'decide', params: { outcome: 'failed-dirty' } }],
          },
        },
      },
      checking: {
        invoke: {
          id: 'check',
          src: 'effect',
          input: ({ context }) => ({ kind: 'check', attempt: context.attempts + 1 }),
          onDone: [
            { guard: 'isCommitted', target: '#run.failed-safe', actions: 'noteTime' },
            { target: `#run.${ROLLBACK_PHASE}`, actions: 'noteTime' },
          ],
          onError: [
            { guard: 'canRetryRecovery', target: 'backoff', actions: 'countAttempt' },
            { target: '#run.ending', actions: ['noteTime', { type: 'decide', params: { outcome: 'failed-dirty' } }] },
          ],
        },
      },
      backoff: { after: { recoveryDelay: { target: 'checking', actions: 'noteTime' } } },
    },
  };
}
