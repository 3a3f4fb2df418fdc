/**
 * Before a phase with a window or a gate:
 *
 *   window ─► gate ─► the phase
 *      └─ refused ◄─┘   rollback | abort | paused, until run.resume
 *
 * Both are told the wall clock whenever a process begins to wait. Whoever waits holds no process: the run stops there
 * and is resumed.
 */
import type { FailurePolicy, PlannedGate, PlannedPhase, PlannedWindow } from '../plan/plan.ts';
import { ROLLBACK_PHASE } from '../plan/plan.ts';
import type { StateConfig, States } from './chart-config.ts';
import { GOES_BACK } from './step-states.ts';

export function waitingState(phase: PlannedPhase, target: string): StateConfig {
  const { window, gate } = phase;
  const states: States = {};
  if (window) states['window'] = windowState(phase, window, gate ? 'gate' : target);
  if (window) states['window refused'] = refusedState(window.onFailure, 'window');
  if (gate) states['gate'] = gateState(phase, gate, target);
  if (gate) states['gate refused'] = refusedState(gate.onFailure, 'gate');
  return { initial: window ? 'window' : 'gate', on: GOES_BACK, states };
}

function windowState(phase: PlannedPhase, window: PlannedWindow, next: string): StateConfig {
  const params = { phase, window };
  return {
    tags: ['waiting'],
    entry: { type: 'beginWaiting', params: { kind: 'window', phase: phase.id } },
    on: {
      'run.admit': { target: next, actions: 'endWaiting' },
      'clock.told': [
        { guard: { type: 'windowIsOpen', params }, target: next, actions: 'endWaiting' },
        window.onClosed === 'fail'
          ? { target: 'window refused', actions: ['endWaiting', { type: 'failWindow', params }] }
          : { actions: { type: 'tellClock', params: { phase } } },
      ],
    },
  };
}

function gateState(phase: PlannedPhase, gate: PlannedGate, next: string): StateConfig {
  const params = { phase, gate };
  const refused = {
    target: 'gate refused',
    actions: [{ type: 'failGate' as const, params }, 'endWaiting' as const],
  };
  return {
    tags: ['waiting'],
    entry: { type: 'beginWaiting', params: { kind: 'gate', phase: phase.id } },
    on: {
      'run.admit': { target: next, actions: 'endWaiting' },
      'clock.told': [
        { guard: { type: 'gateIsTooOld', params }, ...refused },
        { actions: { type: 'tellClock', params: { phase } } },
      ],
      'gate.answer': [
        // An answer that comes too late is none.
        { guard: { type: 'gateIsTooOld', params }, ...refused },
        { guard: { type: 'isRejected', params }, ...refused },
        { guard: { type: 'isApproved', params }, target: next, actions: 'endWaiting' },
        { actions: { type: 'takeAnswer', params } },
      ],
    },
  };
}

function refusedState(policy: Exclude<FailurePolicy, 'continue'>, begin: string): StateConfig {
  switch (policy) {
    case 'rollback':
      return { always: { target: `#run.${ROLLBACK_PHASE}` } };
    case 'abort':
      return { always: { target: '#run.failed-safe' } };
    case 'pause':
      return { tags: ['paused'], on: { 'run.resume': { target: begin, actions: 'forgetRefusal' } } };
  }
}
