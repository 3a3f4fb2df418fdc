/**
 * The ways into S-mode and out of it that an OS takes most often, in generated code: a system call and `sret`. What is
 * not so simple is left to the control plane. Source: [Priv] "Trap Handling", "Supervisor Trap Vector Base Address".
 */
import { choose, type Expr, i32, i64, type Local, type Stmt, seq, when } from '../wasm/code.ts';
import { csrOffset, dataBankOffset, fetchBankOffset, TLB_CLASS } from './layout.ts';
import { MSTATUS, SPP_SHIFT } from './mstatus.ts';
import type { StateAccess } from './state-access.ts';
import { CAUSE } from './trap-cause.ts';

export const WORD = { ecall: 0x0000_0073, sret: 0x1020_0073 } as const;

const USER = 0;
const SUPERVISOR = 1;
/** From SIE to SPIE. */
const PREVIOUS_SHIFT = 4;
const VECTOR_MODE = 3;
if (MSTATUS.SIE << PREVIOUS_SHIFT !== MSTATUS.SPIE) throw new Error('SPIE lies four bits above SIE');

export interface SupervisorTrapContext {
  readonly state: StateAccess;
  readonly scratch: (type: 'i32', index: number) => Local<'i32'>;
  readonly dataBank: Local<'i32'>;
  readonly fetchBank: Local<'i32'>;
  readonly budget: Expr<'i32'>;
  /** Of the instruction. */
  readonly pc: Expr<'i64'>;
  /** Ends this instruction and goes on at an address. */
  readonly goTo: (target: Expr<'i64'>) => Stmt;
  /** As `goTo`, but this instruction does not retire. */
  readonly trapTo: (target: Expr<'i64'>) => Stmt;
  /** Leaves the handler: the control plane executes the instruction. */
  readonly slow: Stmt;
}

const ZERO = i32.const(0);
const csr = ({ state }: SupervisorTrapContext, name: 'sepc' | 'stvec' | 'medeleg'): Expr<'i64'> =>
  i64.load(ZERO, state.base + csrOffset(name));
const setCsr = ({ state }: SupervisorTrapContext, name: 'sepc' | 'scause' | 'stval', value: Expr<'i64'>): Stmt =>
  i64.store(ZERO, value, state.base + csrOffset(name));

/** mstatus and privilege, and the TLB banks that go with them. */
function enterMode(c: SupervisorTrapContext, status: Expr<'i32'>, privilege: Local<'i32'>): Stmt {
  const { state, dataBank, fetchBank } = c;
  const context = state.load32('tlbContext');
  const supervisorBank = choose(
    i32.and(status, i32.const(MSTATUS.SUM)),
    i32.const(dataBankOffset(TLB_CLASS.supervisorUserMemory)),
    i32.const(dataBankOffset(TLB_CLASS.supervisor)),
  );
  const dataOffset = choose(privilege.get, supervisorBank, i32.const(dataBankOffset(TLB_CLASS.user)));
  const fetchOffset = choose(
    privilege.get,
    i32.const(fetchBankOffset(TLB_CLASS.supervisor)),
    i32.const(fetchBankOffset(TLB_CLASS.user)),
  );
  return seq(
    state.store32('mstatus', status),
    state.store32('privilege', privilege.get),
    dataBank.set(i32.add(context, dataOffset)),
    state.store32('dataBank', dataBank.get),
    fetchBank.set(i32.add(context, fetchOffset)),
    state.store32('fetchBank', fetchBank.get),
  );
}

export function supervisorReturn(c: SupervisorTrapContext): Stmt {
  const { state, scratch, slow } = c;
  const status = scratch('i32', 1);
  const privilege = scratch('i32', 2);
  const isSlow = i32.or(
    i32.ne(state.load32('privilege'), i32.const(SUPERVISOR)),
    // An interrupt may be taken once the mode is another.
    i32.or(i32.and(status.get, i32.const(MSTATUS.TSR)), state.load32('interruptsPending')),
  );
  return seq(
    status.set(state.load32('mstatus')),
    when(isSlow, slow, undefined, 'unlikely'),
    privilege.set(i32.and(i32.shr_u(status.get, i32.const(SPP_SHIFT)), i32.const(1))),
    status.set(
      i32.or(
        i32.and(status.get, i32.const(~(MSTATUS.SIE | MSTATUS.SPIE | MSTATUS.SPP | MSTATUS.MPRV))),
        i32.or(
          i32.const(MSTATUS.SPIE),
          i32.and(i32.shr_u(status.get, i32.const(PREVIOUS_SHIFT)), i32.const(MSTATUS.SIE)),
        ),
      ),
    ),
    enterMode(c, status.get, privilege),
    c.goTo(csr(c, 'sepc')),
  );
}

/** `ecall` in U-mode where medeleg gives it to S-mode. */
export function callFromUser(c: SupervisorTrapContext): Stmt {
  const { state, scratch, slow } = c;
  const status = scratch('i32', 1);
  const privilege = scratch('i32', 2);
  const isDelegated = i32.and(i32.wrap(csr(c, 'medeleg')), i32.const(1 << CAUSE.ecallFromUser));
  // With a budget of one the run may have to end before the handler's first instruction.
  const isSlow = i32.or(
    i32.ne(state.load32('privilege'), i32.const(USER)),
    i32.or(i32.eqz(isDelegated), i32.le_s(c.budget, i32.const(1))),
  );
  return seq(
    when(isSlow, slow, undefined, 'unlikely'),
    setCsr(c, 'sepc', c.pc),
    setCsr(c, 'scause', i64.const(CAUSE.ecallFromUser)),
    setCsr(c, 'stval', i64.const(0)),
    status.set(state.load32('mstatus')),
    status.set(
      i32.or(
        i32.and(status.get, i32.const(~(MSTATUS.SIE | MSTATUS.SPIE | MSTATUS.SPP))),
        i32.shl(i32.and(status.get, i32.const(MSTATUS.SIE)), i32.const(PREVIOUS_SHIFT)),
      ),
    ),
    privilege.set(i32.const(SUPERVISOR)),
    enterMode(c, status.get, privilege),
    c.trapTo(i64.and(csr(c, 'stvec'), i64.const(~VECTOR_MODE))),
  );
}
