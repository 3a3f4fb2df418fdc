/** The steps that change CSRs of a hart: where traps go, and which. */
import { CSR, EXCEPTION, INTERRUPT, MSTATUS } from '../../firmware/index.ts';
import { TIMER_OFF } from '../hart-timer.ts';
import { mtimecmpRegister } from '../machine-state.ts';
import { bareValue, type ReversibleStep, setCsrBits, setCsrChecked } from './step.ts';

const bit = (exception: number): bigint => 1n << BigInt(exception);

/**
 * Exceptions M-mode takes over: access faults, to tell a foreign slot from an error, and illegal instructions, among
 * which is a `wfi` under mstatus.TW.
 */
const TAKEN_EXCEPTIONS =
  bit(EXCEPTION.instructionAccessFault) |
  bit(EXCEPTION.illegalInstruction) |
  bit(EXCEPTION.loadAccessFault) |
  bit(EXCEPTION.storeAccessFault);

/** Traps to M-mode enter the Microvisor. */
export const trapVectorStep: ReversibleStep = {
  name: 'trap-vector',
  scope: 'hart',
  apply: ({ hart, entry }) => setCsrChecked(hart, CSR.mtvec, BigInt(entry)),
  revert: (context) => context.hart.setCsr(CSR.mtvec, bareValue(context, 'mtvec')),
};

/** A guest that waits gives the hart away. */
export const waitStep: ReversibleStep = {
  name: 'wait',
  scope: 'hart',
  apply: ({ hart }) => setCsrBits(hart, CSR.mstatus, MSTATUS.TW, MSTATUS.TW),
  revert: (context) => setCsrBits(context.hart, CSR.mstatus, MSTATUS.TW, bareValue(context, 'mstatus')),
};

export const delegationStep: ReversibleStep = {
  name: 'delegation',
  scope: 'hart',
  apply: ({ hart }) => setCsrBits(hart, CSR.medeleg, TAKEN_EXCEPTIONS, 0n),
  revert: (context) => context.hart.setCsr(CSR.medeleg, bareValue(context, 'medeleg')),
};

/** The M-mode timer wakes the guest that waits; its own stimecmp wakes the one that runs. */
export const timerStep: ReversibleStep = {
  name: 'timer',
  scope: 'hart',
  apply({ hart }) {
    hart.store(mtimecmpRegister(hart.hartId), 8, TIMER_OFF);
    setCsrBits(hart, CSR.mie, INTERRUPT.MTI, INTERRUPT.MTI);
  },
  revert(context) {
    const { hart } = context;
    setCsrBits(hart, CSR.mie, INTERRUPT.M, bareValue(context, 'mie'));
    hart.store(mtimecmpRegister(hart.hartId), 8, bareValue(context, 'mtimecmp'));
  },
};
