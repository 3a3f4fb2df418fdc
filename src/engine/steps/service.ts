// The service: whether it runs in a guest, whether it answers, and which guest has its address.
import { clears, needsNotServing, needsRunning, sets } from './requirements.ts';
import {
  type ArgSpec,
  GUEST,
  guestArg,
  LOOKS_ONLY,
  leavesNothing,
  type NodeCall,
  node,
  numberArg,
  type StepArgs,
  type StepKind,
  textArg,
  undoneBy,
} from './step-kind.ts';

/** Program in every image that starts and stops what serves. */
const MV_SERVICE = '/usr/local/sbin/mv-service';

const mvService = (args: StepArgs, verb: 'start' | 'stop'): NodeCall => ({
  primitive: 'guest.run',
  args: { guest: guestArg(args), argv: [MV_SERVICE, verb], env: {}, expectExit: [0] },
});

const CHECK_ARGS = {
  guest: { type: 'guest', summary: 'ask this guest directly; none asks the service address' },
  path: { type: 'string', summary: 'what to request; else that of service', default: '' },
  deadline: { type: 'duration', summary: 'time a request may take', default: '2s' },
  expectStatus: { type: 'int', summary: 'HTTP status', default: 200, min: 100, max: 599 },
  expectContains: { type: 'string', summary: 'text the body must contain', default: '' },
  expectSha256: { type: 'string', summary: 'SHA-256 of the body', default: '' },
} as const satisfies Record<string, ArgSpec>;

const check = (args: StepArgs): NodeCall => ({
  primitive: 'service.check',
  args: {
    guest: args['guest'] === undefined ? null : guestArg(args),
    path: textArg(args, 'path'),
    times: numberArg(args, 'times'),
    intervalMs: numberArg(args, 'every'),
    deadlineMs: numberArg(args, 'deadline'),
    expectStatus: numberArg(args, 'expectStatus'),
    expectContains: textArg(args, 'expectContains'),
    expectSha256: textArg(args, 'expectSha256'),
  },
});

const CHECK_OUTPUTS: StepKind['outputs'] = {
  status: { type: 'int', summary: 'HTTP status of the last answer' },
  bodySha256: { type: 'string', summary: 'SHA-256 of the last body, in hexadecimal' },
  body: { type: 'string', summary: 'the last body' },
  latencyMsMax: { type: 'double', summary: 'the slowest answer' },
};

const CHECKED: Pick<StepKind, 'undo' | 'atomic' | 'volatile' | 'requires' | 'effects'> = {
  undo: { how: 'nothing', because: 'it only looks' },
  atomic: true,
  volatile: true,
  requires: [needsRunning('guest-or-serving')],
  effects: [sets('checked:{guest-or-serving}')],
};

export const SERVICE_STEPS: readonly StepKind[] = [
  {
    name: 'service.check',
    summary: 'Requests the page once; the answer must be as expected.',
    args: CHECK_ARGS,
    does: { by: 'node', call: (args) => check({ ...args, times: 1, every: 0 }) },
    outputs: CHECK_OUTPUTS,
    timeoutMs: 10_000,
    ...CHECKED,
    prior: { ms: 5, spread: 0.05 },
  },
  {
    name: 'probe',
    summary: 'The service must answer a number of times in a row.',
    args: {
      ...CHECK_ARGS,
      times: { type: 'int', summary: 'answers in a row', default: 10, min: 1, max: 10_000 },
      every: { type: 'duration', summary: 'time between two requests', default: '100ms' },
    },
    does: { by: 'node', call: check },
    outputs: CHECK_OUTPUTS,
    timeoutMs: 'must',
    ...CHECKED,
    // Paced by the clock.
    prior: { ms: 1_000, spread: 0.0001 },
  },
  {
    name: 'service.start',
    summary: 'Starts the service in a guest.',
    args: { guest: GUEST },
    does: { by: 'node', call: (args) => mvService(args, 'start') },
    outputs: {},
    timeoutMs: 60_000,
    undo: { how: 'default', uses: 'service.stop', call: (args) => mvService(args, 'stop') },
    atomic: false,
    volatile: true,
    requires: [needsRunning()],
    effects: [clears('checked:{guest}')],
    prior: { ms: 500, spread: 0.02 },
  },
  {
    name: 'service.stop',
    summary: 'Stops the service in a guest.',
    args: { guest: GUEST },
    does: { by: 'node', call: (args) => mvService(args, 'stop') },
    outputs: {},
    timeoutMs: 60_000,
    undo: { how: 'default', uses: 'service.start', call: (args) => mvService(args, 'start') },
    atomic: false,
    volatile: true,
    requires: [needsRunning()],
    effects: [clears('checked:{guest}')],
    prior: { ms: 300, spread: 0.02 },
  },
  {
    name: 'service.records',
    summary: 'Every record that the prober wrote and the service acknowledged must be there.',
    args: { deadline: { type: 'duration', summary: 'time each reading may take', default: '2s' } },
    does: node('service.records', (args) => ({ deadlineMs: numberArg(args, 'deadline') })),
    outputs: {
      acknowledged: { type: 'int', summary: 'records that the service acknowledged' },
      lost: { type: 'list<string>', summary: 'those of them that it does not have' },
    },
    timeoutMs: 60_000,
    ...LOOKS_ONLY,
    requires: [needsRunning('guest-or-serving')],
    prior: { ms: 100 },
  },
  {
    name: 'service.relay',
    summary: 'Makes a guest ready to take the service, so that the cut-over itself is short.',
    args: {
      from: { type: 'guest', summary: 'the guest that has it', required: true },
      to: { type: 'guest', summary: 'the guest that will get it', required: true },
    },
    does: node('service.relay', (args) => ({ from: guestArg(args, 'from'), to: guestArg(args, 'to') })),
    outputs: {},
    timeoutMs: 60_000,
    ...leavesNothing('no client notices, and the next cut-over renews it'),
    requires: [needsRunning('from'), needsRunning('to')],
    prior: { ms: 900 },
  },
  {
    name: 'service.drain',
    summary: 'Waits until the guest that had the service has no connection of a client any more.',
    args: {
      from: { type: 'guest', summary: 'the guest that had it', required: true },
      to: { type: 'guest', summary: 'the guest that has it', required: true },
    },
    does: node('service.drain', (args) => ({ from: guestArg(args, 'from'), to: guestArg(args, 'to') })),
    outputs: { connections: { type: 'int', summary: 'connections that were open at first' } },
    timeoutMs: 120_000,
    ...leavesNothing('a cut-over back renews what it ended'),
    requires: [needsRunning('from'), needsRunning('to'), needsNotServing('from')],
    prior: { ms: 2_000, spread: 0.01 },
  },
  {
    name: 'service.cut-over',
    summary:
      'Moves the service address from one guest to the other; connections that are open stay until service.drain.',
    args: {
      from: { type: 'guest', summary: 'the guest that has it', required: true },
      to: { type: 'guest', summary: 'the guest that gets it', required: true },
    },
    does: node('service.cut-over', (args) => ({ from: guestArg(args, 'from'), to: guestArg(args, 'to') })),
    outputs: {},
    timeoutMs: 30_000,
    undo: undoneBy('service.cut-over', (args) => ({ from: guestArg(args, 'to'), to: guestArg(args, 'from') })),
    atomic: false,
    volatile: true,
    requires: [
      needsRunning('to'),
      {
        fact: 'serves:{from}',
        is: true,
        code: 'MV0310',
        message: 'expected {from} to have the service, but it does not at this point',
        hint: 'at the start of a run `old` has it',
      },
      {
        fact: 'checked:{to}',
        is: true,
        code: 'MV0311',
        message: 'expected a health check of {to} before the service moves there',
        hint: 'add a step service.check or probe with guest: {to}; a reboot makes it necessary again',
      },
    ],
    effects: [clears('serves:{from}'), sets('serves:{to}'), clears('checked:{to}')],
    prior: { ms: 60, spread: 0.02 },
  },
];
