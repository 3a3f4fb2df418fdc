/** The steps that change CSRs of a hart: where traps go, and which. */
import { CSR, EXCEPTION, INTERRUPT, MSTATUS } from '../../firmware/index.ts';
import { TIMER_OFF } from '../hart-timer.ts';
import { mtimecmpRegister } from '../machine-state.ts';
import { bareValue, type ReversibleStep, setCsrBits, setCsrChecked } from './step.ts';

const bit = (exception: number): bigint => 1n << BigInt(exception);

/** Exceptions M-mode takes over: access faults, to tell a foreign slot from an error. */
const TAKEN_EXCEPTIONS =
  bit(EXCEPTION.instructionAccessFault) | bit(EXCEPTION.loadAccessFault) | bit(EXCEPTION.storeAccessFault);

/** Traps to M-mode enter the Microvisor. */
export const trapVectorStep: ReversibleStep = {
  name: 'trap-vector',
  scope: 'hart',
  apply: ({ hart, entry }) => setCsrChecked(hart, CSR.mtvec, BigInt(entry)),
  revert: (context) => context.hart.setCsr(CSR.mtvec, bareValue(context, 'mtvec')),
};

/** A `wfi` is M-mode's as well while two guests share the hart (wait-trap.ts), not while one is alone. */
export const delegationStep: ReversibleStep = {
  name: 'delegation',
  scope: 'hart',
  apply: ({ hart }) => setCsrBits(hart, CSR.medeleg, TAKEN_EXCEPTIONS, 0n),
  revert(context) {
    context.hart.setCsr(CSR.medeleg, bareValue(context, 'medeleg'));
    setCsrBits(context.hart, CSR.mstatus, MSTATUS.TW, bareValue(context, 'mstatus'));
  },
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
