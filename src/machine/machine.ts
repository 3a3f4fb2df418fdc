/** The machine: harts, RAM and the board's devices, put together. */
import { memoryMap, RAM_BASE, type Side, SLOTS_PER_SIDE } from './board.ts';
import { BoardDevices } from './board-devices.ts';
import { createSlot } from './board-slot.ts';
import { boardTree } from './device-tree/board-tree.ts';
import type {
  BytePort,
  DeviceTreeNode,
  Machine,
  MachineCounters,
  MachineModeProgram,
  MachineOptions,
  NodeTimeNs,
  PhysicalMemory,
  RunStop,
  Scheduler,
  SideMemory,
  Slot,
  SnapshotValue,
} from './door.ts';
import { EventQueue } from './event-queue.ts';
import { createHart } from './hart/hart.ts';
import type { Hart, HartLine, HartOptions } from './hart-contract.ts';
import { HartRunner } from './hart-runner.ts';
import { createMachineModeHart } from './machine-mode-hart.ts';
import { createPhysicalMemory, type GuestMemory } from './memory.ts';
import { restoreMemory, saveMemory } from './memory-snapshot.ts';
import { SnapshotPart } from './snapshot-part.ts';

const VERSION = 1;

/** Entropy a kernel starts its random number generator with: as many bytes as its ChaCha20 key has. */
const RNG_SEED_BYTES = 32;

type Power = 'on' | 'off' | 'reset-asked' | 'off-asked';

class BoardMachine implements Machine {
  readonly options: MachineOptions;
  readonly memory: PhysicalMemory;
  readonly #programs = new Map<number, MachineModeProgram>();
  readonly #entries = new Set<number>();
  readonly #runner: HartRunner;
  readonly #events: EventQueue;
  readonly #board: BoardDevices;
  readonly #harts: readonly Hart[];
  readonly #slots: Readonly<Record<Side, readonly Slot[]>>;
  /** Levels of the wires that end at harts, by `hartId:line`. */
  readonly #lines = new Map<string, boolean>();
  #power: Power = 'off';
  #resetEntry = 0;
  #isRunning = false;
  #isPauseAsked = false;

  constructor(options: MachineOptions, parts: MachineParts) {
    this.options = options;
    const memory = parts.createMemory(RAM_BASE, memoryMap(options.bankBytes).ramBytes);
    this.memory = memory;
    this.#runner = new HartRunner({ clock: options.clock, events: () => this.#events }, this.#programs);
    this.#events = new EventQueue(
      () => this.#runner.now(),
      (atNs) => this.#runner.scheduled(atNs),
    );
    this.#board = new BoardDevices({
      harts: options.harts,
      memory,
      timers: this.#events,
      time: () => this.#runner.ticks(),
      setLine: (hartId, line, level) => this.#setLine(hartId, line, level),
      onPower: (action) => this.#askPower(action === 'off' ? 'off-asked' : 'reset-asked'),
      onResponse: (deliver) => this.#events.at(this.now(), deliver),
    });
    this.#harts = Array.from({ length: options.harts }, (_, hartId) =>
      parts.createHart({
        hartId,
        memory,
        bus: this.#board.bus,
        time: () => this.#runner.ticks(),
        waitedNs: () => this.#runner.waitedNs(hartId),
        machineModeEntries: this.#entries,
        translate: options.translate,
        knownCode: options.knownCode,
      }),
    );
    for (const hart of this.#harts) this.#runner.addHart(hart, this.#machineModeHart(hart));
    this.#slots = { A: this.#createSlots('A'), B: this.#createSlots('B') };
  }

  #machineModeHart(hart: Hart) {
    return createMachineModeHart({
      hart,
      memory: this.memory,
      bus: this.#board.bus,
      charge: (cycles) => this.#runner.charge(cycles),
      time: () => this.#runner.ticks(),
    });
  }

  #createSlots(side: Side): Slot[] {
    return Array.from({ length: SLOTS_PER_SIDE }, (_, index) =>
      createSlot({
        side,
        index,
        transport: this.#board.sides[side].slots[index]!,
        timers: this.#events,
        random: this.options.random,
      }),
    );
  }

  #setLine(hartId: number, line: HartLine, level: boolean): void {
    const key = `${hartId}:${line}`;
    if ((this.#lines.get(key) ?? false) === level) return;
    this.#lines.set(key, level);
    this.#harts[hartId]!.setLine(line, level);
    if (level) this.#runner.wireRose(hartId);
  }

  #askPower(power: Power): void {
    this.#power = power;
    this.#runner.interrupt();
  }

  get scheduler(): Scheduler {
    return this.#events;
  }

  get counters(): MachineCounters {
    const entries: Record<string, number> = {};
    for (const hart of this.#harts) {
      for (const [mcause, count] of hart.machineModeEntries) {
        const key = `0x${mcause.toString(16)}`;
        entries[key] = (entries[key] ?? 0) + count;
      }
    }
    return {
      retiredInstructions: this.#harts.reduce((sum, hart) => sum + hart.retired, 0),
      machineModeEntries: entries,
      chargedCycles: this.#runner.chargedCycles,
      idleNs: this.#runner.idleNs,
    };
  }

  slot(side: Side, index: number): Slot {
    const slot = this.#slots[side][index];
    if (slot === undefined) throw new RangeError(`side ${side} has slots 0 to ${SLOTS_PER_SIDE - 1}, not ${index}`);
    return slot;
  }

  uart(side: Side): BytePort {
    return this.#board.sides[side].uart.port;
  }

  attach(program: MachineModeProgram): void {
    if (this.#programs.has(program.entry)) {
      throw new Error(`there is an M-mode program at 0x${program.entry.toString(16)} already`);
    }
    this.#programs.set(program.entry, program);
    this.#entries.add(program.entry);
  }

  reset(resetEntry: number): void {
    this.#resetEntry = resetEntry;
    this.#power = 'on';
    this.#runner.reset(resetEntry);
    this.#board.reset();
    // Wires outlive the reset of a hart.
    for (const [key, level] of this.#lines) {
      const [hartId, line] = key.split(':') as [string, HartLine];
      this.#harts[Number(hartId)]!.setLine(line, level);
    }
  }

  run(untilNs: NodeTimeNs): RunStop {
    if (this.#isRunning) throw new Error('the machine runs already');
    this.#isRunning = true;
    this.#isPauseAsked = false;
    try {
      return this.#run(untilNs);
    } finally {
      this.#isRunning = false;
    }
  }

  #run(untilNs: NodeTimeNs): RunStop {
    for (;;) {
      if (this.#power === 'reset-asked') this.reset(this.#resetEntry);
      if (this.#power === 'off-asked') this.#switchOff();
      if (this.#power === 'off') return 'off';
      if (this.#isPauseAsked) return 'paused';
      const stop = this.#runner.run(untilNs);
      if (stop === 'halted') this.#power = 'off-asked';
      else if (stop !== 'interrupted') return stop;
    }
  }

  /** What was in flight in devices is lost. */
  #switchOff(): void {
    this.#power = 'off';
    this.#runner.halt();
    this.#board.reset();
  }

  pause(): void {
    this.#isPauseAsked = true;
    this.#runner.interrupt();
  }

  now(): NodeTimeNs {
    return this.#runner.now();
  }

  nextEventNs(): NodeTimeNs | undefined {
    const nextNs = this.#runner.nextNs();
    return nextNs === Number.POSITIVE_INFINITY ? undefined : nextNs;
  }

  postMailbox(request: Uint8Array, onResponse: (response: Uint8Array) => void): void {
    this.#board.mailbox.post(request, onResponse);
    this.#board.controller.mailboxPosted();
  }

  save(): SnapshotValue {
    if (this.#isRunning) throw new Error('a running machine cannot be saved: pause it');
    return {
      version: VERSION,
      power: this.#power,
      resetEntry: this.#resetEntry,
      memory: saveMemory(this.memory),
      board: this.#board.save(),
      events: this.#events.save(),
      harts: this.#runner.save(),
    };
  }

  restore(state: SnapshotValue): void {
    if (this.#isRunning) throw new Error('a running machine cannot be restored: pause it');
    const part = new SnapshotPart('machine', state, VERSION);
    this.#power = part.string('power') as Power;
    this.#resetEntry = part.number('resetEntry');
    this.#runner.restoreTime(part.value('harts'));
    restoreMemory(this.memory, part.value('memory'));
    this.#board.restore(part.value('board'));
    this.#events.restore(part.value('events'));
    this.#runner.restore(part.value('harts'));
  }

  deviceTree(side: Side, memory: SideMemory): DeviceTreeNode {
    return boardTree({ harts: this.options.harts, side, memory, rngSeed: this.options.random(RNG_SEED_BYTES) });
  }
}

/** What a machine is made of; a test may bring its own. */
export interface MachineParts {
  readonly createMemory: (base: number, bytes: number) => GuestMemory;
  readonly createHart: (options: HartOptions) => Hart;
}

/** A machine that is switched off: `attach` M-mode software, `plug` devices, then `reset`. */
export function createMachine(
  options: MachineOptions,
  parts: MachineParts = { createMemory: createPhysicalMemory, createHart },
): Machine {
  return new BoardMachine(options, parts);
}
