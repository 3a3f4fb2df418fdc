// Disks of the node, and devices that change hands.
import { clears, needsDisk, needsGuest, needsRunning, needsVirtualized, sets } from './requirements.ts';
import { guestArg, listArg, type NodeCall, node, type StepArgs, type StepKind, textArg } from './step-kind.ts';

const DISK = { type: 'name', summary: 'name of a disk of the node', required: true } as const;
const GUEST = { type: 'guest', summary: 'the guest', required: true } as const;

const moveDisk = (args: StepArgs, from: 'from' | 'to', to: 'from' | 'to'): NodeCall => ({
  primitive: 'disk.move',
  args: {
    name: textArg(args, 'disk'),
    from: guestArg(args, from),
    to: guestArg(args, to),
    release: listArg<string>(args, 'release'),
    accept: listArg<string>(args, 'accept'),
  },
});

export const DISK_STEPS: readonly StepKind[] = [
  {
    name: 'disk.clone',
    summary: 'Copies the system disk of a running guest; its file systems are frozen meanwhile.',
    args: {
      from: { type: 'guest', summary: 'the guest whose system disk is copied', required: true },
      disk: { type: 'name', summary: 'name of the copy', required: true },
    },
    does: node((args) => ({
      primitive: 'disk.clone',
      args: { from: guestArg(args, 'from'), name: textArg(args, 'disk') },
    })),
    outputs: {
      bytes: { type: 'int', summary: 'size of the disk' },
      frozenMs: { type: 'double', summary: 'how long the file systems were frozen, in node time' },
    },
    timeoutMs: 120_000,
    undo: {
      how: 'default',
      uses: 'disk.remove',
      call: (args) => ({ primitive: 'disk.remove', args: { name: textArg(args, 'disk') } }),
    },
    atomic: false,
    volatile: false,
    requires: [
      needsRunning('from'),
      {
        fact: 'disk:{disk}',
        is: false,
        code: 'MV0307',
        message: 'expected a new name, but a disk {disk} exists at this point',
        hint: 'choose another name, or disk.remove it before',
      },
    ],
    effects: [sets('disk:{disk}')],
    prior: { ms: 500 },
  },
  {
    name: 'disk.remove',
    summary: 'Removes a disk that no guest has attached.',
    args: { disk: DISK },
    does: node((args) => ({ primitive: 'disk.remove', args: { name: textArg(args, 'disk') } })),
    outputs: {},
    timeoutMs: 60_000,
    undo: { how: 'ask' },
    atomic: true,
    volatile: false,
    requires: [needsDisk()],
    effects: [clears('disk:{disk}')],
    prior: { ms: 10 },
  },
  {
    name: 'disk.attach',
    summary: 'Attaches a disk to a guest; a guest that runs finds it at once.',
    args: {
      guest: GUEST,
      disk: DISK,
      readOnly: { type: 'bool', summary: 'the guest cannot write to it', default: false },
    },
    does: node((args) => ({
      primitive: 'disk.attach',
      args: { guest: guestArg(args), name: textArg(args, 'disk'), readOnly: args['readOnly'] === true },
    })),
    outputs: { device: { type: 'string', summary: 'the block device in the guest, e.g. /dev/vdb' } },
    timeoutMs: 30_000,
    undo: {
      how: 'default',
      uses: 'disk.detach',
      call: (args) => ({ primitive: 'disk.detach', args: { guest: guestArg(args), name: textArg(args, 'disk') } }),
    },
    atomic: false,
    volatile: true,
    requires: [needsGuest(), needsDisk()],
    effects: [],
    prior: { ms: 50 },
  },
  {
    name: 'disk.detach',
    summary: 'Takes a disk from a guest.',
    args: { guest: GUEST, disk: DISK },
    does: node((args) => ({
      primitive: 'disk.detach',
      args: { guest: guestArg(args), name: textArg(args, 'disk') },
    })),
    outputs: {},
    timeoutMs: 30_000,
    undo: { how: 'ask' },
    atomic: false,
    volatile: true,
    requires: [needsGuest(), needsDisk()],
    effects: [],
    prior: { ms: 50 },
  },
  {
    name: 'disk.break',
    summary: 'Makes a disk fail: every request ends with an I/O error. For rehearsing what is done about it.',
    args: { disk: DISK },
    does: node((args) => ({ primitive: 'disk.break', args: { name: textArg(args, 'disk') } })),
    outputs: {},
    timeoutMs: 10_000,
    undo: { how: 'nothing', because: 'a broken disk stays broken' },
    atomic: true,
    volatile: true,
    requires: [needsDisk()],
    effects: [],
    prior: { ms: 0 },
  },
  {
    name: 'disk.move',
    summary: 'Hands a disk with data over to the other guest.',
    args: {
      disk: DISK,
      from: { type: 'guest', summary: 'the guest that has it', required: true },
      to: { type: 'guest', summary: 'the guest that gets it', required: true },
      release: { type: 'list<string>', summary: 'command in from that ends what uses it, and flushes it', default: [] },
      accept: { type: 'list<string>', summary: 'command in to that takes it into use', default: [] },
    },
    does: node((args) => moveDisk(args, 'from', 'to')),
    outputs: {
      releaseMs: { type: 'double', summary: 'how long ending its use and flushing it took' },
      moveMs: { type: 'double', summary: 'how long handing it over took' },
      acceptMs: { type: 'double', summary: 'how long mounting, recovering and starting took' },
    },
    timeoutMs: 60_000,
    undo: { how: 'default', uses: 'disk.move', call: (args) => moveDisk(args, 'to', 'from') },
    atomic: false,
    volatile: true,
    requires: [needsRunning('from'), needsRunning('to'), needsDisk()],
    effects: [clears('checked:{to}')],
    prior: { ms: 500, downtimeMs: 500 },
  },
  {
    name: 'device.move',
    summary: 'Gives a device to the other guest.',
    args: {
      device: {
        type: 'name',
        summary: 'the guest it was made for and its kind, e.g. old.net',
        required: true,
        pattern: { source: '^(old|new)\\.[a-z][a-z0-9-]*$', means: 'old.<kind> or new.<kind>, e.g. old.net' },
      },
      to: { type: 'guest', summary: 'the guest that gets it', required: true },
    },
    does: node((args) => ({
      primitive: 'device.move',
      args: { device: textArg(args, 'device'), to: guestArg(args, 'to') },
    })),
    outputs: { from: { type: 'string', summary: 'the guest that had it' } },
    timeoutMs: 30_000,
    undo: {
      how: 'default',
      uses: 'device.move',
      call: (args, result) => ({
        primitive: 'device.move',
        args: {
          device: textArg(args, 'device'),
          to: result ? guestArg(result, 'from') : guestArg(args, 'to') === 'old' ? 'new' : 'old',
        },
      }),
    },
    atomic: true,
    volatile: true,
    requires: [
      needsVirtualized,
      needsGuest('to'),
      {
        fact: 'owns:{to}:{device}',
        is: false,
        code: 'MV0312',
        message: 'expected a device of the other guest, but {to} owns {device} already',
        hint: 'a device can be moved by and to whoever does not own it',
      },
    ],
    effects: [sets('owns:{to}:{device}'), clears('owns:{not-to}:{device}')],
    prior: { ms: 20 },
  },
];
