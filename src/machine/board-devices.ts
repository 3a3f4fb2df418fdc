/** The devices of a board and the wires between them. */
import {
  ACLINT,
  IRQ,
  M_MODE_IO,
  PARTITION_CONTROLLER,
  plicContext,
  SIDE_IO,
  SIDE_IO_BASE,
  SIDES,
  type Side,
  SLOTS_PER_SIDE,
  slotBase,
} from './board.ts';
import { type BusWindow, createBus } from './bus.ts';
import { Aclint } from './devices/aclint.ts';
import { GoldfishRtc } from './devices/goldfish-rtc.ts';
import { Iopmp } from './devices/iopmp.ts';
import { Mailbox } from './devices/mailbox.ts';
import { PartitionController } from './devices/partition-controller.ts';
import { Plic } from './devices/plic.ts';
import { Uart16550A } from './devices/uart-16550a.ts';
import { MmioTransport } from './devices/virtio/mmio-transport.ts';
import type { MmioDevice, PhysicalMemory, Snapshotted, SnapshotValue } from './door.ts';
import type { TimerSource } from './event-queue.ts';
import type { HartBus, HartLine } from './hart-contract.ts';
import { SnapshotPart } from './snapshot-part.ts';

const VERSION = 1;

export interface BoardOptions {
  readonly harts: number;
  readonly memory: PhysicalMemory;
  readonly timers: TimerSource;
  /** mtime now, in ticks. */
  readonly time: () => bigint;
  readonly setLine: (hartId: number, line: HartLine, level: boolean) => void;
  readonly onPower: (action: 'reset' | 'off') => void;
  /** The response to a mailbox request is complete: calls `deliver` when the instruction is. */
  readonly onResponse: (deliver: () => void) => void;
}

/** The devices of one side. */
export interface SideDevices {
  readonly plic: Plic;
  readonly uart: Uart16550A;
  readonly rtc: GoldfishRtc;
  readonly slots: readonly MmioTransport[];
}

type BoardDevice = MmioDevice & Snapshotted & { reset(): void };

export class BoardDevices implements Snapshotted {
  readonly bus: HartBus;
  readonly aclint: Aclint;
  readonly controller: PartitionController;
  readonly iopmp: Iopmp;
  readonly mailbox = new Mailbox();
  readonly sides: Readonly<Record<Side, SideDevices>>;
  /** In the order in which they are reset and restored: a device before the one its wires end at. */
  readonly #devices: readonly BoardDevice[];

  constructor(options: BoardOptions) {
    const { harts, setLine } = options;
    this.iopmp = new Iopmp(options.memory);
    this.aclint = new Aclint({ harts, timers: options.timers, time: options.time, setLine });
    this.controller = new PartitionController({
      harts,
      iopmp: this.iopmp,
      mailbox: this.mailbox,
      setLine,
      onPower: options.onPower,
      onResponse: options.onResponse,
    });
    const plics = { A: this.#createPlic('A', harts), B: this.#createPlic('B', harts) };
    this.sides = {
      A: this.#createSide('A', plics, options.timers),
      B: this.#createSide('B', plics, options.timers),
    };
    const { A, B } = this.sides;
    this.#devices = [A, B]
      .flatMap<BoardDevice>((side) => [side.uart, side.rtc, ...side.slots])
      .concat([A.plic, B.plic, this.controller, this.aclint]);
    this.bus = createBus(this.#windows());
  }

  #createPlic(side: Side, harts: number): Plic {
    const outputs = Array.from({ length: harts }, (_, hartId) => plicContext(hartId, 'S'));
    return new Plic({
      name: `plic${side}`,
      contexts: 2 * harts,
      // The M-mode contexts end nowhere: M-mode is told by the partition controller.
      onOutput: (context, level) => {
        const hartId = outputs.indexOf(context);
        if (hartId >= 0) this.controller.setPlicOutput(side, hartId, level);
      },
    });
  }

  #createSide(side: Side, plics: Readonly<Record<Side, Plic>>, timers: TimerSource): SideDevices {
    const plic = plics[side];
    const createSlot = (_: unknown, slot: number): MmioTransport =>
      new MmioTransport({
        name: `slot${side}${slot}`,
        port: this.iopmp.port(SIDES.indexOf(side) * SLOTS_PER_SIDE + slot),
        wire: (level) => {
          for (const each of SIDES) plics[each].setSource(IRQ.slot(side, slot), level);
        },
      });
    return {
      plic,
      uart: new Uart16550A({ name: `uart${side}`, wire: (level) => plic.setSource(IRQ.uart, level) }),
      rtc: new GoldfishRtc({ name: `rtc${side}`, timers, wire: (level) => plic.setSource(IRQ.rtc, level) }),
      slots: Array.from({ length: SLOTS_PER_SIDE }, createSlot),
    };
  }

  #windows(): BusWindow[] {
    const ofSide = (side: Side): BusWindow[] => {
      const base = SIDE_IO_BASE[side];
      const { plic, uart, rtc, slots } = this.sides[side];
      return [
        { base: base + SIDE_IO.plic.offset, bytes: SIDE_IO.plic.bytes, device: plic },
        { base: base + SIDE_IO.uart.offset, bytes: SIDE_IO.uart.bytes, device: uart },
        { base: base + SIDE_IO.rtc.offset, bytes: SIDE_IO.rtc.bytes, device: rtc },
        ...slots.map((device, slot) => ({ base: slotBase(side, slot), bytes: SIDE_IO.slots.bytes, device })),
      ];
    };
    const machineMode: BusWindow[] = [
      { ...ACLINT, device: this.aclint },
      { ...PARTITION_CONTROLLER, device: this.controller },
    ];
    for (const { base, bytes } of machineMode) {
      if (base < M_MODE_IO.base || base + bytes > M_MODE_IO.base + M_MODE_IO.bytes) {
        throw new RangeError(`0x${base.toString(16)} is outside the region that only M-mode may touch`);
      }
    }
    return [...machineMode, ...SIDES.flatMap(ofSide)];
  }

  reset(): void {
    for (const device of this.#devices) device.reset();
  }

  save(): SnapshotValue {
    return {
      version: VERSION,
      ...Object.fromEntries(this.#devices.map((device) => [device.name, device.save()])),
    };
  }

  restore(state: SnapshotValue): void {
    const part = new SnapshotPart('board', state, VERSION);
    for (const device of this.#devices) device.restore(part.value(device.name));
  }
}
