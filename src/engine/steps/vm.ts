// The life of a guest beside the one that was there.
import type { PrimitiveArgs } from '../primitives.ts';
import {
  clears,
  needsDisk,
  needsGuest,
  needsNotServing,
  needsRunning,
  needsVirtualized,
  sets,
} from './requirements.ts';
import {
  type ArgSpec,
  forGuest,
  GUEST,
  guestArg,
  node,
  type StepArgs,
  type StepKind,
  textArg,
  undoneBy,
} from './step-kind.ts';

const DESTROYED_WITH_ITS_VM = 'destroying the VM takes it back';

const TAKES_OVER = {
  type: 'bool',
  summary: 'it will serve next: an OS that goes down meanwhile is kept down, and does not take the hart to boot again',
  default: false,
} as const satisfies ArgSpec;

const toBoot = (args: StepArgs): PrimitiveArgs<'vm.boot'> => ({
  guest: guestArg(args),
  takesOver: args['takesOver'] === true,
});

const makesDisk = (args: StepArgs): boolean => textArg(args, 'standby') !== '';

const toCreate = (args: StepArgs): PrimitiveArgs<'vm.create'> => ({
  guest: guestArg(args),
  disk: textArg(args, 'disk'),
  ...(makesDisk(args) ? { standby: textArg(args, 'standby') } : {}),
});

export const VM_STEPS: readonly StepKind[] = [
  {
    name: 'vm.create',
    summary: 'Creates a guest from the free bank, the devices of its side and a system disk.',
    args: {
      guest: GUEST,
      disk: { type: 'name', summary: 'its system disk; with standby made by this step', required: true },
      standby: {
        type: 'string',
        summary: 'the guest that `vm.keep` kept under this name: vm.boot wakes it',
        default: '',
      },
    },
    does: node('vm.create', toCreate),
    outputs: { memoryBytes: { type: 'int', summary: 'memory of the guest' } },
    timeoutMs: 30_000,
    undo: undoneBy('vm.destroy', (args) => ({
      guest: guestArg(args),
      ...(makesDisk(args) ? { removesDisk: textArg(args, 'disk') } : {}),
    })),
    atomic: true,
    volatile: (args) => !makesDisk(args),
    requires: [
      needsVirtualized,
      {
        fact: 'exists:{guest}',
        is: false,
        code: 'MV0304',
        message: 'expected a guest that does not exist yet, but {guest} does at this point',
        hint: 'a node has two guests at most: `old` is there from the start, `new` is yours to create',
      },
      {
        fact: 'bank-free',
        is: true,
        code: 'MV0308',
        message: 'expected memory that was given up, but every bank has an owner at this point',
        hint: 'a step memory.give-up has to come before',
      },
      // A standby brings its own.
      { ...needsDisk(), whereArg: { name: 'standby', is: '' } },
    ],
    effects: [
      sets('exists:{guest}'),
      sets('disk:{disk}'),
      clears('runs:{guest}'),
      clears('checked:{guest}'),
      clears('bank-free'),
    ],
    prior: { ms: 5 },
  },
  {
    name: 'vm.keep',
    summary: 'Puts a guest to sleep, keeps its memory and a copy of its system disk for later runs, and wakes it.',
    args: {
      guest: GUEST,
      as: { type: 'name', summary: 'name of the standby; one of that name is replaced', required: true },
    },
    does: node('vm.keep', (args) => ({ guest: guestArg(args), as: textArg(args, 'as') })),
    outputs: {
      bytes: { type: 'int', summary: 'bytes of memory kept' },
      asleepMs: { type: 'double', summary: 'node time from the request to sleep to its answer awake' },
    },
    timeoutMs: 60_000,
    undo: { how: 'nothing', because: 'what is kept is thrown away unless the run commits' },
    atomic: false,
    volatile: false,
    requires: [needsVirtualized, needsRunning(), needsNotServing()],
    effects: [],
    prior: { ms: 100, spread: 0.05 },
  },
  {
    name: 'vm.boot',
    summary: 'Boots a created guest, or wakes the standby it was created from, and waits for its agent.',
    args: { guest: GUEST, takesOver: TAKES_OVER },
    does: node('vm.boot', toBoot),
    outputs: { bootMs: { type: 'double', summary: 'node time until the agent answered' } },
    timeoutMs: 300_000,
    undo: { how: 'nothing', because: DESTROYED_WITH_ITS_VM },
    atomic: false,
    volatile: true,
    requires: [needsVirtualized, needsGuest()],
    effects: [sets('runs:{guest}'), clears('checked:{guest}')],
    prior: { ms: 8_000 },
  },
  {
    name: 'vm.reboot',
    summary: 'Reboots a guest, which comes back with what it installed.',
    args: { guest: GUEST, takesOver: TAKES_OVER },
    does: node('vm.reboot', toBoot),
    outputs: { bootMs: { type: 'double', summary: 'node time until the agent answered again' } },
    timeoutMs: 300_000,
    undo: { how: 'nothing', because: 'a reboot cannot be taken back and leaves nothing behind' },
    atomic: false,
    volatile: true,
    requires: [needsRunning()],
    effects: [clears('checked:{guest}')],
    prior: { ms: 9_000 },
  },
  {
    name: 'vm.destroy',
    summary: 'Destroys a guest; its memory is free and its devices have no owner.',
    args: { guest: GUEST },
    does: node('vm.destroy', forGuest),
    outputs: {},
    timeoutMs: 30_000,
    undo: { how: 'ask' },
    atomic: false,
    volatile: true,
    requires: [needsVirtualized, needsGuest(), needsNotServing()],
    effects: [clears('exists:{guest}'), clears('runs:{guest}'), clears('checked:{guest}'), sets('bank-free')],
    prior: { ms: 5 },
  },
  {
    name: 'guest.shutdown',
    summary: 'Asks a guest to power off and waits until it has.',
    args: { guest: GUEST },
    does: node('guest.shutdown', forGuest),
    outputs: {},
    timeoutMs: 120_000,
    undo: undoneBy('vm.boot', (args) => ({ ...forGuest(args), takesOver: false })),
    atomic: false,
    volatile: true,
    requires: [needsVirtualized, needsRunning(), needsNotServing()],
    effects: [clears('runs:{guest}'), clears('checked:{guest}')],
    prior: { ms: 3_000, spread: 0.02 },
  },
];
