/**
 * One image of the Microvisor takes the node over from another, beneath guests that notice nothing: on all harts in one
 * meeting, or on none. The one in charge writes what it knows into memory, in a form both understand; its successor reads
 * it, compares it with what it finds in the machine, and gets the traps of every hart, or refuses.
 */
import { CSR, type Waiting } from '../../firmware/index.ts';
import { AccountBook } from '../account-book.ts';
import { captureAt, type HartStates, oneState } from '../all-harts-state.ts';
import { MICROVISOR_COSTS } from '../cost-table.ts';
import { virtualizedCalls } from '../cross-hart.ts';
import { expectedStates } from '../devirtualize.ts';
import { checkNotDrifted } from '../drift.ts';
import type { Guest } from '../guest.ts';
import { HartMonitor } from '../hart-monitor.ts';
import type { MachineState } from '../machine-state.ts';
import { Meeting } from '../meeting.ts';
import type { MeteredHart } from '../metered-hart.ts';
import { Refusal } from '../refusal.ts';
import type { Release } from '../release.ts';
import { setCsrChecked } from '../steps/step.ts';
import type { VirtualHart } from '../virtual-hart.ts';
import type { Running, SwitchOver } from '../virtualize.ts';
import { monitorOf, type Virtualized } from '../virtualized.ts';
import { withoutWaitTrap } from '../wait-trap.ts';
import { decodeHandover } from './decode.ts';
import { encodeHandover } from './encode.ts';
import { readFrame, writeFrame } from './frame.ts';
import { HANDED_PHASES, type Handover, type HartRecord, type NodeRecord } from './record.ts';
import { restoreNode } from './restore.ts';

/** An image of the Microvisor. */
export interface Image {
  readonly release: Release;
  readonly over: SwitchOver;
}

/** What the successor has of a bare node, and of a virtualized one. */
export interface TakenOver {
  readonly book: AccountBook;
  readonly running: Running | undefined;
}

/** The node is bare: nothing of it is M-mode's but the accounts. @throws Refusal, and nothing has changed */
export function handOverBare(from: Image, to: Image, hart: MeteredHart): TakenOver {
  write(from, to, hart, null);
  return { book: bookOf(read(to, hart)), running: undefined };
}

/** @throws Refusal, and nothing has changed */
export function* handOver(from: Image, to: Image, leader: MeteredHart, { node, applied }: Running): Waiting<TakenOver> {
  const meeting = new Meeting(leader, virtualizedCalls(node), from.over.metered);
  yield* meeting.begin();
  try {
    // When every hart has served its calls, whoever waits for another has what it waits for.
    yield* meeting.everywhere(() => {});
    const found = new Map<number, MachineState>();
    const harts: HartRecord[] = [];
    yield* meeting.everywhere((hart) => {
      found.set(hart.hartId, captureAt(hart, leader));
      harts.push(monitorOf(node, hart.hartId).record(hart));
    });
    checkNotDrifted(oneState(expectedStates(node, leader, applied)), oneState(found));
    write(from, to, leader, nodeRecord(node, harts));
    return yield* takeOver(to, meeting, found, node);
  } finally {
    meeting.end();
  }
}

/** The successor's part. `before`: the node as its predecessor has it. */
function* takeOver(to: Image, meeting: Meeting, found: HartStates, before: Virtualized): Waiting<TakenOver> {
  const { over } = to;
  const { leader } = meeting;
  const handover = read(to, leader);
  if (handover.node === null) throw new Refusal('handover-mismatch', 'the handover is of a bare node');
  const book = bookOf(handover);
  const node = restoreNode(handover.node, { ...over, book });
  const records = new Map(handover.node.harts.map((record) => [record.id, record]));
  yield* meeting.everywhere((hart) => {
    // Its predecessor has gone on spending since it wrote the record.
    const { unbookedCycles } = monitorOf(before, hart.hartId).record(hart);
    const record = { ...records.get(hart.hartId)!, unbookedCycles };
    node.monitors.set(hart.hartId, new HartMonitor(hart, node, record));
  });
  const entered = withEntry(found, over.entry);
  const applied = new Map([...entered].map(([id, state]) => [id, withoutWaitTrap(state)]));
  checkNotDrifted(oneState(expectedStates(node, leader, applied)), oneState(entered));
  yield* enterEverywhere(meeting, over.entry);
  return { book, running: { node, applied } };
}

const withEntry = (states: HartStates, entry: number): HartStates =>
  new Map([...states].map(([id, state]) => [id, new Map([...state, ['mtvec', BigInt(entry)]])]));

/** Traps of every hart go to `entry`; where one does not take it, all go where they went. @throws Refusal `step-failed` */
function* enterEverywhere(meeting: Meeting, entry: number): Waiting<void> {
  const before = new Map<number, bigint>();
  try {
    yield* meeting.everywhere((hart) => {
      before.set(hart.hartId, hart.csr(CSR.mtvec));
      setCsrChecked(hart, CSR.mtvec, BigInt(entry));
    });
  } catch (error) {
    yield* meeting.everywhere((hart) => {
      const value = before.get(hart.hartId);
      if (value !== undefined) hart.setCsr(CSR.mtvec, value);
    });
    throw new Refusal('step-failed', `replace: ${String(error)}; the image before is in charge`);
  }
}

/** Writes a handover in the best form both know. @throws Refusal `handover-format` */
function write(from: Image, to: Image, hart: MeteredHart, node: NodeRecord | null): void {
  const format = from.release.formats.findLast((each) => to.release.formats.includes(each));
  if (format === undefined) {
    const [writes, reads] = [from.release.formats.join(), to.release.formats.join()];
    throw new Refusal(
      'handover-format',
      `release ${from.release.name} hands over in format ${writes}, release ${to.release.name} takes over in ${reads}`,
    );
  }
  const { board, hartIds, book } = from.over;
  const handover: Handover = {
    release: from.release.name,
    board: { ramBytes: board.ramBytes, harts: hartIds.length },
    node,
    past: book.past,
    worstWakes: book.worstWakes,
  };
  const text = encodeHandover(handover, format);
  hart.charge(text.length * MICROVISOR_COSTS.mailboxByte);
  writeFrame(hart, { format, text });
}

/** @throws Refusal `handover-format`, `handover-mismatch` */
function read({ release, over }: Image, hart: MeteredHart): Handover {
  const { format, text } = readFrame(hart);
  hart.charge(text.length * MICROVISOR_COSTS.mailboxByte);
  if (!release.formats.includes(format)) {
    throw new Refusal(
      'handover-format',
      `release ${release.name} reads format ${release.formats.join()}, not ${format}`,
    );
  }
  const handover = decodeHandover(text, format);
  const { ramBytes, harts } = handover.board;
  if (ramBytes !== over.board.ramBytes || harts !== over.hartIds.length) {
    throw new Refusal(
      'handover-mismatch',
      `the handover is of a board with ${harts} harts and ${ramBytes} bytes of RAM`,
    );
  }
  return handover;
}

const bookOf = ({ past, worstWakes }: Handover): AccountBook => new AccountBook(past, worstWakes ?? undefined);

function nodeRecord({ partition, production, share, guests }: Virtualized, harts: readonly HartRecord[]): NodeRecord {
  const { board: _, ...owned } = partition;
  return { partition: owned, production, share, guests: [...guests.values()].map(guestRecord), harts };
}

/** @throws Refusal `guest-in-transit`, `call-in-flight` */
function guestRecord(guest: Guest): NodeRecord['guests'][number] {
  const { side, boots, bootError, account, harts, sbi } = guest;
  const phase = HANDED_PHASES.find((kind) => kind === guest.phase.kind);
  if (phase === undefined) {
    throw new Refusal('guest-in-transit', `guest ${side} is ${guest.phase.kind}: ask again when it runs, or is off`);
  }
  return {
    side,
    phase,
    boots,
    bootError: bootError ?? null,
    account: account.state(),
    harts: [...harts.values()].map((virtual) => ({
      id: virtual.hartId,
      state: sbi.harts.state(virtual.hartId)!,
      wait: handedWait(virtual),
      context: virtual.context ?? null,
      runnableSince: virtual.runnableSince ?? null,
      isWoken: virtual.isWoken,
    })),
  };
}

/** A call that has returned meanwhile is waited for no longer. */
function handedWait({ wait, guest, hartId }: VirtualHart): 'wfi' | 'suspend' | null {
  if (wait === undefined || (wait.kind === 'sbi' && wait.until())) return null;
  if (wait.kind !== 'sbi') return wait.kind;
  throw new Refusal('call-in-flight', `hart ${hartId} of guest ${guest.side} waits in an SBI call for another hart`);
}
