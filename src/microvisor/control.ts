/**
 * Requests to a virtualized node. Each checks all it needs before it changes anything; a refusal is thrown. What concerns
 * other harts is done there, and waited for.
 */

import { HART_STATE, type Waiting } from '../firmware/index.ts';
import type { MemoryRegion, Side } from '../machine/index.ts';
import { TIMING } from '../machine/index.ts';
import { beginBoot, ownsBootMemory } from './boot.ts';
import { onHarts, virtualizedCalls } from './cross-hart.ts';
import { dmaState, writeDmaState } from './dma-write.ts';
import { Guest, type Resume } from './guest.ts';
import { stopGuest } from './guest-end.ts';
import type { MeteredHart } from './metered-hart.ts';
import {
  assignBlock,
  assignMemory,
  assignSlot,
  type Owner,
  otherSide,
  type Partition,
  release,
  type SlotName,
} from './partition.ts';
import { pmpForPartition } from './pmp-plan.ts';
import type { ControlRequest } from './protocol.ts';
import { checkReleased, resetReleased } from './quiesce.ts';
import { Refusal } from './refusal.ts';
import { SHARE_PERCENT_MAX, SLICE_TICKS_MAX, SLICE_TICKS_MIN } from './share.ts';
import { checkWakes, resumeOf, wakeGuest } from './sleep.ts';
import { monitorOf, type Virtualized } from './virtualized.ts';

/** The requests a virtualized node serves without becoming bare. */
export type PartitionRequest = Exclude<ControlRequest, { op: 'virtualize' | 'devirtualize' | 'status' }>;

/** A guest that is told of no harts shares this one. */
const FIRST_HART = 0;
const TICKS_PER_US = 1000 / TIMING.nsPerTick;

export class Control {
  readonly #node: Virtualized;

  constructor(node: Virtualized) {
    this.#node = node;
  }

  *serve(hart: MeteredHart, request: PartitionRequest): Waiting<void> {
    switch (request.op) {
      case 'createVm':
        return yield* this.#createVm(hart, request);
      case 'bootVm':
        return yield* this.#bootVm(hart, request.side);
      case 'wakeVm':
        return yield* this.#wakeVm(hart, request.side, resumeOf(request.resume));
      case 'stopVm':
        return yield* this.#stopVm(hart, request.side);
      case 'destroyVm':
        return yield* this.#destroyVm(hart, request.side, request.force);
      case 'moveSlot':
        return yield* this.#moveSlot(hart, request.slot, request.owner);
      case 'setMemory':
        return yield* this.#setMemory(hart, request.region, request.owner);
      case 'moveHart':
        return this.#moveHart(request.hart, request.owner);
      case 'setProduction':
        return this.#setProduction(request.side);
      case 'setShare':
        return this.#setShare(request.maintenancePercent, request.sliceUs);
      case 'mark':
        for (const guest of this.#node.guests.values()) guest.account.mark();
    }
  }

  *#createVm(hart: MeteredHart, request: Extract<PartitionRequest, { op: 'createVm' }>): Waiting<void> {
    const { side, memory, slots, harts = [FIRST_HART] } = request;
    if (this.#node.guests.has(side)) throw new Refusal('vm-exists', `side ${side} has a guest`);
    if (harts.length === 0) throw new Refusal('bad-hart', 'a guest has at least one hart');
    for (const id of harts) this.#checkHart(id);
    let partition = assignBlock(this.#node.partition, side, side);
    for (const region of memory) partition = assignMemory(partition, region, side);
    for (const slot of slots) {
      checkReleased(hart, slot);
      partition = assignSlot(partition, slot, side);
    }
    const guest = Guest.created(side, harts, this.#node);
    this.#checkPlans(partition, [...this.#node.guests.keys(), side]);
    for (const slot of slots) resetReleased(hart, slot);
    this.#node.guests.set(side, guest);
    yield* this.#commit(hart, partition);
  }

  *#bootVm(hart: MeteredHart, side: Side): Waiting<void> {
    const guest = this.#guest(side);
    if (guest.isAlive) throw new Refusal('vm-running', `guest ${side} is ${guest.phase.kind}`);
    this.#checkBootMemory(guest);
    yield* beginBoot(hart, this.#node, guest);
  }

  *#wakeVm(hart: MeteredHart, side: Side, resume: Resume): Waiting<void> {
    const guest = this.#guest(side);
    checkWakes(guest, resume);
    this.#checkBootMemory(guest);
    yield* wakeGuest(hart, this.#node, guest, resume);
  }

  #checkBootMemory(guest: Guest): void {
    if (ownsBootMemory(this.#node, guest)) return;
    throw new Refusal('not-owner', `guest ${guest.side} does not own the memory its OS is told of`);
  }

  /** Unlike an OS that powers itself off, it does not take the node with it where it is the only one. */
  *#stopVm(hart: MeteredHart, side: Side): Waiting<void> {
    const guest = this.#guest(side);
    if (guest.isAlive) yield* stopGuest(this.#node, hart, guest);
  }

  *#destroyVm(hart: MeteredHart, side: Side, force: boolean): Waiting<void> {
    const guest = this.#guest(side);
    if (this.#node.guests.size === 1) throw new Refusal('last-guest', `guest ${side} is the only one`);
    if (guest.isAlive && !force) throw new Refusal('vm-running', `guest ${side} is ${guest.phase.kind}`);
    yield* stopGuest(this.#node, hart, guest);
    this.#node.book.close(side, guest.account);
    this.#node.guests.delete(side);
    if (this.#node.production === side) this.#node.production = otherSide(side);
    yield* this.#commit(hart, release(this.#node.partition, side));
  }

  *#moveSlot(hart: MeteredHart, slot: SlotName, owner: Owner): Waiting<void> {
    if (owner !== null) this.#guest(owner);
    const partition = assignSlot(this.#node.partition, slot, owner);
    checkReleased(hart, slot);
    this.#checkPlans(partition, [...this.#node.guests.keys()]);
    resetReleased(hart, slot);
    yield* this.#handOver(hart, assignSlot(this.#node.partition, slot, null), partition);
  }

  *#setMemory(hart: MeteredHart, region: MemoryRegion, owner: Owner): Waiting<void> {
    if (owner !== null) this.#guest(owner);
    const partition = assignMemory(this.#node.partition, region, owner);
    this.#checkPlans(partition, [...this.#node.guests.keys()]);
    yield* this.#handOver(hart, assignMemory(this.#node.partition, region, null), partition);
  }

  /** The OS that has the hart has stopped it, and the one that gets it has to start it. */
  #moveHart(id: number, owner: Owner): void {
    this.#checkHart(id);
    const to = owner === null ? undefined : this.#guest(owner);
    const holders = [...this.#node.guests.values()].filter((guest) => guest.harts.has(id) && guest !== to);
    for (const guest of holders) {
      const { side, phase } = guest;
      const virtual = guest.harts.get(id);
      const isEntered = virtual?.isBooting === true || virtual?.isAsleep === true;
      const isStopped = guest.sbi.harts.state(id) === HART_STATE.stopped && !isEntered;
      if (guest.isAlive && !isStopped) throw new Refusal('hart-in-use', `guest ${side} is ${phase.kind} on hart ${id}`);
      if (guest.harts.size === 1) throw new Refusal('hart-in-use', `hart ${id} is the only one of guest ${guest.side}`);
    }
    for (const guest of holders) guest.removeHart(id);
    if (to?.harts.has(id) === false) to.addHart(id);
  }

  #checkHart(id: number): void {
    if (this.#node.monitors.has(id)) return;
    throw new Refusal('bad-hart', `the machine has harts 0..${this.#node.monitors.size - 1}, not ${id}`);
  }

  #setProduction(side: Side): void {
    this.#guest(side);
    this.#node.production = side;
    for (const { share } of this.#node.monitors.values()) share.reset();
  }

  #setShare(percent: number, sliceUs: number): void {
    const sliceTicks = sliceUs * TICKS_PER_US;
    const valid =
      percent >= 0 && percent <= SHARE_PERCENT_MAX && sliceTicks >= SLICE_TICKS_MIN && sliceTicks <= SLICE_TICKS_MAX;
    if (!valid) {
      const slices = `${SLICE_TICKS_MIN / TICKS_PER_US}..${SLICE_TICKS_MAX / TICKS_PER_US} µs`;
      throw new Refusal('bad-share', `a share is 0..${SHARE_PERCENT_MAX} % in slices of ${slices}`);
    }
    this.#node.share = { percent, sliceTicks };
    for (const { share } of this.#node.monitors.values()) share.reset(this.#node.share);
  }

  #guest(side: Side): Guest {
    const guest = this.#node.guests.get(side);
    if (guest === undefined) throw new Refusal('no-such-vm', `side ${side} has no guest`);
    return guest;
  }

  /** @throws Refusal when the hart or a slot lacks entries for the partition */
  #checkPlans(partition: Partition, sides: readonly Side[]): void {
    for (const side of sides) pmpForPartition(partition, side);
    dmaState(partition);
  }

  /** From what one has to what another has, by what neither has: no two harts may reach it at the same time. */
  *#handOver(hart: MeteredHart, withoutOwner: Partition, partition: Partition): Waiting<void> {
    if (this.#node.monitors.size > 1) yield* this.#commit(hart, withoutOwner);
    yield* this.#commit(hart, partition);
  }

  *#commit(hart: MeteredHart, partition: Partition): Waiting<void> {
    const node = this.#node;
    writeDmaState(hart, dmaState(partition), dmaState(node.partition));
    node.partition = partition;
    yield* onHarts(virtualizedCalls(node), hart, [...node.monitors.keys()], (each) =>
      monitorOf(node, each.hartId).repartition(each),
    );
  }
}
