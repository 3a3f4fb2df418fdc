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
import { differences, type MachineState } from './machine-state.ts';
import { type MeteredHart, meteredHart } from './metered-hart.ts';
import { soleOwner } from './partition.ts';
import { type ControlRequest, type ControlResponse, decodeRequest, encodeResponse, Refusal } from './protocol.ts';
import type { MicrovisorStatus } from './status.ts';
import { bareStatus, virtualizedStatus } from './status-of.ts';
import { VIRTUALIZE_STEPS } from './steps/index.ts';
import type { ReversibleStep } from './steps/step.ts';
import { type Running, type SwitchOver, virtualize } from './virtualize.ts';
import { aliveGuests, monitorOf, ticksNow } from './virtualized.ts';

/** Upper half of firmware memory. */
export const MICROVISOR_ENTRY = FIRMWARE_MEMORY.base + MIB;

export interface MicrovisorOptions {
  readonly firmware: Firmware;
  readonly board: MemoryMap;
  /** Harts of the board, 0 to harts - 1. */
  readonly harts: number;
  readonly rom: BoardRom;
  /** For tests of what a step that fails or leaves something behind does. */
  readonly steps?: readonly ReversibleStep[];
}

/** The hart that the mailbox interrupts. */
const MAILBOX_HART = 0;

export class Microvisor implements MachineModeProgram {
  readonly entry = MICROVISOR_ENTRY;
  readonly #firmware: Firmware;
  readonly #over: SwitchOver;
  readonly #book = new AccountBook();
  readonly #harts = new Map<number, MeteredHart>();
  /** What a hart is doing in M-mode while it waits for others. */
  readonly #work = new Map<number, Waiting<MachineModeReturn>>();
  #running: (Running & { readonly control: Control }) | undefined;

  /** Registers itself as the firmware's service; the machine has to have it attached, too. */
  constructor({ firmware, board, harts, rom, steps = VIRTUALIZE_STEPS }: MicrovisorOptions) {
    this.#firmware = firmware;
    this.#over = {
      board,
      hartIds: Array.from({ length: harts }, (_, id) => id),
      rom,
      book: this.#book,
      steps,
      entry: this.entry,
      metered: (hart) => this.#metered(hart),
    };
    firmware.service = (hart, request) => this.#serveBare(hart, request);
  }

  /** As the service processor reads it from M-mode's memory at `nowNs`; no hart is held up for it. */
  account(side: Side, nowNs: number): SideAccount {
    const node = this.#running?.node;
    const nowTicks = Math.floor(nowNs / TIMING.nsPerTick);
    const open = [...(node?.monitors ?? [])].flatMap(([id, each]) =>
      each.openStretches(this.#harts.get(id)!.uncharged, nowTicks),
    );
    return this.#book.total(side, node?.guests.get(side)?.account, open);
  }

  /** Worst wake-up latencies since they were last taken. */
  takeWorstWakes(): ReturnType<AccountBook['takeWorstWakes']> {
    return this.#book.takeWorstWakes();
  }

  enter(machineHart: MachineModeHart, why: MachineModeEntry): MachineModeReturn {
    const { hartId } = machineHart;
    const work = this.#work.get(hartId) ?? this.#serveEntry(this.#metered(machineHart), why);
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
    if (this.#running !== undefined) return monitor.leave(hart);
    hart.charge(COSTS.trapExit);
    return 'mret';
  }

  /** A guest powers itself off, or reboots. Another of its harts may have been first, or the guest be on its way out. */
  *#endGuest(hart: MeteredHart, guest: Guest, how: 'shut-down' | 'reboots'): Waiting<void> {
    const { node } = this.#virtualized();
    if (guest.phase.kind !== 'running') return;
    yield* stopGuest(node, hart, guest);
    // It may have been destroyed meanwhile.
    if (node.guests.get(guest.side) !== guest) return;
    if (how === 'reboots') yield* beginBoot(hart, node, guest);
    else if (aliveGuests(node).length === 0) setPower(hart, POWER.off);
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
        this.#book.close(side, account);
        this.#firmware.side = side;
        this.#firmware.harts = sbi.harts;
        this.#running = undefined;
        break;
      }
      case 'status':
        break;
      default:
        yield* this.#virtualized().control.serve(hart, request satisfies PartitionRequest);
    }
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
    if (this.#running !== undefined) return virtualizedStatus(this.#running.node);
    const { board, hartIds } = this.#over;
    const { side, harts } = this.#firmware;
    const found = new Map<number, MachineState>();
    yield* onHarts(bareCalls(harts), hart, hartIds, (each) => {
      found.set(each.hartId, captureAt(this.#metered(each), hart));
    });
    const all = new Map([...found].toSorted(([left], [right]) => left - right));
    return bareStatus(
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
