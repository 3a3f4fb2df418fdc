import { applyBareBoard, applyBareCsrs, bareState, Firmware, HART_STATE, startOs } from '../../src/firmware/index.ts';
import {
  createMachine,
  type Machine,
  type MachineModeEntry,
  type MachineModeHart,
  type MachineModeProgram,
  type MachineModeReturn,
  type MachineOptions,
  MEMORY_BLOCK_BYTES,
  type MemoryMap,
  memoryMap,
  SIDES,
  type Side,
  SLOTS_PER_SIDE,
} from '../../src/machine/index.ts';
import {
  type ControlRequest,
  type ControlResponse,
  captureMachineState,
  decodeResponse,
  encodeRequest,
  type MachineState,
  MICROVISOR_ENTRIES,
  Microvisor,
  type MicrovisorOptions,
  type MicrovisorStatus,
  MonitorBank,
  type Release,
  type SlotName,
} from '../../src/microvisor/index.ts';
import { makeExt4 } from '../firmware/ext4-image.ts';
import { assemble } from './guest-assembler.ts';
import { RESULTS_OFFSET } from './tiny-guests.ts';

const BANK_BYTES = MEMORY_BLOCK_BYTES;
export const BOARD: MemoryMap = memoryMap(BANK_BYTES);
const IMAGE_HEADER_BYTES = 64;

/** Where the guest of a side leaves what it found. */
export const resultsOf = (side: Side): number => BOARD.bank[side].base + RESULTS_OFFSET;

/** Starts an OS that is in memory already, in place of the boot from a disk. Harts but the first are the firmware's. */
class MemoryBoot implements MachineModeProgram {
  readonly entry = 0x8018_0000;
  readonly #firmware: Firmware;

  constructor(firmware: Firmware) {
    this.#firmware = firmware;
  }

  enter(hart: MachineModeHart, why: MachineModeEntry): MachineModeReturn {
    if (hart.hartId > 0) return this.#firmware.enter(hart, why);
    const { side, harts } = this.#firmware;
    const state = bareState(side, BOARD);
    applyBareCsrs(hart, state);
    applyBareBoard(hart, state, harts.hartIds);
    startOs(hart, { entry: BOARD.bank[side].base, a0: 0n, a1: 0n });
    harts.setState(hart.hartId, HART_STATE.started);
    return 'mret';
  }
}

export interface TinyNodeOptions {
  /** Side whose guest has the node when it starts. */
  readonly side?: Side;
  readonly harts?: MachineOptions['harts'];
  /** Sources for guest-assembler.ts. */
  readonly guests: Readonly<Partial<Record<Side, string>>>;
  /** Further disks by slot, such as `A1`. */
  readonly disks?: Readonly<Record<string, Uint8Array>>;
  readonly steps?: NonNullable<MicrovisorOptions['steps']>;
}

/** A node whose OSs are tiny: `side`'s is in memory when it starts, the other's is on the system disk of its side. */
export class TinyNode {
  readonly machine: Machine;
  readonly firmware: Firmware;
  /** The image that is in charge. */
  microvisor: Microvisor;
  readonly #banks = MICROVISOR_ENTRIES.map((entry) => new MonitorBank(entry));
  /** What each side's UART sent. */
  readonly console: Record<Side, string> = { A: '', B: '' };
  readonly #harts = new Map<number, MachineModeHart>();
  readonly #options: MicrovisorOptions;

  constructor({ side = 'A', harts = 1, guests, disks = {}, steps }: TinyNodeOptions) {
    this.machine = createMachine({
      harts,
      bankBytes: BANK_BYTES,
      clock: { kind: 'virtual' },
      random: (bytes) => new Uint8Array(bytes),
    });
    this.firmware = new Firmware({ bankBytes: BANK_BYTES, harts, rom: this.machine, bootSide: side });
    this.#options = { firmware: this.firmware, board: BOARD, harts, rom: this.machine, ...(steps && { steps }) };
    this.microvisor = new Microvisor(this.#options);
    this.microvisor.install();
    this.#banks[0]!.load(this.microvisor);
    const boot = new MemoryBoot(this.firmware);
    this.machine.attach(this.#watched(this.firmware));
    for (const bank of this.#banks) this.machine.attach(this.#watched(bank));
    this.machine.attach(this.#watched(boot));
    for (const each of SIDES) {
      this.machine.uart(each).onOutput = (bytes) => {
        this.console[each] += String.fromCharCode(...bytes);
      };
    }
    for (const each of SIDES) this.#install(each, guests[each], each === side);
    for (const [name, contents] of Object.entries(disks)) {
      const slot = this.machine.slot(name.startsWith('A') ? 'A' : 'B', Number(name.slice(1)));
      slot.plug({ kind: 'block', store: memoryStore(contents), serial: name });
    }
    this.machine.reset(boot.entry);
  }

  #install(side: Side, source: string | undefined, inMemory: boolean): void {
    if (source === undefined) return;
    if (inMemory) {
      const { base } = BOARD.bank[side];
      this.machine.memory.write(base, assemble(source, base));
    }
    const contents = systemDisk(side, source);
    this.machine.slot(side, 0).plug({ kind: 'block', store: memoryStore(contents), serial: `system-${side}` });
  }

  /** Remembers the hart M-mode software was given, for looks at M-mode's state from outside. */
  #watched(program: MachineModeProgram): MachineModeProgram {
    return {
      entry: program.entry,
      enter: (hart, why) => {
        this.#harts.set(hart.hartId, hart);
        return program.enter(hart, why);
      },
    };
  }

  /** What M-mode owns, looked at between two instructions. */
  state(hartId = 0): MachineState {
    return captureMachineState(this.hartOf(hartId));
  }

  get hart(): MachineModeHart {
    return this.hartOf(0);
  }

  hartOf(hartId: number): MachineModeHart {
    const hart = this.#harts.get(hartId);
    if (hart === undefined) throw new Error(`M-mode was not entered on hart ${hartId} yet`);
    return hart;
  }

  runNs(ns: number): void {
    const until = this.machine.now() + ns;
    while (this.machine.now() < until && this.machine.run(until) === 'paused') {}
  }

  /** Runs until `done()`; fails after `limitNs`. */
  runUntil(done: () => boolean, what: string, limitNs = 50_000_000): void {
    const limit = this.machine.now() + limitNs;
    while (!done()) {
      if (this.machine.now() >= limit) throw new Error(`expected ${what} within ${limitNs} ns`);
      if (this.machine.run(Math.min(limit, this.machine.now() + 10_000)) === 'off' && !done()) {
        throw new Error(`the node went off before ${what}`);
      }
    }
  }

  runUntilConsole(side: Side, text: string, limitNs?: number): void {
    this.runUntil(() => this.console[side].includes(text), `'${text}' on console ${side}`, limitNs);
  }

  request(request: ControlRequest): ControlResponse {
    return this.send(encodeRequest(request));
  }

  send(request: Uint8Array): ControlResponse {
    let response: ControlResponse | undefined;
    this.machine.postMailbox(request, (bytes) => {
      response = decodeResponse(bytes);
      this.machine.pause();
    });
    const limit = this.machine.now() + 10_000_000;
    while (response === undefined && this.machine.now() < limit) this.machine.run(limit);
    if (response === undefined) throw new Error('the request was not answered');
    return response;
  }

  /** A request that is served. */
  ask(request: ControlRequest): { readonly status: MicrovisorStatus; readonly switchNs: number } {
    const response = this.request(request);
    if (!response.ok) throw new Error(`${request.op}: ${response.error.code}: ${response.error.message}`);
    return response;
  }

  status(): MicrovisorStatus {
    return this.ask({ op: 'status' }).status;
  }

  /** An image of `release` is put into the free bank. */
  offer(release: Release, change: Partial<MicrovisorOptions> = {}): Microvisor {
    const bank = this.#banks.find(({ image }) => image !== this.microvisor)!;
    const image = new Microvisor({ ...this.#options, ...change, release, entry: bank.entry });
    bank.load(image);
    this.microvisor.offer(image);
    return image;
  }

  /** An image of `release` takes over. */
  replace(release: Release): { readonly status: MicrovisorStatus; readonly switchNs: number } {
    const image = this.offer(release);
    const answer = this.ask({ op: 'replace' });
    this.microvisor = image;
    return answer;
  }

  /** The guest of `side` is made with its low stub, its bank and its slots, and booted. */
  bootVm(side: Side): void {
    this.ask({ op: 'createVm', side, memory: [BOARD.lowStub[side], BOARD.bank[side]], slots: allSlots(side) });
    this.ask({ op: 'bootVm', side });
    this.runUntil(() => this.status().guests[side]?.state === 'running', `guest ${side} to run`);
  }

  dwords(address: number, count: number): bigint[] {
    const view = this.machine.memory.view(address, 8 * count);
    const data = new DataView(view.buffer, view.byteOffset, view.byteLength);
    return Array.from({ length: count }, (_, index) => data.getBigUint64(8 * index, true));
  }
}

export const allSlots = (side: Side): SlotName[] =>
  Array.from({ length: SLOTS_PER_SIDE }, (_, index) => ({ side, index }));

const disks = new Map<string, Uint8Array>();

/** A system disk whose kernel is a tiny guest behind the header of a RISC-V Image. */
function systemDisk(side: Side, source: string): Uint8Array {
  const key = `${side}${source}`;
  const made = disks.get(key) ?? makeExt4({ files: systemFiles(side, source) }, { mebibytes: 4 });
  disks.set(key, made);
  return made.slice();
}

function systemFiles(side: Side, source: string): Record<string, string | Uint8Array> {
  const base = BOARD.bank[side].base + IMAGE_HEADER_BYTES;
  const program = assemble(source, base);
  const image = new Uint8Array(IMAGE_HEADER_BYTES + program.length);
  const view = new DataView(image.buffer);
  // Its first instruction jumps over the header.
  image.set(assemble(`j start\n${'li t0, 0\n'.repeat(15)}start:`, 0).subarray(0, 4));
  view.setBigUint64(0x10, BigInt(0x20_0000), true);
  view.setUint32(0x38, 0x0543_5352, true);
  image.set(program, IMAGE_HEADER_BYTES);
  const conf = 'default l0\nlabel l0\n  linux /boot/vmlinux\n  append tiny\n';
  return { 'boot/vmlinux': image, 'boot/extlinux/extlinux.conf': conf };
}

function memoryStore(contents: Uint8Array) {
  return {
    bytes: contents.length,
    readOnly: false,
    read(offset: number, into: Uint8Array): void {
      into.set(contents.subarray(offset, offset + into.length));
    },
    write(offset: number, from: Uint8Array): void {
      contents.set(from, offset);
    },
    flush(): void {},
  };
}
