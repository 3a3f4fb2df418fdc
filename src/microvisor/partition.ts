/**
 * Who owns which memory and which devices. A partition is a value: each change gives a new one or a refusal, so that a
 * refused request changes nothing.
 *
 * Invariants:
 * 1. Owned regions are disjoint, sorted by address, page-aligned, inside RAM and outside firmware memory.
 * 2. A slot has at most one owner; a side's PLIC, UART and clock (its *block*) have at most one owner.
 */
import type { MemoryMap, MemoryRegion, Side } from '../machine/index.ts';
import { RAM_BASE, SIDES, SLOTS_PER_SIDE } from '../machine/index.ts';
import { Refusal } from './refusal.ts';

/** PMP grain of the plan: every region is whole pages. */
export const PAGE_BYTES = 4096;

export type Owner = Side | null;

export interface OwnedRegion extends MemoryRegion {
  readonly owner: Side;
}

export interface SlotName {
  readonly side: Side;
  readonly index: number;
}

export interface Partition {
  readonly board: MemoryMap;
  readonly memory: readonly OwnedRegion[];
  readonly slots: Readonly<Record<Side, readonly Owner[]>>;
  /** PLIC, UART and real-time clock of a side. */
  readonly blocks: Readonly<Record<Side, Owner>>;
}

const endOf = (region: MemoryRegion): number => region.base + region.bytes;

export const hex = (value: number | bigint): string => `0x${value.toString(16)}`;

export const describeRegion = (region: MemoryRegion): string => `${hex(region.base)}..${hex(endOf(region) - 1)}`;

export function contains(region: MemoryRegion, address: number, bytes: number): boolean {
  return address >= region.base && address + bytes <= endOf(region);
}

export const otherSide = (side: Side): Side => (side === 'A' ? 'B' : 'A');

/** All of RAM but the firmware's. */
export function guestMemory(board: MemoryMap): MemoryRegion {
  const base = endOf(board.firmware);
  return { base, bytes: RAM_BASE + board.ramBytes - base };
}

/** The partition in which one guest owns all there is. */
export function soleOwner(board: MemoryMap, owner: Side): Partition {
  const slots = Array.from({ length: SLOTS_PER_SIDE }, () => owner);
  return {
    board,
    memory: [{ ...guestMemory(board), owner }],
    slots: { A: slots, B: slots },
    blocks: { A: owner, B: owner },
  };
}

/** Gives every page of `region` to `owner` (null: to nobody). */
export function assignMemory(partition: Partition, region: MemoryRegion, owner: Owner): Partition {
  checkRegion(partition.board, region);
  const kept = partition.memory.flatMap((owned) => subtract(owned, region));
  const all: OwnedRegion[] = owner === null ? kept : [...kept, { base: region.base, bytes: region.bytes, owner }];
  return { ...partition, memory: merge(all) };
}

export function assignSlot(partition: Partition, slot: SlotName, owner: Owner): Partition {
  checkSlot(slot);
  const changed = partition.slots[slot.side].map((previous, index) => (index === slot.index ? owner : previous));
  return { ...partition, slots: { ...partition.slots, [slot.side]: changed } };
}

export function assignBlock(partition: Partition, side: Side, owner: Owner): Partition {
  return { ...partition, blocks: { ...partition.blocks, [side]: owner } };
}

/** The partition in which nobody owns what `owner` did. */
export function release(partition: Partition, owner: Side): Partition {
  const free = (previous: Owner): Owner => (previous === owner ? null : previous);
  return {
    ...partition,
    memory: partition.memory.filter((owned) => owned.owner !== owner),
    slots: { A: partition.slots.A.map(free), B: partition.slots.B.map(free) },
    blocks: { A: free(partition.blocks.A), B: free(partition.blocks.B) },
  };
}

/** A partition that came from elsewhere. @throws Refusal when a region is not one, or two overlap */
export function checkedPartition(board: MemoryMap, { memory, slots, blocks }: Omit<Partition, 'board'>): Partition {
  const none: Partition = { board, memory: [], slots, blocks };
  const partition = memory.reduce((sum, { owner, ...region }) => assignMemory(sum, region, owner), none);
  const bytesOf = (regions: readonly MemoryRegion[]): number => regions.reduce((sum, { bytes }) => sum + bytes, 0);
  if (bytesOf(partition.memory) !== bytesOf(memory)) {
    throw new Refusal('bad-region', `regions overlap: ${memory.map(describeRegion).join(', ')}`);
  }
  return partition;
}

export function memoryOf(partition: Partition, owner: Side): readonly MemoryRegion[] {
  return partition.memory.filter((owned) => owned.owner === owner).map(({ base, bytes }) => ({ base, bytes }));
}

/** Slots of both sides that belong to `owner` (null: to nobody), side A first. */
export function slotsOf(partition: Partition, owner: Owner): readonly SlotName[] {
  return SIDES.flatMap((side) =>
    partition.slots[side].flatMap((slotOwner, index) => (slotOwner === owner ? [{ side, index }] : [])),
  );
}

export function ownsMemory(partition: Partition, owner: Side, address: number, bytes: number): boolean {
  return partition.memory.some((owned) => owned.owner === owner && contains(owned, address, bytes));
}

function checkRegion(board: MemoryMap, region: MemoryRegion): void {
  const wellFormed =
    Number.isSafeInteger(region.base) &&
    Number.isSafeInteger(region.bytes) &&
    region.bytes > 0 &&
    region.base % PAGE_BYTES === 0 &&
    region.bytes % PAGE_BYTES === 0;
  if (!wellFormed) {
    throw new Refusal('bad-region', `a region is whole pages of ${PAGE_BYTES} bytes, not ${JSON.stringify(region)}`);
  }
  const memory = guestMemory(board);
  if (!contains(memory, region.base, region.bytes)) {
    throw new Refusal('bad-region', `${describeRegion(region)} is not inside guest memory ${describeRegion(memory)}`);
  }
}

function checkSlot(slot: SlotName): void {
  if (!Number.isInteger(slot.index) || slot.index < 0 || slot.index >= SLOTS_PER_SIDE) {
    throw new Refusal('bad-slot', `a side has slots 0..${SLOTS_PER_SIDE - 1}, not ${slot.index}`);
  }
}

/** What is left of `from` without `hole`. */
function subtract(from: OwnedRegion, hole: MemoryRegion): OwnedRegion[] {
  const pieces = [
    { base: from.base, end: Math.min(endOf(from), hole.base) },
    { base: Math.max(from.base, endOf(hole)), end: endOf(from) },
  ];
  return pieces
    .filter(({ base, end }) => end > base)
    .map(({ base, end }) => ({ base, bytes: end - base, owner: from.owner }));
}

function merge(regions: readonly OwnedRegion[]): readonly OwnedRegion[] {
  const merged: OwnedRegion[] = [];
  for (const region of regions.toSorted((a, b) => a.base - b.base)) {
    const last = merged.at(-1);
    if (last !== undefined && last.owner === region.owner && endOf(last) === region.base) {
      merged[merged.length - 1] = { ...last, bytes: last.bytes + region.bytes };
    } else {
      merged.push(region);
    }
  }
  return merged;
}
