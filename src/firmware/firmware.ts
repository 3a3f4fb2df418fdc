/**
 * The board's firmware: resets, boots the OS of a side from its disk, serves its SBI calls, and hands requests from the
 * mailbox to a service handler. It is all the M-mode software a bare node has.
 */
import {
  type MachineModeEntry,
  type MachineModeHart,
  type MachineModeProgram,
  type MachineModeReturn,
  type MemoryMap,
  memoryMap,
  type Side,
} from '../machine/index.ts';
import { applyBareBoard, applyBareCsrs, bareState } from './bare-state.ts';
import { BootError } from './boot/boot-error.ts';
import { type BoardRom, loadOs, sideMemory } from './boot/load-os.ts';
import { type ChargedHart, chargedHart } from './charged-hart.ts';
import { consoleLine, consoleReadByte, consoleWriteByte } from './console.ts';
import { COSTS } from './costs.ts';
import { CAUSE, CSR } from './csr.ts';
import { FIRMWARE_ENTRY } from './layout.ts';
import { answerMailbox, POWER, STEER, setPower, steer, takeMailboxRequest } from './partition.ts';
import { HART_STATE, HartGroup, type HartStart } from './sbi/hart-group.ts';
import { serveSbi } from './sbi/serve.ts';
import { SBI_ERROR, type SbiGuest, sbiFailure } from './sbi/spec.ts';
import { startOs } from './start-os.ts';
import type { Waiting } from './waiting.ts';

/**
 * Answers a request of the service processor while the node is bare. It may put other M-mode software in the firmware's
 * place by writing mtvec. It charges the hart for what it does, and may have other harts do something and wait for them.
 */
export type ServiceHandler = (hart: MachineModeHart, request: Uint8Array) => Waiting<Uint8Array>;

export interface FirmwareOptions {
  readonly bankBytes: number;
  /** Harts of the board, 0 to harts - 1. */
  readonly harts: number;
  readonly rom: BoardRom;
  /** The side whose OS is booted. */
  readonly bootSide: Side;
}

const BOOT_HART = 0;
/** Answer when nobody serves the mailbox. */
const NO_SERVICE = new Uint8Array(0);

// biome-ignore lint/correctness/useYield: a service may wait, this one does not.
function* noService(): Waiting<Uint8Array> {
  return NO_SERVICE;
}

export class Firmware implements MachineModeProgram {
  readonly entry = FIRMWARE_ENTRY;
  /** The side that has the machine while it is bare; the next reset boots it. */
  side: Side;
  /** How often an OS has been loaded since power-on. */
  boots = 0;
  service: ServiceHandler = noService;
  readonly #map: MemoryMap;
  readonly #rom: BoardRom;
  readonly #hartIds: readonly number[];
  /** The harts of the OS that has the machine while it is bare. */
  harts: HartGroup;
  readonly #guest: SbiGuest;
  readonly #waiting = new Map<number, Waiting<MachineModeReturn>>();

  constructor({ bankBytes, harts, rom, bootSide }: FirmwareOptions) {
    this.side = bootSide;
    this.#map = memoryMap(bankBytes);
    this.#rom = rom;
    this.#hartIds = Array.from({ length: harts }, (_, id) => id);
    this.harts = new HartGroup(this.#hartIds);
    this.#guest = this.#bareGuest();
  }

  /** Of a machine that was restored: its OS has been booted, and has all harts. */
  osRuns(): void {
    for (const id of this.#hartIds) this.harts.setState(id, HART_STATE.started);
  }

  enter(hart: MachineModeHart, why: MachineModeEntry): MachineModeReturn {
    const charged = chargedHart(hart);
    if (why === 'resume') return this.#continue(charged);
    charged.charge(COSTS.trapEntry);
    this.#waiting.set(hart.hartId, why === 'reset' ? this.#reset(charged) : this.#trap(charged));
    return this.#continue(charged);
  }

  #continue(hart: ChargedHart): MachineModeReturn {
    const work = this.#waiting.get(hart.hartId);
    if (work === undefined) throw new Error(`hart ${hart.hartId} is continued without having waited`);
    let step = work.next();
    while (step.done !== true && step.value === 'more') step = work.next();
    if (step.done !== true) return 'wfi';
    this.#waiting.delete(hart.hartId);
    hart.charge(COSTS.trapExit);
    return step.value;
  }

  *#reset(hart: ChargedHart): Waiting<MachineModeReturn> {
    // The first hart out of reset finds the group of whichever OS was there before, with the harts that one had.
    if (hart.hartId === BOOT_HART) this.harts = new HartGroup(this.#hartIds);
    else this.harts.resetHart(hart.hartId);
    applyBareCsrs(hart, bareState(this.side, this.#map));
    return yield* hart.hartId === BOOT_HART ? this.#boot(hart) : this.#stopped(hart);
  }

  *#boot(hart: ChargedHart): Waiting<MachineModeReturn> {
    const { side } = this;
    this.boots += 1;
    const state = bareState(side, this.#map);
    applyBareBoard(hart, state, this.harts.hartIds);
    steer(hart, side, hart.hartId, STEER.meip);
    const os = { side, memory: sideMemory(this.#map, side), service: true, takesUp: true };
    const load = loadOs(hart, os, this.#rom);
    try {
      let step = load.next();
      while (step.done !== true) {
        yield step.value;
        this.#declineMailbox(hart);
        step = load.next();
      }
      steer(hart, side, hart.hartId, STEER.seip);
      this.harts.setState(hart.hartId, HART_STATE.started);
      startOs(hart, { entry: step.value.entry, a0: BigInt(hart.hartId), a1: BigInt(step.value.deviceTree) });
      return 'mret';
    } catch (error) {
      if (!(error instanceof BootError)) throw error;
      consoleLine(hart, side, `firmware: side ${side} has no OS to boot: ${error.message}`);
      setPower(hart, POWER.off);
      return 'off';
    }
  }

  /** A stopped hart: waits to be started through HSM. */
  *#stopped(hart: ChargedHart): Waiting<MachineModeReturn> {
    for (;;) {
      const start = yield* this.#serveRequests(hart);
      if (start !== undefined) {
        startOs(hart, { entry: start.address, a0: BigInt(hart.hartId), a1: start.opaque });
        this.harts.setState(hart.hartId, HART_STATE.started);
        return 'mret';
      }
      yield 'wfi';
    }
  }

  *#trap(hart: ChargedHart): Waiting<MachineModeReturn> {
    const cause = hart.csr(CSR.mcause);
    switch (cause) {
      case CAUSE.ecallFromS:
        return yield* this.#sbiCall(hart);
      case CAUSE.msi:
        yield* this.#serveRequests(hart);
        return 'mret';
      case CAUSE.mei:
        yield* this.#serveMailbox(hart);
        return 'mret';
      default:
        throw new Error(
          `M-mode trap with cause 0x${cause.toString(16)} at 0x${hart.csr(CSR.mepc).toString(16)}, which is delegated`,
        );
    }
  }

  /** What other harts asked of this one; returns the start it was given, if it was. */
  *#serveRequests(hart: ChargedHart): Waiting<HartStart | undefined> {
    const { start, calls } = this.harts.deliver(hart);
    for (const call of calls) yield* call(hart.uncharged);
    return start;
  }

  *#sbiCall(hart: ChargedHart): Waiting<MachineModeReturn> {
    const outcome = serveSbi(hart, this.#guest);
    switch (outcome.kind) {
      case 'return':
        return 'mret';
      case 'wait':
        while (!outcome.until()) {
          yield 'wfi';
          yield* this.#serveRequests(hart);
        }
        return 'mret';
      case 'suspend':
        yield 'wfi';
        yield* this.#serveRequests(hart);
        return 'mret';
      case 'hart-stopped':
        return yield* this.#stopped(hart);
      case 'guest-shutdown':
        setPower(hart, POWER.off);
        return 'off';
      case 'guest-reboot':
        setPower(hart, POWER.reset);
        return 'off';
      case 'guest-suspend':
        throw new Error('the OS of a bare node is suspended, which it is denied');
    }
  }

  *#serveMailbox(hart: ChargedHart): Waiting<void> {
    const request = takeMailboxRequest(hart);
    if (request === undefined) throw new Error('a machine external interrupt without a request in the mailbox');
    answerMailbox(hart, yield* this.service(hart.uncharged, request));
  }

  /** There is no OS yet that anything could be done to. */
  #declineMailbox(hart: MachineModeHart): void {
    if (takeMailboxRequest(hart) !== undefined) answerMailbox(hart, NO_SERVICE);
  }

  /** A bare node is its own policy: all memory but the firmware's, the real console, the real power switch. */
  #bareGuest(): SbiGuest {
    const base = BigInt(this.#map.firmware.base + this.#map.firmware.bytes);
    const end = BigInt(this.#map.firmware.base + this.#map.ramBytes);
    const firmware = this;
    return {
      get harts() {
        return firmware.harts;
      },
      owns: (address, bytes) => address >= base && address + bytes <= end,
      console: {
        writeByte: (hart, byte) => consoleWriteByte(hart, this.side, byte),
        readByte: (hart) => consoleReadByte(hart, this.side),
      },
      reset: (_hart, type) => ({ kind: type === 'shutdown' ? 'guest-shutdown' : 'guest-reboot' }),
      suspend: () => sbiFailure(SBI_ERROR.DENIED),
    };
  }
}
