import { describe, expect, it } from 'vitest';
import { applyBareBoard, applyBareCsrs, bareState, CSR } from '../../src/firmware/index.ts';
import { MEMORY_BLOCK_BYTES, memoryMap, type Side } from '../../src/machine/index.ts';
import { expectedBareState } from '../../src/microvisor/bare-expectation.ts';
import { CAPTURED_CSRS, captureMachineState, differences } from '../../src/microvisor/machine-state.ts';
import { soleOwner } from '../../src/microvisor/partition.ts';
import { VIRTUALIZE_STEPS } from '../../src/microvisor/steps/index.ts';
import { applySteps, type ReversibleStep, revertSteps, type StepContext } from '../../src/microvisor/steps/step.ts';
import { FakeHart } from './fake-hart.ts';

const MAP = memoryMap(2 * MEMORY_BLOCK_BYTES);
const ENTRY = 0x8010_0000;

/** A hart as the firmware leaves it when it has booted `side`. */
function bareHart(side: Side): FakeHart {
  const hart = new FakeHart(CAPTURED_CSRS.map(({ address }) => [address, 0n] as const));
  const bare = bareState(side, MAP);
  applyBareCsrs(hart, bare);
  applyBareBoard(hart, bare, [0]);
  return hart;
}

function contextOf(hart: FakeHart, side: Side): StepContext {
  const bare = expectedBareState(captureMachineState(hart), MAP, side, [0]);
  return { hart, side, partition: soleOwner(MAP, side), bare, entry: ENTRY };
}

describe('the steps of virtualize', () => {
  it('change what M-mode owns', () => {
    const hart = bareHart('A');
    const before = captureMachineState(hart);
    applySteps(VIRTUALIZE_STEPS, contextOf(hart, 'A'));
    const changed = differences(before, captureMachineState(hart)).map(({ name }) => name);
    expect(changed).toEqual(expect.arrayContaining(['mtvec', 'medeleg', 'mie', 'pmpcfg0', 'pmpcfg2']));
    expect(hart.csr(CSR.mtvec)).toBe(BigInt(ENTRY));
  });

  it.each(['A', 'B'] as const)(
    'reverted leave the state of a bare side %s, whichever side they were applied on',
    (side) => {
      const hart = bareHart('A');
      const expected = captureMachineState(bareHart(side));
      applySteps(VIRTUALIZE_STEPS, contextOf(hart, 'A'));
      revertSteps(VIRTUALIZE_STEPS, contextOf(hart, side));
      expect(differences(expected, captureMachineState(hart))).toEqual([]);
    },
  );

  it.each(VIRTUALIZE_STEPS.map((step, index) => ({ name: step.name, index })))(
    'are undone when "$name" fails half-way',
    ({ index }) => {
      const hart = bareHart('A');
      const before = captureMachineState(hart);
      const failing = VIRTUALIZE_STEPS.map((step, at): ReversibleStep => (at === index ? failHalfWay(step) : step));
      expect(() => applySteps(failing, contextOf(hart, 'A'))).toThrow(/reverted/);
      expect(differences(before, captureMachineState(hart))).toEqual([]);
    },
  );

  it.each([
    ['trap-vector', CSR.mtvec],
    ['delegation', CSR.medeleg],
    ['memory', CSR.pmpcfg0],
    ['timer', CSR.mie],
  ])('notice that the hart does not take what "%s" writes, and are undone', (name, csr) => {
    const hart = bareHart('A');
    const before = captureMachineState(hart);
    hart.stuck.add(csr);
    expect(() => applySteps(VIRTUALIZE_STEPS, contextOf(hart, 'A'))).toThrow(`step '${name}'`);
    expect(differences(before, captureMachineState(hart))).toEqual([]);
  });

  it.each(VIRTUALIZE_STEPS.map((step, index) => ({ name: step.name, index })))(
    'leave a difference that is found when "$name" is not reverted',
    ({ index }) => {
      const hart = bareHart('A');
      const before = captureMachineState(hart);
      applySteps(VIRTUALIZE_STEPS, contextOf(hart, 'A'));
      // The steps of a sole guest change nothing of DMA and steering: what a revert would have to undo is put there.
      hart.store(0x0210_1000, 8, 0x1000n);
      hart.store(0x0210_0000, 4, 2n);
      revertSteps(
        VIRTUALIZE_STEPS.filter((_, at) => at !== index),
        contextOf(hart, 'A'),
      );
      expect(differences(before, captureMachineState(hart))).not.toEqual([]);
    },
  );
});

/** Applies the step and then fails, as one whose last write does not take. */
function failHalfWay(step: ReversibleStep): ReversibleStep {
  return {
    ...step,
    apply(context) {
      step.apply(context);
      throw new Error('injected');
    },
  };
}
