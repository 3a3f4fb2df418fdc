// Steps that slip the Microvisor beneath the running OS and take it out again.
import { clears, needsBare, needsVirtualized, sets } from './requirements.ts';
import { LOOKS_ONLY, NO_ARGS, node, numberArg, type StepKind, textArg, undoneBy } from './step-kind.ts';

export const MICROVISOR_STEPS: readonly StepKind[] = [
  {
    name: 'microvisor.virtualize',
    summary: 'Slips the Microvisor under the running OS.',
    args: NO_ARGS,
    does: node('microvisor.virtualize', () => ({})),
    outputs: {
      switchNs: { type: 'int', summary: 'node time of the switch, in nanoseconds' },
      pauseNs: { type: 'int', summary: 'the longest the OS stood still, in nanoseconds' },
    },
    timeoutMs: 10_000,
    undo: undoneBy('microvisor.devirtualize', () => ({})),
    atomic: true,
    volatile: true,
    requires: [needsBare],
    effects: [sets('virtualized')],
    prior: { ms: 1, spread: 0.05 },
  },
  {
    name: 'microvisor.devirtualize',
    summary: 'Takes the Microvisor out again; one guest must be left.',
    args: NO_ARGS,
    does: node('microvisor.devirtualize', () => ({})),
    outputs: {
      switchNs: { type: 'int', summary: 'node time of the switch, in nanoseconds' },
      pauseNs: { type: 'int', summary: 'the longest the OS stood still, in nanoseconds' },
      stateIdentical: { type: 'bool', summary: 'CSRs and PMP entries are what they were before virtualize' },
      differences: { type: 'list<string>', summary: 'the registers that are not' },
    },
    timeoutMs: 10_000,
    undo: undoneBy('microvisor.virtualize', () => ({})),
    atomic: true,
    volatile: true,
    requires: [
      needsVirtualized,
      {
        fact: 'two-guests',
        is: false,
        code: 'MV0313',
        message: 'expected one guest, but two exist at this point',
        hint: 'vm.destroy the one that does not have the service before',
      },
      {
        fact: 'harts-offline',
        is: false,
        code: 'MV0317',
        message: 'expected every hart to be online, but some were given up and not taken up by this point',
        hint: 'let the guest that stays take them up before: cpu.take-up',
      },
    ],
    effects: [clears('virtualized')],
    prior: { ms: 1, spread: 0.05 },
  },
  {
    name: 'microvisor.replace',
    summary:
      'Another release of the Microvisor takes the node over from the one in charge, beneath whatever runs on it.',
    args: { release: { type: 'string', summary: 'name of the release, e.g. 1.1', required: true } },
    does: node('microvisor.replace', (args) => ({ release: textArg(args, 'release') })),
    outputs: {
      switchNs: { type: 'int', summary: 'node time of the switch, in nanoseconds' },
      pauseNs: { type: 'int', summary: 'the longest a guest stood still, in nanoseconds' },
      before: { type: 'string', summary: 'the release that was in charge' },
      after: { type: 'string', summary: 'the release that is in charge' },
    },
    timeoutMs: 10_000,
    // Of an attempt that nothing is known of, nothing is known to take back: it is in charge as a whole, or not at all.
    undo: undoneBy('microvisor.replace', (args, result) => ({
      release: result === undefined ? textArg(args, 'release') : textArg(result, 'before'),
    })),
    atomic: true,
    volatile: true,
    requires: [],
    effects: [],
    prior: { ms: 1, spread: 0.05 },
  },
  {
    name: 'microvisor.audit',
    summary: 'Watches the bare node and compares its M-mode entries with those of one that never was virtualized.',
    args: { duration: { type: 'duration', summary: 'how long to watch, in node time', default: '1s' } },
    does: node('microvisor.audit', (args) => ({ durationMs: numberArg(args, 'duration') })),
    outputs: {
      bareTrapsExtra: { type: 'int', summary: 'entries that a never-virtualized node would not have had' },
      stateIdentical: { type: 'bool', summary: 'CSRs and PMP entries are what they were before virtualize' },
    },
    timeoutMs: 120_000,
    ...LOOKS_ONLY,
    requires: [needsBare],
    // Paced by the clock.
    prior: { ms: 1_000, spread: 0.0001 },
  },
];
