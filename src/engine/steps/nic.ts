// Network cards that are put in and taken out while the OS runs.
import { needsRunning } from './requirements.ts';
import { forGuest, GUEST, guestArg, node, type StepKind, textArg, undoneBy } from './step-kind.ts';

const NAME = { type: 'name', summary: 'name of the card', required: true } as const;

export const NIC_STEPS: readonly StepKind[] = [
  {
    name: 'nic.attach',
    summary: 'Puts a network card into a guest that runs.',
    args: { guest: GUEST, nic: NAME },
    does: node('nic.attach', (args) => ({ guest: guestArg(args), name: textArg(args, 'nic') })),
    outputs: { interface: { type: 'string', summary: 'its name in the guest, e.g. eth1' } },
    timeoutMs: 30_000,
    undo: undoneBy('nic.detach', (args) => ({ guest: guestArg(args), name: textArg(args, 'nic') })),
    atomic: false,
    volatile: true,
    requires: [needsRunning()],
    effects: [],
    prior: { ms: 50, spread: 0.05 },
  },
  {
    name: 'nic.detach',
    summary: 'Takes a network card out of a guest again.',
    args: { guest: GUEST, nic: NAME },
    does: node('nic.detach', (args) => ({ guest: guestArg(args), name: textArg(args, 'nic') })),
    outputs: {},
    timeoutMs: 30_000,
    undo: { how: 'ask' },
    atomic: false,
    volatile: true,
    requires: [needsRunning()],
    effects: [],
    prior: { ms: 50, spread: 0.05 },
  },
  {
    name: 'nic.replace',
    summary: "Swaps a guest's own network card for another one; its addresses must have moved elsewhere before.",
    args: { guest: GUEST },
    does: node('nic.replace', forGuest),
    outputs: {
      interface: { type: 'string', summary: 'its name in the guest, e.g. eth0' },
      mac: { type: 'string', summary: 'hardware address of the new card' },
    },
    timeoutMs: 30_000,
    undo: { how: 'nothing', because: 'the new card does what the old one did' },
    atomic: false,
    volatile: true,
    requires: [needsRunning()],
    effects: [],
    prior: { ms: 50, spread: 0.05 },
  },
];
