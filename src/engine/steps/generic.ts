// Steps that ask nothing of the node but its time.
import { NO_ARGS, type StepKind } from './step-kind.ts';

const LOOKS_ONLY: Pick<StepKind, 'undo' | 'atomic' | 'volatile' | 'requires' | 'effects'> = {
  undo: { how: 'nothing', because: 'it changes nothing' },
  atomic: true,
  volatile: true,
  requires: [],
  effects: [],
};

export const GENERIC_STEPS: readonly StepKind[] = [
  {
    name: 'assert',
    summary: 'Fails unless the condition holds.',
    args: {
      that: { type: 'expression', summary: 'the condition', required: true },
      message: { type: 'string', summary: 'what to say when it does not hold', default: '' },
    },
    does: { by: 'assert' },
    outputs: {},
    timeoutMs: 1_000,
    ...LOOKS_ONLY,
    prior: { ms: 0 },
  },
  {
    name: 'pause',
    summary: 'Lets node time pass, for instance to soak.',
    args: { for: { type: 'duration', summary: 'how long', required: true } },
    does: { by: 'pause' },
    outputs: {},
    timeoutMs: 1_000,
    ...LOOKS_ONLY,
    prior: { ms: 0 },
  },
  {
    name: 'set',
    summary: 'Gives values names, with `outputs`.',
    args: NO_ARGS,
    does: { by: 'set' },
    outputs: {},
    timeoutMs: 1_000,
    ...LOOKS_ONLY,
    prior: { ms: 0 },
  },
];
