/**
 * The Microvisor: M-mode software that is slipped under a running OS and taken out again. While the node is bare it is
 * reached through the firmware's mailbox service only; while it is virtualized, mtvec points at it.
 */
import {
  answerMailbox,
  type BoardRom,
  COSTS,
  CSR,
  type Firmware,
  INTERRUPT,
  PENDING,
  POWER,
  pendingAtMachineMode,
  setPower,
  takeMailboxRequest,
  type Waiting,
} from '../firmware/index.ts';
import type {
  MachineModeEntry,
  MachineModeHart,
  MachineModeProgram,
  MachineModeReturn,
  MemoryMap,
  Side,
} from '../machine/index.ts';
import { FIRMWARE_MEMORY, MIB, TIMING } from '../machine/index.ts';
import { AccountBook, type SideAccount } from './account-book.ts';
import { bareStates, captureAt, oneState } from './all-harts-state.ts';
import { beginBoot } from './boot.ts';
import { Control, type PartitionRequest } from './control.ts';
import { MICROVISOR_COSTS } from './cost-table.ts';
import { bareCalls, onHarts, virtualizedCalls } from './cross-hart.ts';
import { devirtualize } from './devirtualize.ts';
import type { Guest } from './guest.ts';
import { stopGuest } from './guest-end.ts';
import { handOver, handOverBare, type Image, type TakenOver } from './handover/hand-over.ts';
import { differences, type MachineState } from './machine-state.ts';
import { type MeteredHart, meteredHart } from './metered-hart.ts';
import { soleOwner } from './partition.ts';
import { type ControlRequest, type ControlResponse, decodeRequest, encodeResponse } from './protocol.ts';
import { Refusal } from './refusal.ts';
import { FIRST_RELEASE, type Release } from './release.ts';
import type { MicrovisorStatus } from './status.ts';
import { bareStatus, virtualizedStatus } from './status-of.ts';
import { VIRTUALIZE_STEPS } from './steps/index.ts';
import type { ReversibleStep } from './steps/step.ts';
import { type Running, type SwitchOver, virtualize } from './virtualize.ts';
import { aliveGuests, monitorOf, ticksNow } from './virtualized.ts';

/** Where an image of the Microvisor can be: two banks in the upper half of firmware memory, one to replace the other. */
export const MICROVISOR_ENTRIES = [FIRMWARE_MEMORY.base + MIB, FIRMWARE_MEMORY.base + MIB + MIB / 4] as const;

export interface MicrovisorOptions {
  readonly firmware: Firmware;
  readonly board: MemoryMap;
  /** Harts of the board, 0 to harts - 1. */
  readonly harts: number;
  readonly rom: BoardRom;
  /** One of MICROVISOR_ENTRIES; the first one unless said otherwise. */
  readonly entry?: number;
  readonly release?: Release;
  /** For tests of what a step that fails or leaves something behind does. */
  readonly steps?: readonly ReversibleStep[];
}

/** The hart that the mailbox interrupts. */
const MAILBOX_HART = 0;

export class Microvisor implements MachineModeProgram {
  readonly entry: number;
  readonly release: Release;
  readonly #firmware: Firmware;
  #over: SwitchOver;
  readonly #harts = new Map<number, MeteredHart>();
  /** What a hart is doing in M-mode while it waits for others. */
  readonly #work = new Map<number, Waiting<MachineModeReturn>>();
  #running: (Running & { readonly control: Control }) | undefined;
  /** The image that has the node in the place of this one. */
  #inCharge: Microvisor | undefined;
  /** The image that `replace` hands over to. */
  #successor: Microvisor | undefined;
  /** Guests that are being ended, which takes other harts. */
  #ending = 0;

  /** The machine has to have it attached; the first of a node has to be installed, a later one is offered to it. */
  constructor({ firmware, board, harts, rom, entry, release, steps = VIRTUALIZE_STEPS }: MicrovisorOptions) {
    this.entry = entry ?? MICROVISOR_ENTRIES[0];
    this.release = release ?? FIRST_RELEASE;
    this.#firmware = firmware;
    this.#over = {
      board,
      hartIds: Array.from({ length: harts }, (_, id) => id),
      rom,
      book: new AccountBook(),
      steps,
      entry: this.entry,
      metered: (hart) => this.#metered(hart),
    };
  }

  /** A hart is in the middle of something here. */
  get isAtWork(): boolean {
    return this.#work.size > 0;
  }

  /** Serves the mailbox of the bare node from now on. */
  install(): void {
    this.#inCharge = undefined;
    this.#firmware.service = (hart, request) => this.#serveBare(hart, request);
  }

  /** `successor`, in another bank, is what a request to replace this image hands the node over to. */
  offer(successor: Microvisor): void {
    this.#successor = successor;
    successor.#inCharge = this;
  }

  /** As the service processor reads it from M-mode's memory at `nowNs`; no hart is held up for it. */
  account(side: Side, nowNs: number): SideAccount {
    const node = this.#running?.node;
    const nowTicks = Math.floor(nowNs / TIMING.nsPerTick);
    const open = [...(node?.monitors ?? [])].flatMap(([id, each]) =>
      each.openStretches(this.#harts.get(id)!.raw, nowTicks),
    );
    return this.#over.book.total(side, node?.guests.get(side)?.account, open);
  }

  /** Worst wake-up latencies since they were last taken. */
  takeWorstWakes(): ReturnType<AccountBook['takeWorstWakes']> {
    return this.#over.book.takeWorstWakes();
  }

  enter(machineHart: MachineModeHart, why: MachineModeEntry): MachineModeReturn {
    const { hartId } = machineHart;
    const begun = this.#work.get(hartId);
    // The hart waited here when the node was handed over.
    if (begun === undefined && this.#inCharge !== undefined) return this.#inCharge.enter(machineHart, why);
    const work = begun ?? this.#serveEntry(this.#metered(machineHart), why);
    const step = work.next();
    if (step.done !== true) {
      this.#work.set(hartId, work);
      return 'wfi';
    }
    this.#work.delete(hartId);
    return step.value;
  }

  *#serveEntry(hart: MeteredHart, why: MachineModeEntry): Waiting<MachineModeReturn> {
    const { node } = this.#virtualized();
    const monitor = monitorOf(node, hart.hartId);
    const outcome = monitor.enter(hart, why);
    if (outcome === 'shut-down' || outcome === 'reboots') yield* this.#endGuest(hart, monitor.enteredGuest, outcome);
    const pending = hart.csr(CSR.mip);
    if ((pending & INTERRUPT.MSI) !== 0n) yield* virtualizedCalls(node).serve(hart);
    if ((pending & INTERRUPT.MEI) !== 0n && hart.hartId === MAILBOX_HART) yield* this.#serveMailbox(hart);
    if (this.#inCharge !== undefined) return yield* this.#inCharge.#goOn(hart.raw);
    if (this.#running !== undefined) return monitor.leave(hart);
    hart.charge(COSTS.trapExit);
    return 'mret';
  }

  /** The hart came into M-mode when another image had the node. What was asked of it since has come to this one. */
  *#goOn(machineHart: MachineModeHart): Waiting<MachineModeReturn> {
    const hart = this.#metered(machineHart);
    const { node } = this.#virtualized();
    yield* virtualizedCalls(node).serve(hart);
    return monitorOf(node, hart.hartId).leave(hart);
  }

  /** A guest powers itself off, or reboots. Another of its harts may have been first, or the guest be on its way out. */
  *#endGuest(hart: MeteredHart, guest: Guest, how: 'shut-down' | 'reboots'): Waiting<void> {
    const { node } = this.#virtualized();
    if (guest.phase.kind !== 'running') return;
    this.#ending += 1;
    try {
      yield* stopGuest(node, hart, guest);
      // It may have been destroyed meanwhile.
      if (node.guests.get(guest.side) !== guest) return;
      if (how === 'reboots') yield* beginBoot(hart, node, guest);
      else if (aliveGuests(node).length === 0) setPower(hart, POWER.off);
    } finally {
      this.#ending -= 1;
    }
  }

  *#serveMailbox(hart: MeteredHart): Waiting<void> {
    if ((pendingAtMachineMode(hart) & PENDING.mailbox) === 0) return;
    const bytes = takeMailboxRequest(hart);
    if (bytes === undefined) return;
    answerMailbox(hart, yield* this.#answer(hart, bytes, (request) => this.#serve(hart, request)));
  }

  /** While the firmware serves the mailbox the node is bare, whatever it was before a reset. */
  *#serveBare(machineHart: MachineModeHart, bytes: Uint8Array): Waiting<Uint8Array> {
    this.#running = undefined;
    const hart = this.#metered(machineHart);
    return yield* this.#answer(hart, bytes, (request) => this.#serveBareRequest(hart, request));
  }

  *#serveBareRequest(hart: MeteredHart, request: ControlRequest): Waiting<void> {
    if (request.op === 'virtualize') {
      const { side, harts } = this.#firmware;
      const running = yield* virtualize(this.#over, hart, side, harts);
      // Every hart has come from the firmware: what was left of an earlier life, before a reset, is over.
      this.#work.clear();
      this.#running = { ...running, control: new Control(running.node) };
    } else if (request.op === 'replace') {
      const successor = this.#takeSuccessor();
      this.#retire(successor, handOverBare(this.#image, successor.#image, hart));
      successor.install();
    } else if (request.op !== 'status') {
      throw new Refusal('not-virtualized', `${request.op} needs a virtualized node`);
    }
  }

  *#serve(hart: MeteredHart, request: ControlRequest): Waiting<void> {
    switch (request.op) {
      case 'virtualize':
        throw new Refusal('already-virtualized', 'the node is virtualized');
      case 'devirtualize': {
        const { side, sbi, account } = yield* devirtualize(this.#over, hart, this.#virtualized());
        this.#over.book.close(side, account);
        this.#firmware.side = side;
        this.#firmware.harts = sbi.harts;
        this.#running = undefined;
        break;
      }
      case 'replace': {
        const successor = this.#takeSuccessor();
        const taken = yield* handOver(this.#image, successor.#image, hart, this.#virtualized());
        this.#retire(successor, taken);
        successor.install();
        break;
      }
      case 'status':
        break;
      default:
        yield* this.#virtualized().control.serve(hart, request satisfies PartitionRequest);
    }
  }

  /** @throws Refusal `no-image`, `guest-in-transit` */
  #takeSuccessor(): Microvisor {
    if (this.#successor === undefined) throw new Refusal('no-image', 'no other image of the Microvisor is in memory');
    if (this.#ending > 0) throw new Refusal('guest-in-transit', 'a guest is being ended: ask again when it is off');
    return this.#successor;
  }

  get #image(): Image {
    return { release: this.release, over: this.#over };
  }

  #retire(successor: Microvisor, { book, running }: TakenOver): void {
    successor.#over = { ...successor.#over, book };
    successor.#running = running === undefined ? undefined : { ...running, control: new Control(running.node) };
    successor.#work.clear();
    // The meters go on: what was spent and is in no account yet will be.
    for (const [id, hart] of this.#harts) successor.#harts.set(id, hart);
    this.#running = undefined;
    this.#successor = undefined;
    this.#inCharge = successor;
  }

  *#answer(
    hart: MeteredHart,
    bytes: Uint8Array,
    serve: (request: ControlRequest) => Waiting<void>,
  ): Waiting<Uint8Array> {
    const before = { cycles: hart.spentCycles(), ticks: ticksNow(hart) };
    hart.charge(bytes.length * MICROVISOR_COSTS.mailboxByte);
    const response = yield* this.#respond(hart, before, () => serve(decodeRequest(bytes)));
    const encoded = encodeResponse(response);
    hart.charge(encoded.length * MICROVISOR_COSTS.mailboxByte);
    return encoded;
  }

  *#respond(
    hart: MeteredHart,
    before: { readonly cycles: number; readonly ticks: number },
    serve: () => Waiting<void>,
  ): Waiting<ControlResponse> {
    try {
      yield* serve();
      const status = yield* this.#status(hart);
      // What it spent is known to the cycle; where it has waited for other harts, the clock tells.
      const spentNs = (hart.spentCycles() - before.cycles) * TIMING.nsPerInstruction;
      const passedNs = (ticksNow(hart) - before.ticks) * TIMING.nsPerTick;
      return { ok: true, switchNs: this.#over.hartIds.length === 1 ? spentNs : Math.max(spentNs, passedNs), status };
    } catch (error) {
      if (!(error instanceof Refusal)) throw error;
      return { ok: false, error: { code: error.code, message: error.message } };
    }
  }

  *#status(hart: MeteredHart): Waiting<MicrovisorStatus> {
    if (this.#inCharge !== undefined) return yield* this.#inCharge.#status(hart);
    const { name } = this.release;
    if (this.#running !== undefined) return virtualizedStatus(name, this.#running.node);
    const { board, hartIds } = this.#over;
    const { side, harts } = this.#firmware;
    const found = new Map<number, MachineState>();
    yield* onHarts(bareCalls(harts), hart, hartIds, (each) => {
      found.set(each.hartId, captureAt(this.#metered(each), hart));
    });
    const all = new Map([...found].toSorted(([left], [right]) => left - right));
    return bareStatus(
      name,
      side,
      hartIds,
      soleOwner(board, side),
      differences(oneState(bareStates(all, board, side)), oneState(all)),
    );
  }

  #virtualized(): Running & { readonly control: Control } {
    if (this.#running === undefined) throw new Error('the Microvisor is entered on a bare node');
    return this.#running;
  }

  #metered(hart: MachineModeHart): MeteredHart {
    let metered = this.#harts.get(hart.hartId);
    if (metered === undefined) {
      metered = meteredHart(hart);
      this.#harts.set(hart.hartId, metered);
    }
    return metered;
  }
}
