// Harts are given up and taken up by the OS itself, by CPU hot-plug. On a node with one hart there is nothing to do.
import { clears, needsRunning, needsVirtualized, sets } from './requirements.ts';
import { forGuest, GUEST, guestArg, LEAVES_DOWN, node, type StepKind, undoneBy } from './step-kind.ts';

const HARTS_MAX = 3;

export const CPU_STEPS: readonly StepKind[] = [
  {
    name: 'cpu.give-up',
    summary:
      'The guest takes harts offline and gives them up, whole; on a node with one hart it keeps it and shares it.',
    args: {
      guest: GUEST,
      harts: { type: 'int', summary: 'how many; none gives up half of them', min: 1, max: HARTS_MAX },
      takesOver: LEAVES_DOWN,
    },
    does: node('cpu.give-up', (args) => ({
      guest: guestArg(args),
      harts: typeof args['harts'] === 'number' ? args['harts'] : null,
      takesOver: args['takesOver'] === true,
    })),
    outputs: { harts: { type: 'json', summary: 'ids of the harts that no guest has now' } },
    timeoutMs: 60_000,
    undo: undoneBy('cpu.take-up', forGuest),
    atomic: false,
    volatile: true,
    requires: [needsVirtualized, needsRunning()],
    effects: [sets('harts-offline')],
    prior: { ms: 100 },
  },
  {
    name: 'cpu.take-up',
    summary: 'The guest takes every hart that no guest has, and brings all it has online.',
    args: { guest: GUEST },
    does: node('cpu.take-up', forGuest),
    outputs: { harts: { type: 'json', summary: 'ids of all harts the guest has now' } },
    timeoutMs: 60_000,
    undo: undoneBy('cpu.give-up', (args) => ({ guest: guestArg(args), harts: null, takesOver: false })),
    atomic: false,
    volatile: true,
    requires: [needsRunning()],
    effects: [clears('harts-offline')],
    prior: { ms: 100 },
  },
];
