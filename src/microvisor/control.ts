/** Requests to a virtualized node. Each checks all it needs before it changes anything; a refusal is thrown. */

import type { MemoryRegion, Side } from '../machine/index.ts';
import { TIMING } from '../machine/index.ts';
import { beginBoot, ownsBootMemory } from './boot.ts';
import { dmaState, writeDmaState } from './dma-write.ts';
import { Guest } from './guest.ts';
import type { HartMonitor } from './hart-monitor.ts';
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
import { type ControlRequest, Refusal } from './protocol.ts';
import { checkReleased, resetReleased } from './quiesce.ts';
import { SHARE_PERCENT_MAX, SLICE_TICKS_MAX, SLICE_TICKS_MIN } from './share.ts';
import type { Virtualized } from './virtualized.ts';

/** The requests a virtualized node serves without becoming bare. */
export type PartitionRequest = Exclude<ControlRequest, { op: 'virtualize' | 'devirtualize' | 'status' }>;

const TICKS_PER_US = 1000 / TIMING.nsPerTick;

export class Control {
  readonly #node: Virtualized;
  readonly #monitor: HartMonitor;
  readonly #hartIds: readonly number[];

  constructor(node: Virtualized, monitor: HartMonitor, hartIds: readonly number[]) {
    this.#node = node;
    this.#monitor = monitor;
    this.#hartIds = hartIds;
  }

  serve(hart: MeteredHart, request: PartitionRequest): void {
    switch (request.op) {
      case 'createVm':
        this.#createVm(hart, request.side, request.memory, request.slots);
        break;
      case 'bootVm':
        this.#bootVm(hart, request.side);
        break;
      case 'destroyVm':
        this.#destroyVm(hart, request.side, request.force);
        break;
      case 'moveSlot':
        this.#moveSlot(hart, request.slot, request.owner);
        break;
      case 'setMemory':
        this.#setMemory(hart, request.region, request.owner);
        break;
      case 'setProduction':
        this.#setProduction(request.side);
        break;
      case 'setShare':
        this.#setShare(request.maintenancePercent, request.sliceUs);
        break;
      case 'mark':
        for (const guest of this.#node.guests.values()) guest.account.mark();
    }
  }

  #createVm(hart: MeteredHart, side: Side, memory: readonly MemoryRegion[], slots: readonly SlotName[]): void {
    if (this.#node.guests.has(side)) throw new Refusal('vm-exists', `side ${side} has a guest`);
    let partition = assignBlock(this.#node.partition, side, side);
    for (const region of memory) partition = assignMemory(partition, region, side);
    for (const slot of slots) {
      checkReleased(hart, slot);
      partition = assignSlot(partition, slot, side);
    }
    const guest = new Guest(side, { kind: 'created' }, this.#hartIds, () => this.#node.partition);
    this.#checkPlans(partition, [...this.#node.guests.keys(), side]);
    for (const slot of slots) resetReleased(hart, slot);
    this.#node.guests.set(side, guest);
    this.#commit(hart, partition);
  }

  #bootVm(hart: MeteredHart, side: Side): void {
    const guest = this.#guest(side);
    if (guest.isAlive) throw new Refusal('vm-running', `guest ${side} is ${guest.phase.kind}`);
    if (!ownsBootMemory(this.#node, guest)) {
      throw new Refusal('not-owner', `guest ${side} does not own the memory its OS would be told of`);
    }
    beginBoot(hart, this.#node, guest);
  }

  #destroyVm(hart: MeteredHart, side: Side, force: boolean): void {
    const guest = this.#guest(side);
    if (this.#node.guests.size === 1) throw new Refusal('last-guest', `guest ${side} is the only one`);
    if (guest.isAlive && !force) throw new Refusal('vm-running', `guest ${side} is ${guest.phase.kind}`);
    this.#monitor.stop(hart, guest);
    this.#node.guests.delete(side);
    if (this.#node.production === side) this.#node.production = otherSide(side);
    this.#commit(hart, release(this.#node.partition, side));
  }

  #moveSlot(hart: MeteredHart, slot: SlotName, owner: Owner): void {
    if (owner !== null) this.#guest(owner);
    const partition = assignSlot(this.#node.partition, slot, owner);
    checkReleased(hart, slot);
    this.#checkPlans(partition, [...this.#node.guests.keys()]);
    resetReleased(hart, slot);
    this.#commit(hart, partition);
  }

  #setMemory(hart: MeteredHart, region: MemoryRegion, owner: Owner): void {
    if (owner !== null) this.#guest(owner);
    const partition = assignMemory(this.#node.partition, region, owner);
    this.#checkPlans(partition, [...this.#node.guests.keys()]);
    this.#commit(hart, partition);
  }

  #setProduction(side: Side): void {
    this.#guest(side);
    this.#node.production = side;
    this.#node.share.reset();
  }

  #setShare(percent: number, sliceUs: number): void {
    const sliceTicks = sliceUs * TICKS_PER_US;
    const valid =
      percent >= 0 && percent <= SHARE_PERCENT_MAX && sliceTicks >= SLICE_TICKS_MIN && sliceTicks <= SLICE_TICKS_MAX;
    if (!valid) {
      const slices = `${SLICE_TICKS_MIN / TICKS_PER_US}..${SLICE_TICKS_MAX / TICKS_PER_US} µs`;
      throw new Refusal('bad-share', `a share is 0..${SHARE_PERCENT_MAX} % in slices of ${slices}`);
    }
    this.#node.share.reset({ percent, sliceTicks });
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

  #commit(hart: MeteredHart, partition: Partition): void {
    writeDmaState(hart, dmaState(partition), dmaState(this.#node.partition));
    this.#node.partition = partition;
    this.#monitor.repartition(hart);
  }
}
