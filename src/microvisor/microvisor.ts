/**
 * The Microvisor: M-mode software that is slipped under a running OS and taken out again. While the node is bare it is
 * reached through the firmware's mailbox service only; while it is virtualized, mtvec points at it.
 */
import {
  answerMailbox,
  type BoardRom,
  COSTS,
  type Firmware,
  PENDING,
  pendingAtMachineMode,
  takeMailboxRequest,
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
import { expectedBareState } from './bare-expectation.ts';
import { Control, type PartitionRequest } from './control.ts';
import { MICROVISOR_COSTS } from './cost-table.ts';
import { CSR, INTERRUPT } from './csr.ts';
import { checkNotDrifted } from './drift.ts';
import { Guest } from './guest.ts';
import { HartMonitor } from './hart-monitor.ts';
import { captureMachineState, differences, type MachineState } from './machine-state.ts';
import { type MeteredHart, meteredHart } from './metered-hart.ts';
import { soleOwner } from './partition.ts';
import { type ControlRequest, type ControlResponse, decodeRequest, encodeResponse, Refusal } from './protocol.ts';
import { checkDevicesReleased } from './quiesce.ts';
import { Share } from './share.ts';
import type { MicrovisorStatus } from './status.ts';
import { bareStatus, virtualizedStatus } from './status-of.ts';
import { VIRTUALIZE_STEPS } from './steps/index.ts';
import { applySteps, type ReversibleStep, revertSteps } from './steps/step.ts';
import type { Virtualized } from './virtualized.ts';

/** Upper half of firmware memory. */
export const MICROVISOR_ENTRY = FIRMWARE_MEMORY.base + MIB;

export interface MicrovisorOptions {
  readonly firmware: Firmware;
  readonly board: MemoryMap;
  readonly harts: 1;
  readonly rom: BoardRom;
  /** For tests of what a step that fails or leaves something behind does. */
  readonly steps?: readonly ReversibleStep[];
}

interface Running {
  readonly node: Virtualized;
  readonly monitor: HartMonitor;
  readonly control: Control;
  /** What M-mode owned right after virtualize. */
  readonly applied: MachineState;
}

export class Microvisor implements MachineModeProgram {
  readonly entry = MICROVISOR_ENTRY;
  readonly #firmware: Firmware;
  readonly #board: MemoryMap;
  readonly #hartIds: readonly number[];
  readonly #rom: BoardRom;
  readonly #steps: readonly ReversibleStep[];
  readonly #harts = new Map<MachineModeHart, MeteredHart>();
  #running: Running | undefined;

  /** Registers itself as the firmware's service; the machine has to have it attached, too. */
  constructor({ firmware, board, harts, rom, steps = VIRTUALIZE_STEPS }: MicrovisorOptions) {
    this.#firmware = firmware;
    this.#board = board;
    this.#hartIds = Array.from({ length: harts }, (_, id) => id);
    this.#rom = rom;
    this.#steps = steps;
    firmware.service = (hart, request) => this.#serveBare(hart, request);
  }

  enter(machineHart: MachineModeHart, why: MachineModeEntry): MachineModeReturn {
    const hart = this.#metered(machineHart);
    const { monitor } = this.#virtualized();
    monitor.enter(hart, why);
    this.#serveMailbox(hart);
    if (this.#running !== undefined) return monitor.leave(hart);
    hart.charge(COSTS.trapExit);
    return 'mret';
  }

  #serveMailbox(hart: MeteredHart): void {
    if ((hart.csr(CSR.mip) & INTERRUPT.MEI) === 0n) return;
    if ((pendingAtMachineMode(hart) & PENDING.mailbox) === 0) return;
    const bytes = takeMailboxRequest(hart);
    if (bytes !== undefined)
      answerMailbox(
        hart,
        this.#answer(hart, bytes, (request) => this.#serve(hart, request)),
      );
  }

  /** While the firmware serves the mailbox the node is bare, whatever it was before a reset. */
  #serveBare(machineHart: MachineModeHart, bytes: Uint8Array): Uint8Array {
    this.#running = undefined;
    const hart = this.#metered(machineHart);
    return this.#answer(hart, bytes, (request) => {
      if (request.op === 'virtualize') return this.#virtualize(hart);
      if (request.op !== 'status') throw new Refusal('not-virtualized', `${request.op} needs a virtualized node`);
    });
  }

  #serve(hart: MeteredHart, request: ControlRequest): void {
    switch (request.op) {
      case 'virtualize':
        throw new Refusal('already-virtualized', 'the node is virtualized');
      case 'devirtualize':
        this.#devirtualize(hart);
        break;
      case 'status':
        break;
      default:
        this.#virtualized().control.serve(hart, request satisfies PartitionRequest);
    }
  }

  #answer(hart: MeteredHart, bytes: Uint8Array, serve: (request: ControlRequest) => void): Uint8Array {
    const before = hart.spentCycles();
    hart.charge(bytes.length * MICROVISOR_COSTS.mailboxByte);
    const response = this.#respond(hart, before, () => serve(decodeRequest(bytes)));
    const encoded = encodeResponse(response);
    hart.charge(encoded.length * MICROVISOR_COSTS.mailboxByte);
    return encoded;
  }

  #respond(hart: MeteredHart, before: number, serve: () => void): ControlResponse {
    try {
      serve();
      const status = this.#status(hart);
      return { ok: true, switchNs: (hart.spentCycles() - before) * TIMING.nsPerInstruction, status };
    } catch (error) {
      if (!(error instanceof Refusal)) throw error;
      return { ok: false, error: { code: error.code, message: error.message } };
    }
  }

  #virtualize(hart: MeteredHart): void {
    const { side } = this.#firmware;
    const captured = captureMachineState(hart);
    const bare = expectedBareState(captured, this.#board, side, this.#hartIds);
    checkNotDrifted(bare, captured);
    const partition = soleOwner(this.#board, side);
    applySteps(this.#steps, { hart, side, partition, bare, found: captured, entry: this.entry });

    const guests = new Map<Side, Guest>();
    const share = new Share();
    const node: Virtualized = { partition, guests, production: side, share, rom: this.#rom };
    const guest = new Guest(side, { kind: 'running' }, this.#hartIds, () => node.partition);
    guests.set(side, guest);
    const monitor = new HartMonitor(hart, node, guest);
    const control = new Control(node, monitor, this.#hartIds);
    this.#running = { node, monitor, control, applied: captureMachineState(hart) };
  }

  #devirtualize(hart: MeteredHart): void {
    const { node, monitor, applied } = this.#virtualized();
    const [guest, other] = [...node.guests.values()];
    if (guest === undefined || other !== undefined) {
      throw new Refusal('other-guest', `devirtualize needs one guest, there are ${node.guests.size}`);
    }
    if (guest.phase.kind !== 'running') {
      throw new Refusal('vm-not-running', `guest ${guest.side} is ${guest.phase.kind}`);
    }
    checkDevicesReleased(hart, node.partition, guest.side);
    monitor.load(hart, guest);
    const found = captureMachineState(hart);
    checkNotDrifted(monitor.expectedState(hart, applied), found);
    const bare = expectedBareState(applied, this.#board, guest.side, this.#hartIds);
    revertSteps(this.#steps, { hart, side: guest.side, partition: node.partition, bare, found, entry: this.entry });
    this.#firmware.side = guest.side;
    this.#running = undefined;
  }

  #status(hart: MeteredHart): MicrovisorStatus {
    if (this.#running !== undefined) return virtualizedStatus(this.#running.node);
    const { side } = this.#firmware;
    const found = captureMachineState(hart);
    return bareStatus(
      side,
      soleOwner(this.#board, side),
      differences(expectedBareState(found, this.#board, side, this.#hartIds), found),
    );
  }

  #virtualized(): Running {
    if (this.#running === undefined) throw new Error('the Microvisor is entered on a bare node');
    return this.#running;
  }

  #metered(hart: MachineModeHart): MeteredHart {
    let metered = this.#harts.get(hart);
    if (metered === undefined) {
      metered = meteredHart(hart);
      this.#harts.set(hart, metered);
    }
    return metered;
  }
}
