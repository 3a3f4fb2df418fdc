/**
 * One hart while the node is virtualized: which guest is in it, and what happens between a trap and `mret`.
 *
 * Invariants:
 * 1. At `mret` the PMP, the S-mode state and SEIP are those of one guest that can run.
 * 2. A guest that is in no hart has its state in `context`, and only there.
 * 3. Whatever can make another guest runnable raises an M-mode interrupt, or is looked at when the running one waits.
 */
import { COSTS, POWER, STEER, setPower } from '../firmware/index.ts';
import type { PmpEntry } from '../firmware/pmp.ts';
import type { MachineModeEntry, MachineModeReturn, Side } from '../machine/index.ts';
import { abandonBoot, beginBoot, continueBoot } from './boot.ts';
import { MICROVISOR_COSTS } from './cost-table.ts';
import { CSR } from './csr.ts';
import { expectedVirtualizedState } from './drift.ts';
import type { Guest } from './guest.ts';
import { clearContext, restoreContext, saveContext } from './hart-context.ts';
import { HartTimer } from './hart-timer.ts';
import type { MachineState } from './machine-state.ts';
import type { MeteredHart } from './metered-hart.ts';
import { otherSide } from './partition.ts';
import { pmpForPartition } from './pmp-plan.ts';
import { writePmpPlan } from './pmp-write.ts';
import { quiesceDevices } from './quiesce.ts';
import { type Decision, decide } from './scheduler.ts';
import { Steering } from './steering.ts';
import { handleTrap } from './traps.ts';
import { aliveGuests, ticksNow, type Virtualized } from './virtualized.ts';
import { endWait, hasInterrupt, hasInterruptInHart, heedsPlic, timerOf } from './wake.ts';

export class HartMonitor {
  readonly #node: Virtualized;
  readonly #steering: Steering;
  readonly #timer = new HartTimer();
  /** Whose state the hart holds. */
  #loaded: Guest | undefined;
  #pmp: readonly PmpEntry[];
  /** What the hart did since M-mode was left, and when that was. */
  #last: { readonly decision: Decision; readonly ticks: number };
  /** minstret when a guest was entered. */
  #instret: bigint;
  /** Cycles spent when M-mode work was last booked to a guest. */
  #booked = 0;

  /** The hart runs `guest`, and is in M-mode to be virtualized. */
  constructor(hart: MeteredHart, node: Virtualized, guest: Guest) {
    this.#node = node;
    this.#steering = new Steering(guest.side);
    this.#loaded = guest;
    this.#pmp = pmpForPartition(node.partition, guest.side);
    this.#last = { decision: { run: guest.side, untilTicks: Number.POSITIVE_INFINITY }, ticks: ticksNow(hart) };
    this.#instret = hart.csr(CSR.minstret);
  }

  /** From a trap, or from the end of a `wfi`, up to the choice of who runs. */
  enter(hart: MeteredHart, why: MachineModeEntry): void {
    const now = ticksNow(hart);
    this.#settle(now);
    this.#booked = hart.spentCycles();
    if (why !== 'trap') return;
    hart.charge(COSTS.trapEntry);
    const guest = this.#loaded;
    if (guest === undefined) throw new Error('a trap from a guest, and no guest is in the hart');
    guest.account.instructions += Number(hart.csr(CSR.minstret) - this.#instret);
    guest.runnableSince = now;
    switch (handleTrap(hart, this.#node, guest)) {
      case 'continues':
        break;
      case 'waits':
        guest.runnableSince = undefined;
        break;
      case 'shut-down':
        this.stop(hart, guest);
        if (aliveGuests(this.#node).length === 0) setPower(hart, POWER.off);
        break;
      case 'reboots':
        this.stop(hart, guest);
        beginBoot(hart, this.#node, guest);
        break;
    }
  }

  /** Chooses who runs, puts it into the hart, and arms what will interrupt it. */
  leave(hart: MeteredHart): MachineModeReturn {
    const entered = this.#loaded;
    for (;;) {
      hart.charge(MICROVISOR_COSTS.schedule);
      const now = ticksNow(hart);
      const decision = decide(this.#node.production, this.#runnable(hart, now), this.#node.share, now);
      const guest = decision.run === null ? undefined : this.#node.guests.get(decision.run);
      if (guest?.phase.kind === 'booting') {
        this.#book(hart, entered);
        continueBoot(hart, guest);
        this.#book(hart, guest);
        if (this.#waits(guest) || !guest.isAlive) guest.runnableSince = undefined;
        else if (guest.phase.kind === 'booting') return this.#breathe(hart, decision);
        continue;
      }
      return guest === undefined ? this.#idle(hart, decision, entered) : this.#run(hart, decision, guest, entered);
    }
  }

  #run(hart: MeteredHart, decision: Decision, guest: Guest, entered: Guest | undefined): MachineModeReturn {
    this.load(hart, guest);
    this.#arm(hart, decision);
    hart.charge(COSTS.trapExit);
    this.#book(hart, entered ?? guest);
    const now = ticksNow(hart);
    guest.account.paused(now - (guest.runnableSince ?? now));
    guest.runnableSince = undefined;
    this.#last = { decision, ticks: now };
    this.#instret = hart.csr(CSR.minstret);
    return 'mret';
  }

  /** Production is put back while there is time, so that it is in the hart when it is woken. */
  #idle(hart: MeteredHart, decision: Decision, entered: Guest | undefined): MachineModeReturn {
    const production = this.#node.guests.get(this.#node.production);
    if (production?.context !== undefined) this.load(hart, production);
    this.#arm(hart, decision);
    this.#book(hart, entered);
    this.#last = { decision, ticks: ticksNow(hart) };
    return 'wfi';
  }

  /** Between two steps of a loader that has more to do: whatever is due meanwhile happens. */
  #breathe(hart: MeteredHart, decision: Decision): MachineModeReturn {
    this.#last = { decision, ticks: ticksNow(hart) };
    this.#timer.arm(hart, this.#last.ticks);
    return 'wfi';
  }

  #book(hart: MeteredHart, guest: Guest | undefined): void {
    if (guest !== undefined) guest.account.monitorCycles += hart.spentCycles() - this.#booked;
    this.#booked = hart.spentCycles();
  }

  /** The guest's state, PMP and interrupts into the hart, the other's out of it. */
  load(hart: MeteredHart, guest: Guest): void {
    if (this.#loaded === guest) return;
    if (this.#loaded !== undefined) {
      this.#loaded.context = saveContext(hart);
      this.#steering.set(hart, this.#loaded.side, STEER.off);
    }
    if (guest.context === undefined) throw new Error(`guest ${guest.side} has no state to put into the hart`);
    this.#writePmp(hart, guest.side);
    restoreContext(hart, guest.context);
    hart.fenceVma();
    guest.context = undefined;
    guest.account.switchesIn += 1;
    this.#loaded = guest;
    this.#steering.set(hart, guest.side, STEER.seip);
  }

  /** Ends what a guest runs; its devices are as out of reset. It is off, and in no hart. */
  stop(hart: MeteredHart, guest: Guest): void {
    if (this.#loaded === guest) {
      this.#loaded = undefined;
      clearContext(hart);
    }
    this.#steering.set(hart, guest.side, STEER.off);
    abandonBoot(guest);
    quiesceDevices(hart, this.#node.partition, guest.side);
    guest.phase = { kind: 'off' };
    guest.wait = undefined;
    guest.context = undefined;
    guest.runnableSince = undefined;
  }

  /** The partition has changed: the guest in the hart has its new PMP. */
  repartition(hart: MeteredHart): void {
    if (this.#loaded === undefined) return;
    this.#writePmp(hart, this.#loaded.side);
    hart.fenceVma();
  }

  /** What M-mode owns of this hart and the board, as it was left; `applied` was captured right after virtualize. */
  expectedState(hart: MeteredHart, applied: MachineState): MachineState {
    return expectedVirtualizedState(applied, {
      pmp: this.#pmp,
      partition: this.#node.partition,
      steer: this.#steering.words(hart.hartId),
      mtimecmp: this.#timer.mtimecmp,
    });
  }

  #writePmp(hart: MeteredHart, side: Side): void {
    const plan = pmpForPartition(this.#node.partition, side);
    writePmpPlan(hart, plan, this.#pmp);
    this.#pmp = plan;
  }

  /** Books the time since M-mode was left. */
  #settle(now: number): void {
    const { decision, ticks } = this.#last;
    const passed = now - ticks;
    for (const guest of aliveGuests(this.#node)) {
      if (decision.run === guest.side) guest.account.ranTicks += passed;
      else if (guest.runnableSince === undefined) guest.account.idleTicks += passed;
      else guest.account.heldTicks += passed;
    }
    const maintenance = this.#node.guests.get(otherSide(this.#node.production));
    const held = maintenance?.runnableSince !== undefined && decision.run === this.#node.production;
    if (held) this.#node.share.waited(passed);
  }

  #runnable(hart: MeteredHart, now: number): Record<Side, boolean> {
    const runnable: Record<Side, boolean> = { A: false, B: false };
    for (const guest of aliveGuests(this.#node)) {
      if (guest !== this.#loaded && this.#waits(guest) && this.#heedsPlic(guest)) {
        this.#steering.set(hart, guest.side, STEER.meip);
      }
    }
    const asserted = this.#steering.asserted(hart);
    for (const guest of aliveGuests(this.#node)) {
      if (this.#waits(guest)) this.#tryToWake(hart, guest, asserted.includes(guest.side), now);
      runnable[guest.side] = !this.#waits(guest);
      if (runnable[guest.side]) guest.runnableSince ??= now;
    }
    return runnable;
  }

  #waits = (guest: Guest): boolean => (guest.phase.kind === 'booting' ? guest.phase.waits : guest.wait !== undefined);

  #heedsPlic = (guest: Guest): boolean => guest.context === undefined || heedsPlic(guest.context);

  #tryToWake(hart: MeteredHart, guest: Guest, asserted: boolean, now: number): void {
    if (guest.phase.kind === 'booting') {
      if (asserted) guest.phase = { ...guest.phase, waits: false };
      return;
    }
    const { context } = guest;
    const interrupted = context === undefined ? hasInterruptInHart(hart) : hasInterrupt(context, asserted, now);
    if (!interrupted || !endWait(hart, guest)) return;
    guest.runnableSince = context === undefined ? now : Math.min(now, timerOf(context));
  }

  /** M-mode interrupts for whatever else than the running guest's own may change the decision. */
  #arm(hart: MeteredHart, decision: Decision): void {
    let deadline = decision.run === null ? Number.POSITIVE_INFINITY : decision.untilTicks;
    for (const guest of aliveGuests(this.#node)) {
      if (guest === this.#loaded) continue;
      const listens = this.#waits(guest) && this.#mayInterrupt(guest, decision);
      if (listens && guest.context !== undefined) deadline = Math.min(deadline, timerOf(guest.context));
      this.#steering.set(hart, guest.side, listens && this.#heedsPlic(guest) ? STEER.meip : STEER.off);
    }
    this.#timer.arm(hart, deadline);
  }

  /** Production always; the maintenance guest when nobody runs, or when it would be owed a share. */
  #mayInterrupt(guest: Guest, decision: Decision): boolean {
    const { production, share } = this.#node;
    return guest.side === production || decision.run === null || share.policy.percent > 0;
  }
}
