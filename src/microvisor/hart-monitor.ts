/**
 * One hart while the node is virtualized: which guest is in it, and what happens between a trap and `mret`.
 *
 * Invariants:
 * 1. At `mret` the PMP, the S-mode state and SEIP are those of one guest that can run.
 * 2. What a guest has of a hart is in the hart or in its `context`, never in both.
 * 3. Whatever can make another guest runnable raises an M-mode interrupt, or is looked at when the running one waits.
 */
import { COSTS, CSR, HART_STATE, INTERRUPT, type PmpEntry, type RemoteCall, STEER } from '../firmware/index.ts';
import {
  type MachineModeEntry,
  type MachineModeHart,
  type MachineModeReturn,
  type Side,
  TIMING,
} from '../machine/index.ts';
import type { OpenStretch } from './account-book.ts';
import { continueBoot } from './boot.ts';
import { MICROVISOR_COSTS } from './cost-table.ts';
import { expectedHartState } from './drift.ts';
import type { Guest } from './guest.ts';
import type { HartRecord } from './handover/record.ts';
import { clearContext, freshContext, restoreContext, saveContext } from './hart-context.ts';
import { HartTimer } from './hart-timer.ts';
import type { MachineState } from './machine-state.ts';
import type { MeteredHart } from './metered-hart.ts';
import { pmpForPartition } from './pmp-plan.ts';
import { writePmpPlan } from './pmp-write.ts';
import { type Decision, decide } from './scheduler.ts';
import { Share } from './share.ts';
import { Steering } from './steering.ts';
import { handleTrap, type TrapOutcome } from './traps.ts';
import type { VirtualHart } from './virtual-hart.ts';
import { aliveHarts, hartOf, ticksNow, type Virtualized } from './virtualized.ts';
import { WaitTrap } from './wait-trap.ts';
import { endWait, hasInterrupt, hasInterruptInHart, heedsPlic, timerOf } from './wake.ts';

export class HartMonitor {
  readonly share: Share;
  readonly #hartId: number;
  readonly #node: Virtualized;
  readonly #steering: Steering;
  readonly #timer: HartTimer;
  readonly #waitTrap: WaitTrap;
  /** Whose state the hart holds. */
  #loaded: VirtualHart | undefined;
  #pmp: readonly PmpEntry[];
  /** What the hart did since M-mode was left, and when that was. */
  #last: { readonly decision: Decision; readonly ticks: number };
  /** minstret when a guest was entered, and mhpmcounter3 when one was that waits by itself. */
  #instret: bigint;
  #waited: bigint;
  /** Cycles spent when M-mode work was last booked to a guest. */
  #booked: number;
  /** Who was in the hart when M-mode was entered. */
  #entered: Guest | undefined;

  /** The hart is in M-mode, and what is known of it is `record`. */
  constructor(hart: MeteredHart, node: Virtualized, record: HartRecord) {
    this.#hartId = hart.hartId;
    this.#node = node;
    this.share = new Share(node.share);
    this.share.state = record.share;
    this.#steering = new Steering(record.steer);
    this.#timer = new HartTimer(record.timerTicks);
    this.#waitTrap = new WaitTrap(record.isWaitTrapSet);
    this.#loaded = record.loaded === null ? undefined : hartOf(node, record.loaded, hart.hartId);
    this.#entered = record.entered === null ? undefined : node.guests.get(record.entered);
    this.#pmp = record.pmp;
    this.#last = { decision: decisionOf(record), ticks: record.sinceTicks };
    this.#instret = record.instret;
    this.#waited = record.waited;
    this.#booked = hart.spentCycles() - record.unbookedCycles;
  }

  /** The hart runs `virtual`, and is in M-mode to be virtualized. */
  static virtualized(hart: MeteredHart, node: Virtualized, { side }: VirtualHart): HartMonitor {
    return new HartMonitor(hart, node, {
      id: hart.hartId,
      loaded: side,
      entered: null,
      pmp: pmpForPartition(node.partition, side),
      steer: Steering.afterVirtualize(side),
      timerTicks: Number.POSITIVE_INFINITY,
      isWaitTrapSet: false,
      share: new Share(node.share).state,
      run: side,
      untilTicks: Number.POSITIVE_INFINITY,
      sinceTicks: ticksNow(hart),
      instret: hart.csr(CSR.minstret),
      waited: hart.csr(CSR.mhpmcounter3),
      unbookedCycles: 0,
    });
  }

  record(hart: MeteredHart): HartRecord {
    const { decision, ticks } = this.#last;
    return {
      id: this.#hartId,
      loaded: this.#loaded?.side ?? null,
      entered: this.#entered?.side ?? null,
      pmp: this.#pmp,
      steer: this.#steering.state,
      timerTicks: this.#timer.ticks,
      isWaitTrapSet: this.#waitTrap.isSet,
      share: this.share.state,
      run: decision.run,
      untilTicks: decision.run === null ? Number.POSITIVE_INFINITY : decision.untilTicks,
      sinceTicks: ticks,
      instret: this.#instret,
      waited: this.#waited,
      unbookedCycles: hart.spentCycles() - this.#booked,
    };
  }

  /** From a trap, or from the end of a `wfi`; what becomes of the guest it came from. */
  enter(hart: MeteredHart, why: MachineModeEntry): TrapOutcome {
    const now = ticksNow(hart);
    this.#settle(hart, now);
    this.#booked = hart.spentCycles();
    this.#entered = this.#loaded?.guest;
    if (why !== 'trap') return 'continues';
    hart.charge(COSTS.trapEntry);
    const virtual = this.#loaded;
    if (virtual === undefined) throw new Error('a trap from a guest, and no guest is in the hart');
    virtual.guest.account.instructions += Number(hart.csr(CSR.minstret) - this.#instret);
    virtual.runnableSince = now;
    const outcome = handleTrap(hart, this.#node, virtual);
    if (outcome === 'waits') virtual.runnableSince = undefined;
    if (outcome === 'hart-stopped') this.#remove(hart, virtual);
    return outcome;
  }

  /** The guest that was in the hart when M-mode was entered. @throws Error when there was none */
  get enteredGuest(): Guest {
    if (this.#entered === undefined) throw new Error('no guest was in the hart');
    return this.#entered;
  }

  /** Chooses who runs, puts it into the hart, and arms what will interrupt it. */
  leave(hart: MeteredHart): MachineModeReturn {
    for (;;) {
      hart.charge(MICROVISOR_COSTS.schedule);
      const now = ticksNow(hart);
      const alive = aliveHarts(this.#node, hart.hartId);
      const decision = decide(this.#node.production, this.#runnable(hart, alive, now), this.share, now);
      const virtual = decision.run === null ? undefined : alive.find(({ side }) => side === decision.run);
      if (virtual?.isBooting === true) {
        const { guest } = virtual;
        this.#book(hart, this.#entered);
        continueBoot(hart, guest);
        this.#book(hart, guest);
        if (!virtual.isAlive || virtual.waits) virtual.runnableSince = undefined;
        else if (virtual.isBooting) return this.#breathe(hart, decision);
        continue;
      }
      return virtual === undefined ? this.#idle(hart, alive, decision) : this.#run(hart, alive, decision, virtual);
    }
  }

  #run(hart: MeteredHart, alive: readonly VirtualHart[], decision: Decision, virtual: VirtualHart): MachineModeReturn {
    this.load(hart, virtual);
    this.#arm(hart, alive, decision);
    hart.charge(COSTS.trapExit);
    this.#book(hart, this.#entered ?? virtual.guest);
    const now = ticksNow(hart);
    const heldTicks = now - (virtual.runnableSince ?? now);
    virtual.guest.account.paused(heldTicks);
    const { book, production } = this.#node;
    if (virtual.isWoken) book.woke(virtual.side, virtual.side === production, heldTicks);
    virtual.isWoken = false;
    virtual.runnableSince = undefined;
    this.#last = { decision, ticks: now };
    this.#instret = hart.csr(CSR.minstret);
    if (!this.#waitTrap.isSet) this.#waited = hart.csr(CSR.mhpmcounter3);
    return 'mret';
  }

  /** Production is put back while there is time, so that it is in the hart when it is woken. */
  #idle(hart: MeteredHart, alive: readonly VirtualHart[], decision: Decision): MachineModeReturn {
    const production = alive.find(({ side }) => side === this.#node.production);
    if (production?.context !== undefined) this.load(hart, production);
    this.#arm(hart, alive, decision);
    this.#book(hart, this.#entered);
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

  /**
   * The guest's state, PMP and interrupts into the hart, the other's out of it. There is nothing to fence: what the hart
   * translates is tagged with satp and the PMP, and what its guests do to their own page tables they fence themselves.
   */
  load(hart: MeteredHart, virtual: VirtualHart): void {
    if (this.#loaded === virtual) return;
    if (this.#loaded !== undefined) {
      this.#loaded.context = saveContext(hart);
      this.#steering.set(hart, this.#loaded.side, STEER.off);
    }
    if (virtual.context === undefined) throw new Error(`guest ${virtual.side} has no state to put into the hart`);
    this.#writePmp(hart, virtual.side);
    restoreContext(hart, virtual.context);
    virtual.context = undefined;
    virtual.guest.account.switchesIn += 1;
    this.#loaded = virtual;
    this.#steering.set(hart, virtual.side, STEER.seip);
  }

  /** Takes what a guest has of this hart out of it; nothing of the guest reaches the hart any more. */
  drop(hart: MachineModeHart, guest: Guest): void {
    const virtual = guest.harts.get(hart.hartId);
    if (virtual !== undefined) this.#remove(hart, virtual);
  }

  #remove(hart: MachineModeHart, virtual: VirtualHart): void {
    if (this.#loaded === virtual) {
      this.#loaded = undefined;
      clearContext(hart);
    }
    this.#steering.set(hart, virtual.side, STEER.off);
    virtual.clear();
  }

  /** What other harts of a guest asked of the one it has here; returns what is left to do. */
  deliver(hart: MachineModeHart, virtual: VirtualHart): readonly RemoteCall[] {
    const { harts } = virtual.guest.sbi;
    const raise = virtual === this.#loaded ? undefined : () => raiseIn(virtual);
    const { start, calls } = harts.deliver(hart, raise);
    if (start !== undefined) {
      virtual.context = freshContext(hart, start);
      harts.setState(hart.hartId, HART_STATE.started);
    }
    return calls;
  }

  /** The partition has changed: the guest in the hart has its new PMP. */
  repartition(hart: MachineModeHart): void {
    if (this.#loaded === undefined) return;
    this.#writePmp(hart, this.#loaded.side);
    hart.fenceVma();
  }

  /** What M-mode owns of this hart alone, as it was left; `applied` was captured right after virtualize. */
  expectedState(applied: MachineState): MachineState {
    return expectedHartState(this.#waitTrap.expected(applied), { pmp: this.#pmp, mtimecmp: this.#timer.mtimecmp });
  }

  /** Bits of this hart in the steering registers. */
  get steerWords(): Readonly<Record<Side, bigint>> {
    return this.#steering.words(this.#hartId);
  }

  #writePmp(hart: MachineModeHart, side: Side): void {
    const plan = pmpForPartition(this.#node.partition, side);
    writePmpPlan(hart, plan, this.#pmp);
    this.#pmp = plan;
  }

  /** Books the time since M-mode was left. */
  #settle(hart: MachineModeHart, now: number): void {
    const { production, guests } = this.#node;
    for (const { side, as, ticks } of this.openStretches(hart, now)) {
      const guest = guests.get(side);
      if (guest !== undefined) guest.account[as] += ticks;
      const isOwed = side !== production && as === 'heldTicks' && this.#last.decision.run === production;
      if (isOwed) this.share.waited(ticks);
    }
  }

  /** What each guest did on this hart since M-mode was left. */
  openStretches(hart: MachineModeHart, now: number): readonly OpenStretch[] {
    const { decision, ticks: since } = this.#last;
    const ticks = now - since;
    return aliveHarts(this.#node, this.#hartId).flatMap(({ side, runnableSince }): OpenStretch[] => {
      if (decision.run !== side) return [{ side, as: runnableSince === undefined ? 'idleTicks' : 'heldTicks', ticks }];
      const idle = Math.min(ticks, this.#ticksWaited(hart));
      return [
        { side, as: 'ranTicks', ticks: ticks - idle },
        { side, as: 'idleTicks', ticks: idle },
      ];
    });
  }

  /** How long the guest in the hart has waited there by itself. */
  #ticksWaited(hart: MachineModeHart): number {
    if (this.#waitTrap.isSet) return 0;
    return Math.floor((Number(hart.csr(CSR.mhpmcounter3) - this.#waited) * TIMING.nsPerInstruction) / TIMING.nsPerTick);
  }

  #runnable(hart: MeteredHart, alive: readonly VirtualHart[], now: number): Record<Side, boolean> {
    const runnable: Record<Side, boolean> = { A: false, B: false };
    for (const virtual of alive) {
      if (virtual !== this.#loaded && virtual.waits && this.#heedsPlic(virtual)) {
        this.#steering.set(hart, virtual.side, STEER.meip);
      }
    }
    const asserted = this.#steering.asserted(hart);
    for (const virtual of alive) {
      if (virtual.waits) this.#tryToWake(hart, virtual, asserted.includes(virtual.side), now);
      runnable[virtual.side] = !virtual.waits;
      if (runnable[virtual.side]) virtual.runnableSince ??= now;
    }
    return runnable;
  }

  #heedsPlic = (virtual: VirtualHart): boolean => virtual.context === undefined || heedsPlic(virtual.context);

  #tryToWake(hart: MeteredHart, virtual: VirtualHart, asserted: boolean, now: number): void {
    const { guest, context } = virtual;
    if (guest.phase.kind === 'booting') {
      if (asserted) guest.phase = { ...guest.phase, waits: false };
      return;
    }
    const interrupted = context === undefined ? hasInterruptInHart(hart) : hasInterrupt(context, asserted, now);
    if (!endWait(hart, virtual, interrupted)) return;
    virtual.runnableSince = context === undefined ? now : Math.min(now, timerOf(context));
    virtual.isWoken = true;
  }

  /** M-mode interrupts for whatever else than the running guest's own may change the decision. */
  #arm(hart: MeteredHart, alive: readonly VirtualHart[], decision: Decision): void {
    this.#waitTrap.set(hart, alive.length > 1);
    let deadline = decision.run === null ? Number.POSITIVE_INFINITY : decision.untilTicks;
    for (const virtual of alive) {
      if (virtual === this.#loaded) continue;
      const listens = virtual.waits && this.#mayInterrupt(virtual, decision);
      if (listens && virtual.context !== undefined) deadline = Math.min(deadline, timerOf(virtual.context));
      this.#steering.set(hart, virtual.side, listens && this.#heedsPlic(virtual) ? STEER.meip : STEER.off);
    }
    this.#timer.arm(hart, deadline);
  }

  /** Production always; the maintenance guest when nobody runs, or when it would be owed a share. */
  #mayInterrupt(virtual: VirtualHart, decision: Decision): boolean {
    return virtual.side === this.#node.production || decision.run === null || this.share.policy.percent > 0;
  }
}

const decisionOf = ({ run, untilTicks }: HartRecord): Decision => (run === null ? { run } : { run, untilTicks });

function raiseIn(virtual: VirtualHart): void {
  const { context } = virtual;
  if (context !== undefined) virtual.context = { ...context, ssip: context.ssip | INTERRUPT.SSI };
}
