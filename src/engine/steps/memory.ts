// Memory is given up and taken up by the OS itself, a whole bank at a time.
import { clears, needsRunning, needsVirtualized, sets } from './requirements.ts';
import { forGuest, GUEST, guestArg, LEAVES_DOWN, leavesNothing, node, type StepKind, undoneBy } from './step-kind.ts';

export const MEMORY_STEPS: readonly StepKind[] = [
  {
    name: 'memory.give-up',
    summary: 'The guest takes the second bank offline and gives it up.',
    args: { guest: GUEST, takesOver: LEAVES_DOWN },
    does: node('memory.give-up', (args) => ({ guest: guestArg(args), takesOver: args['takesOver'] === true })),
    outputs: { bytes: { type: 'int', summary: 'bytes given up' } },
    timeoutMs: 120_000,
    undo: undoneBy('memory.take-up', forGuest),
    atomic: false,
    volatile: true,
    requires: [
      needsVirtualized,
      needsRunning(),
      {
        fact: 'bank-free',
        is: false,
        code: 'MV0309',
        message: 'expected memory to give up, but it was given up already',
        hint: 'remove one of the two steps',
      },
    ],
    effects: [sets('bank-free')],
    // Rounds of a tenth of a second, and a page in use can fail any of them.
    prior: { ms: 3_000, spread: 0.05 },
  },
  {
    name: 'memory.take-up',
    summary: 'The guest takes up the bank that no guest owns.',
    args: { guest: GUEST },
    does: node('memory.take-up', forGuest),
    outputs: { bytes: { type: 'int', summary: 'bytes taken up' } },
    timeoutMs: 120_000,
    undo: undoneBy('memory.give-up', (args) => ({ ...forGuest(args), takesOver: false })),
    atomic: false,
    volatile: true,
    requires: [
      needsRunning(),
      {
        fact: 'bank-free',
        is: true,
        code: 'MV0315',
        message: 'expected memory that no guest owns, but every bank has an owner at this point',
        hint: 'a bank is free after memory.give-up or vm.destroy',
      },
    ],
    effects: [clears('bank-free')],
    prior: { ms: 2_000 },
  },
  {
    name: 'memory.replace',
    summary: 'Takes the module of the bank that no guest owns out of the node and puts another one in.',
    args: {},
    does: node('memory.replace', () => ({})),
    outputs: { bytes: { type: 'int', summary: 'bytes of the bank' } },
    timeoutMs: 30_000,
    ...leavesNothing('nobody had anything there'),
    requires: [
      needsVirtualized,
      {
        fact: 'bank-free',
        is: true,
        code: 'MV0316',
        message: 'expected memory that no guest owns, but every bank has an owner at this point',
        hint: 'a bank is free after memory.give-up or vm.destroy',
      },
    ],
    prior: { ms: 1 },
  },
];
