/** The only switch on the cause of a trap. */
import { CAUSE_INTERRUPT, CSR, EXCEPTION, INTERRUPT_CODE, serveSbi, WFI_INSTRUCTION } from '../firmware/index.ts';
import type { MachineModeHart } from '../machine/index.ts';
import { serveAbsentDevice } from './absent-device.ts';
import type { Guest } from './guest.ts';
import type { ExitCause } from './guest-account.ts';
import { cameFromSupervisor } from './guest-memory.ts';
import { injectException } from './inject.ts';
import { hex } from './partition.ts';
import { fallAsleep } from './sleep.ts';
import type { VirtualHart } from './virtual-hart.ts';
import type { Virtualized } from './virtualized.ts';

/** What becomes of the hart the trap came from, and of its guest. */
export type TrapOutcome = 'continues' | 'waits' | 'hart-stopped' | 'shut-down' | 'reboots';

/** Serves the trap `virtual` is in, all but the choice of who runs next. Counts it in the guest's account. */
export function handleTrap(hart: MachineModeHart, node: Virtualized, virtual: VirtualHart): TrapOutcome {
  const { guest } = virtual;
  const cause = BigInt.asUintN(64, hart.csr(CSR.mcause));
  if ((cause & CAUSE_INTERRUPT) !== 0n) return handleInterrupt(guest, Number(cause & ~CAUSE_INTERRUPT));
  switch (Number(cause)) {
    case EXCEPTION.ecallFromS:
      guest.account.exit('sbi');
      return handleSbi(hart, node, virtual);
    case EXCEPTION.illegalInstruction:
      if (isWait(hart)) {
        guest.account.exit('wfi');
        virtual.wait = { kind: 'wfi' };
        return 'waits';
      }
      return handOn(hart, guest, 'illegal-instruction');
    case EXCEPTION.loadAccessFault:
    case EXCEPTION.storeAccessFault:
      if (serveAbsentDevice(hart, node.partition, guest)) {
        guest.account.exit('absent-device');
        return 'continues';
      }
      return handOn(hart, guest, 'access-fault');
    case EXCEPTION.instructionAccessFault:
      return handOn(hart, guest, 'access-fault');
    default:
      throw new Error(`M-mode trap with cause ${hex(cause)} at ${hex(hart.csr(CSR.mepc))}, which is delegated`);
  }
}

function handOn(hart: MachineModeHart, guest: Guest, cause: ExitCause): TrapOutcome {
  guest.account.exit(cause);
  injectException(hart);
  return 'continues';
}

/** M-mode's interrupts say that something has to be looked at; what, is looked at after every trap. */
function handleInterrupt(guest: Guest, code: number): TrapOutcome {
  switch (code) {
    case INTERRUPT_CODE.MTI:
      guest.account.exit('timer');
      return 'continues';
    case INTERRUPT_CODE.MEI:
      guest.account.exit('external');
      return 'continues';
    case INTERRUPT_CODE.MSI:
      guest.account.exit('software');
      return 'continues';
    default:
      throw new Error(`M-mode interrupt ${code}, which is not enabled`);
  }
}

/** A `wfi` in S-mode under mstatus.TW; in U-mode it is an illegal instruction. */
const isWait = (hart: MachineModeHart): boolean => hart.csr(CSR.mtval) === WFI_INSTRUCTION && cameFromSupervisor(hart);

function handleSbi(hart: MachineModeHart, node: Virtualized, virtual: VirtualHart): TrapOutcome {
  const { guest } = virtual;
  const outcome = serveSbi(hart, guest.sbi);
  switch (outcome.kind) {
    case 'return':
      return 'continues';
    case 'wait':
      if (outcome.until()) return 'continues';
      virtual.wait = { kind: 'sbi', until: outcome.until };
      return 'waits';
    case 'suspend':
      virtual.wait = { kind: 'suspend' };
      return 'waits';
    case 'hart-stopped':
      // The last one has no other that could start it again.
      return guest.sbi.harts.started().length === 0 ? 'shut-down' : 'hart-stopped';
    case 'guest-shutdown':
      return 'shut-down';
    case 'guest-reboot':
      return 'reboots';
    case 'guest-suspend':
      fallAsleep(hart, node, virtual, outcome.resume);
      return 'hart-stopped';
  }
}
