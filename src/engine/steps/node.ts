// The node as a whole.
import { clears, needsBare, sets } from './requirements.ts';
import { forGuest, NO_ARGS, node, type StepKind } from './step-kind.ts';

/** Name of the step kind that is the point of no return. */
export const COMMIT = 'commit';

export const NODE_STEPS: readonly StepKind[] = [
  {
    name: COMMIT,
    summary: 'The point of no return: before it a failure goes back to the old OS, after it only forward.',
    args: { guest: { type: 'guest', summary: 'the OS that the node boots from now on', required: true } },
    does: node('node.commit', forGuest),
    outputs: {},
    timeoutMs: 30_000,
    undo: { how: 'nothing', because: 'nothing is undone after it' },
    atomic: true,
    volatile: false,
    requires: [
      {
        fact: 'serves:{guest}',
        is: true,
        code: 'MV0332',
        message: 'expected {guest} to have the service before the commit',
        hint: 'service.cut-over has to come before',
      },
      {
        fact: 'checked:{guest}',
        is: true,
        code: 'MV0332',
        message: 'expected a check of the service between its last change and the commit',
        hint: 'add a step service.check or probe before the commit',
      },
    ],
    effects: [sets('committed')],
    prior: { ms: 5 },
  },
  {
    name: 'node.boot',
    summary: 'Sees to it that the committed OS runs on the bare node; boots it if the node is off.',
    args: NO_ARGS,
    does: node('node.boot', () => ({})),
    outputs: { booted: { type: 'bool', summary: 'whether it had to be booted' } },
    timeoutMs: 300_000,
    undo: { how: 'nothing', because: 'the OS is meant to run' },
    atomic: true,
    volatile: true,
    requires: [needsBare],
    effects: [clears('checked:old')],
    prior: { ms: 10 },
  },
];
