/** A virtualized node as a handover tells of it, in place of one that was virtualized by this image. */
import { HartGroup } from '../../firmware/index.ts';
import type { MemoryMap } from '../../machine/index.ts';
import type { AccountBook } from '../account-book.ts';
import { Guest } from '../guest.ts';
import { GuestAccount } from '../guest-account.ts';
import { checkedPartition } from '../partition.ts';
import { pmpForPartition } from '../pmp-plan.ts';
import { packConfig } from '../pmp-write.ts';
import { Refusal } from '../refusal.ts';
import type { Virtualized } from '../virtualized.ts';
import type { GuestRecord, HartRecord, NodeRecord } from './record.ts';

export interface Surroundings {
  readonly board: MemoryMap;
  readonly hartIds: readonly number[];
  readonly rom: Virtualized['rom'];
  readonly book: AccountBook;
}

/** The node without the monitors of its harts. @throws Refusal `handover-mismatch` */
export function restoreNode(record: NodeRecord, { board, hartIds, rom, book }: Surroundings): Virtualized {
  const node: Virtualized = {
    partition: checkedPartition(board, record.partition),
    guests: new Map(),
    production: record.production,
    share: record.share,
    book,
    rom,
    monitors: new Map(),
    calls: new HartGroup(hartIds),
  };
  for (const guest of record.guests) node.guests.set(guest.side, restoreGuest(guest, hartIds, node));
  if (!node.guests.has(node.production)) mismatch(`side ${node.production} goes first, and has no guest`);
  const known = record.harts.map(({ id }) => id).toSorted();
  if (known.join() !== hartIds.join()) mismatch(`it tells of harts ${known.join()}, the machine has ${hartIds.join()}`);
  for (const hart of record.harts) checkHart(hart, node);
  return node;
}

function restoreGuest(record: GuestRecord, hartIds: readonly number[], node: Virtualized): Guest {
  const { side, phase, boots, bootError, account, harts } = record;
  const ids = harts.map(({ id }) => id);
  if (ids.length === 0 || ids.some((id) => !hartIds.includes(id))) mismatch(`guest ${side} has harts ${ids.join()}`);
  const guest = new Guest(side, new HartGroup(ids), node, GuestAccount.of(account));
  guest.phase = { kind: phase };
  guest.boots = boots;
  guest.bootError = bootError ?? undefined;
  for (const { id, state, wait, context, runnableSince, isWoken } of harts) {
    guest.sbi.harts.setState(id, state);
    const virtual = guest.harts.get(id)!;
    virtual.wait = wait === null ? undefined : { kind: wait };
    virtual.context = context ?? undefined;
    virtual.runnableSince = runnableSince ?? undefined;
    virtual.isWoken = isWoken;
  }
  return guest;
}

/** What is said of a hart agrees with what is said of the guests. */
function checkHart({ id, loaded, pmp }: HartRecord, node: Virtualized): void {
  for (const { side, harts } of node.guests.values()) {
    const virtual = harts.get(id);
    if (virtual?.isAlive !== true) continue;
    if ((virtual.context === undefined) !== (loaded === side)) {
      mismatch(`the state of guest ${side} is ${loaded === side ? 'twice' : 'nowhere'} on hart ${id}`);
    }
  }
  if (loaded === null) return;
  if (node.guests.get(loaded)?.harts.has(id) !== true)
    mismatch(`hart ${id} holds guest ${loaded}, which has no such hart`);
  const plan = pmpForPartition(node.partition, loaded);
  const isPlanned =
    pmp.every(({ address }, index) => address === plan[index]?.address) &&
    packConfig(pmp, 0) === packConfig(plan, 0) &&
    packConfig(pmp, 1) === packConfig(plan, 1);
  if (!isPlanned) mismatch(`the PMP of hart ${id} is not the one of guest ${loaded}`);
}

function mismatch(message: string): never {
  throw new Refusal('handover-mismatch', message);
}
