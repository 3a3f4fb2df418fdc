/** virtualize in order; devirtualize is the list backwards. */
import { delegationStep, timerStep, trapVectorStep } from './cpu-steps.ts';
import { dmaStep, interruptStep, memoryStep } from './partition-steps.ts';
import type { ReversibleStep } from './step.ts';

export const VIRTUALIZE_STEPS: readonly ReversibleStep[] = [
  trapVectorStep,
  delegationStep,
  memoryStep,
  dmaStep,
  timerStep,
  interruptStep,
];
