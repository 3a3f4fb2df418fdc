/**
 * Stage 4: a plan to the statechart of its run.
 *
 *   powering-on ─► beginning ─► phase ─► phase ─► … ─► ending(succeeded) ─► finished
 *                  │ a step fails
 *                  ├─ before the commit ─► rollback, latest step first ─► ending(rolled-back | failed-dirty)
 *                  ├─ after it ─► paused inside the phase, until run.resume
 *                  └─ onFailure: abort ─► ending(failed-safe)
 *   before the commit: run.roll-back ─► rollback
 *   before a phase with a window or a gate: waiting ─► phase | its onFailure
 *   a phase with a retry that failed: again ─► takes its steps back ─► phase
 *   from anywhere: node.lost-power ─► recovery ─► rollback of what is durable | ending(failed-safe)
 */
import type { Plan, PlannedPhase } from '../plan/plan.ts';
import { RECOVERY_PHASE, ROLLBACK_PHASE, stepsOf } from '../plan/plan.ts';
import type { ChartConfig, StateConfig, States, Transition } from './chart-config.ts';
import type { Evaluator } from './evaluator.ts';
import type { DoneStep, RunInput } from './run-context.ts';
import { GOES_BACK, stepsState } from './step-states.ts';
import { vocabulary } from './vocabulary.ts';
import { waitingState } from './waiting-state.ts';

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
      tries: {},
      over: [],
      stopping: null,
      exceeded: [],
      acceptedBudgets: [],
      waiting: null,
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
      'budget.exceeded': { actions: 'noteExceeded' },
    },
    states: {
      'powering-on': poweringOnState(),
      beginning: {
        invoke: {
          id: 'begin',
          src: 'effect',
          input: { kind: 'begin' },
          onDone: { target: entryKey(plan.phases[0]!), actions: ['noteTime', 'noteBegun'] },
          onError: {
            target: 'finished',
            actions: ['failBegin', { type: 'decide', params: { outcome: 'rolled-back' } }],
          },
        },
        on: NOTHING_TO_TAKE_BACK,
      },
      ...phaseStates(plan, titles),
      [ROLLBACK_PHASE]: rollbackState(titles),
      [RECOVERY_PHASE]: recoveryState(titles),
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
/** Where a run waits before a phase. */
const beforeKey = ({ id }: PlannedPhase): string => `before ${id}`;
/** Where a phase is taken back to be run again. */
const againKey = ({ id }: PlannedPhase): string => `again ${id}`;

/** Where a run goes to begin the phase. */
const entryKey = (phase: PlannedPhase): string => (phase.window || phase.gate ? beforeKey(phase) : phaseKey(phase));

function phaseStates(plan: Plan, titles: readonly string[]): States {
  const states: States = {};
  for (const [index, phase] of plan.phases.entries()) {
    const following = plan.phases[index + 1];
    const next: Transition = following
      ? { target: entryKey(following) }
      : { target: 'ending', actions: { type: 'decide', params: { outcome: 'succeeded' } } };
    if (phase.window || phase.gate) states[beforeKey(phase)] = waitingState(phase, `#run.${phaseKey(phase)}`);
    if (phase.retry) states[againKey(phase)] = againState(phase, titles);
    states[phaseKey(phase)] = {
      entry: [
        { type: 'openPhase', params: { phase: phase.id } },
        { type: 'phaseStarts', params: { phase: phase.id } },
      ],
      exit: ['closePhase', { type: 'phaseEnds', params: { phase: phase.id } }],
      ...stepsState(plan, phase, next),
    };
  }
  return states;
}

const topOfStack = ({ done }: { readonly done: readonly DoneStep[] }): DoneStep => done.at(-1)!;

/** Takes back what was done, latest first; a phase that is run again only what was done in it. */
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
      ...undoingStates(titles),
    },
  };
}

function againState(phase: PlannedPhase, titles: readonly string[]): StateConfig {
  return {
    on: GOES_BACK,
    initial: 'deciding',
    states: {
      deciding: {
        entry: 'beginEffect',
        always: [{ guard: { type: 'hasMoreToUndoIn', params: { phase } }, target: 'undoing' }, { target: 'resting' }],
      },
      ...undoingStates(titles),
      resting: {
        after: {
          phaseDelay: {
            target: `#run.${phaseKey(phase)}`,
            actions: ['noteTime', { type: 'forgetRound', params: { phase } }],
          },
        },
      },
    },
  };
}

function undoingStates(titles: readonly string[]): States {
  return {
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

function recoveryState(titles: readonly string[]): StateConfig {
  const failed = {
    target: '#run.ending',
    actions: [
      'noteTime' as const,
      'failRecovery' as const,
      { type: 'giveUpUndo' as const, params: { titles } },
      { type: 'decide' as const, params: { outcome: 'failed-dirty' as const } },
    ],
  };
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
          onError: failed,
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
          onError: [{ guard: 'canRetryRecovery', target: 'backoff', actions: 'countAttempt' }, failed],
        },
      },
      backoff: { after: { recoveryDelay: { target: 'checking', actions: 'noteTime' } } },
    },
  };
}
