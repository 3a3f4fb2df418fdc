/**
 * What the machine is to the layers above it, and what its parts are to each other.
 *
 * Invariants:
 * 1. The machine knows no software: no SBI, no Linux, no files, no sockets, no npm package.
 * 2. It never reads a clock or a random source; it is given them.
 * 3. A run is synchronous. Everything that happens to a hart happens at an instruction boundary whose virtual time is
 *    known, so that the same inputs at the same virtual times give the same machine, bit for bit.
 */
import type { MemoryRegion, Side } from './board.ts';
import type { KnownCode } from './translator/known-code.ts';

// ---------------------------------------------------------------------------------------------------------- time

/** Nanoseconds of node time since reset, an integer below 2^53 (104 days). */
export type NodeTimeNs = number;

/** `virtual`: retired instructions plus charged cycles plus skipped idle time. `realtime`: what `nowNs` says. */
export type MachineClock =
  | { readonly kind: 'virtual' }
  | { readonly kind: 'realtime'; readonly nowNs: () => NodeTimeNs };

/** Work devices do later. Events of the same instant run in the order they were scheduled. */
export interface Scheduler {
  now(): NodeTimeNs;
  /** Runs `event` at `atNs` (never earlier than now, never inside an instruction); returns how to call it off. */
  at(atNs: NodeTimeNs, event: () => void): () => void;
}

// -------------------------------------------------------------------------------------------------------- memory

/** Physical RAM. Addresses are physical; a range outside RAM is refused by `contains` and asserted elsewhere. */
export interface PhysicalMemory {
  readonly base: number;
  readonly bytes: number;
  contains(address: number, bytes: number): boolean;
  /** A live view, valid until the machine is dropped. Read only: writes through it would miss cached code. */
  view(address: number, bytes: number): Uint8Array;
  /** Writes and drops every predecoded or translated instruction of the pages it touches. */
  write(address: number, bytes: Uint8Array): void;
}

// ------------------------------------------------------------------------------------------------------- devices

export type AccessBytes = 1 | 2 | 4 | 8;

/** A device behind MMIO. Offsets are relative to its window. An access it does not define reads 0 and ignores writes. */
export interface MmioDevice {
  readonly name: string;
  read(offset: number, bytes: AccessBytes): bigint;
  write(offset: number, bytes: AccessBytes, value: bigint): void;
}

/** State of one part of a machine in a snapshot: plain JSON values plus byte arrays. */
export type SnapshotValue =
  | null
  | boolean
  | number
  | string
  | bigint
  | Uint8Array
  | readonly SnapshotValue[]
  | { readonly [key: string]: SnapshotValue };

export interface Snapshotted {
  save(): SnapshotValue;
  restore(state: SnapshotValue): void;
}

/** An interrupt wire, level triggered. */
export type Wire = (level: boolean) => void;

/**
 * What a device may do to memory: checked against the IOPMP entry of the slot it sits in. An access outside the
 * owner's memory moves no byte: `read` gives undefined, `write` gives false, and the denial is counted.
 */
export interface DmaPort {
  read(address: number, bytes: number): Uint8Array | undefined;
  write(address: number, bytes: Uint8Array): boolean;
}

/** A virtio device to plug into a slot; the transport (virtio-mmio) is the slot's. */
export interface VirtioDevice extends Snapshotted {
  /** virtio device type, [VIRTIO] "Device Types": 1 net, 2 block, 3 console, 4 entropy. */
  readonly deviceType: number;
}

/** Where a block device keeps its sectors. Synchronous: the machine asks at an instant of virtual time. */
export interface BlockStore {
  readonly bytes: number;
  readonly readOnly: boolean;
  read(offset: number, into: Uint8Array): void;
  /** May stay in a volatile write cache until `flush`. */
  write(offset: number, from: Uint8Array): void;
  /** Everything written before is durable when it returns. */
  flush(): void;
  /** The disk is broken: every request ends with an I/O error and reaches nothing. Absent: it never is. */
  fails?(): boolean;
}

/** `read`, `write` or `flush` of a `BlockStore` could not be done this time: the request ends with an I/O error. */
export class MediumError extends Error {
  override readonly name = 'MediumError';
}

/** The wire side of a network device. Frames are Ethernet II without FCS. */
export interface EthernetPort {
  /** The device calls it for each frame the guest sends, at the time the frame has left the device. */
  onTransmit: (frame: Uint8Array) => void;
  /** A frame for the guest; dropped when the guest has no receive buffer (counted). */
  receive(frame: Uint8Array): void;
}

/** The far end of a UART or of a console port. */
export interface BytePort {
  onOutput: (bytes: Uint8Array) => void;
  input(bytes: Uint8Array): void;
}

/** A named port of a virtio console. */
export interface ConsolePort extends BytePort {
  /** A program in the guest has opened it since its device was reset last. */
  readonly wasOpened: boolean;
  /** Its device was reset after it had been opened: the OS that had it is gone, or on its way. Called during a run. */
  onReset: () => void;
}

// ------------------------------------------------------------------------------------------------------- M-mode

/** Why M-mode software is entered. `resume`: after a `wfi` it asked for. */
export type MachineModeEntry = 'reset' | 'trap' | 'resume';

/** What the hart does when M-mode software returns. */
export type MachineModeReturn = 'mret' | 'wfi' | 'off';

/**
 * All that M-mode software has: the hart's registers and CSRs, physical memory, MMIO, and the cycles it is charged.
 * It has no other view of the machine.
 */
export interface MachineModeHart {
  readonly hartId: number;
  x(register: number): bigint;
  setX(register: number, value: bigint): void;
  /** Raw 64 bits of a floating-point register, NaN-boxed as held. */
  f(register: number): bigint;
  setF(register: number, value: bigint): void;
  /** As `csrr` in M-mode. An unimplemented CSR throws `IllegalCsrError`. */
  csr(address: number): bigint;
  /** As `csrw` in M-mode, WARL rules included. */
  setCsr(address: number, value: bigint): void;
  /** Physical load and store as M-mode does them, RAM or MMIO, little endian, naturally aligned. An address where
   * nothing answers gives undefined, or false. */
  load(address: number, bytes: AccessBytes): bigint | undefined;
  store(address: number, bytes: AccessBytes, value: bigint): boolean;
  /** Copies between M-mode software and RAM (as a loop of loads or stores would); undefined or false outside RAM. */
  readMemory(address: number, bytes: number): Uint8Array | undefined;
  writeMemory(address: number, bytes: Uint8Array): boolean;
  /**
   * `sfence.vma`: for one address or all, of the address space of an ASID or of all. A change of PMP or satp needs none on this machine: a hart's translations are tagged with the
   * contents of both.
   */
  fenceVma(address?: bigint, asid?: bigint): void;
  /** `fence.i`. */
  fenceI(): void;
  /** Charges cycles for work done here; adds to node time (virtual clock). */
  charge(cycles: number): void;
  /** Node time including what was charged so far, as M-mode reads it from mtime, in ticks. */
  time(): bigint;
}

/**
 * M-mode software in TypeScript. It occupies the address `entry` in firmware memory: whenever a hart in M-mode is about
 * to execute at an attached entry (mtvec points there and a trap is taken to M-mode, or the reset vector does), the
 * machine calls `enter` instead of fetching instructions. With no program at mtvec, guest code runs in M-mode as usual.
 */
export interface MachineModeProgram {
  readonly entry: number;
  enter(hart: MachineModeHart, why: MachineModeEntry): MachineModeReturn;
}

// ------------------------------------------------------------------------------------------- partition controller

/**
 * Registers of the partition controller (M-mode only; see devices/partition-controller.ts for the layout):
 * interrupt steering of each side's PLIC, IOPMP ranges per slot, mailbox to the service processor, power.
 */
export const PARTITION_REGISTERS = {
  /** RW, per side (A at +0, B at +4), per hart bit pairs: 0 off, 1 drive SEIP, 2 drive MEIP. Hart n is bits 2n+1..2n. */
  steer: 0x000,
  /** RO. Bit 0: side A's PLIC asserts its S context of some hart while steered to MEIP; bit 1: side B; bit 2: mailbox. */
  pending: 0x010,
  /** RW. 1 resets the node, 2 powers it off. */
  power: 0x020,
  /** RO: request bytes waiting. Reading `mailboxData` takes them one 4-byte word at a time. */
  mailboxRequestBytes: 0x030,
  mailboxData: 0x034,
  /** WO: writes the response, word by word; then its length in bytes into `mailboxDone`, which clears the request. */
  mailboxResponse: 0x038,
  mailboxDone: 0x03c,
  /**
   * IOPMP: 16 slots (side A 0..7, side B 8..15) of 4 ranges of {base, bytes}, 8 bytes each, at
   * iopmp + slot * 64 + range * 16. bytes 0 = range off. Out of reset the first range of each slot is all of RAM.
   */
  iopmp: 0x1000,
  iopmpRangesPerSlot: 4,
  /** RO, 4 bytes per slot: accesses denied so far. */
  iopmpDenied: 0x2000,
} as const;

// ------------------------------------------------------------------------------------------------------- machine

/**
 * What is turned into machine code of its own: what is executed often, everything at its first execution (for tests),
 * or nothing. The guest cannot tell: instruction counts, traps and memory are the same.
 */
export type Translate = 'hot' | 'all' | 'off';

export interface MachineOptions {
  readonly harts: 1 | 2 | 3 | 4;
  readonly bankBytes: number;
  readonly clock: MachineClock;
  /** Bytes for the entropy device and the device tree's rng-seed; deterministic when the caller's is. */
  readonly random: (bytes: number) => Uint8Array;
  /** `hot` unless said otherwise. */
  readonly translate?: Translate | undefined;
  /** What other machines learned of the code they ran; this one adds to it. Changes how fast it is, nothing else. */
  readonly knownCode?: KnownCode | undefined;
}

export type RunStop =
  /** `untilNs` was reached. */
  | 'time'
  /** `pause()` was called, from an event or an M-mode program. */
  | 'paused'
  /** realtime only: every hart waits; nothing happens before `nextEventNs()` unless something comes from outside. */
  | 'idle'
  /** The node was powered off. */
  | 'off';

export type SlotDevice =
  | { readonly kind: 'block'; readonly store: BlockStore; readonly serial: string }
  | { readonly kind: 'net'; readonly mac: string }
  | { readonly kind: 'console'; readonly ports: readonly string[] }
  | { readonly kind: 'rng' };

/** What plugging gives back: the outside of the device. */
export interface PluggedDevice {
  readonly kind: SlotDevice['kind'];
  /** For `net`. */
  readonly ethernet?: EthernetPort;
  /** For `console`: by port name. */
  readonly ports?: ReadonlyMap<string, ConsolePort>;
  /** Requests the device has taken from a ring and not completed. */
  inFlight(): number;
}

export interface Slot {
  readonly side: Side;
  readonly index: number;
  readonly device: PluggedDevice | undefined;
  plug(device: SlotDevice): PluggedDevice;
  /** Pulls the device out: the slot reads DeviceID 0 from now on, requests in flight are dropped. */
  unplug(): void;
}

/** Counts since reset. */
export interface MachineCounters {
  readonly retiredInstructions: number;
  /** Entries into M-mode by mcause (interrupts have bit 31 set: 0x8000_0007 is the M timer). */
  readonly machineModeEntries: Readonly<Record<string, number>>;
  readonly chargedCycles: number;
  readonly idleNs: number;
}

export interface Machine {
  readonly options: MachineOptions;
  readonly memory: PhysicalMemory;
  readonly scheduler: Scheduler;
  readonly counters: MachineCounters;
  slot(side: Side, index: number): Slot;
  uart(side: Side): BytePort;
  /** Places an M-mode program at its entry address. */
  attach(program: MachineModeProgram): void;
  /** Power-on or reset: harts at `resetEntry` in M-mode, devices reset, RAM left as it is. */
  reset(resetEntry: number): void;
  run(untilNs: NodeTimeNs): RunStop;
  pause(): void;
  now(): NodeTimeNs;
  /** Earliest time at which anything is due, or undefined when all is silent. */
  nextEventNs(): NodeTimeNs | undefined;
  /** Service processor: hands M-mode software a request through the mailbox; `onResponse` is called during a run. */
  postMailbox(request: Uint8Array, onResponse: (response: Uint8Array) => void): void;
  save(): SnapshotValue;
  restore(state: SnapshotValue): void;
  /** Device tree source model of one side: cpus, memory, that side's devices. The firmware adds /chosen. */
  deviceTree(side: Side, memory: SideMemory): DeviceTreeNode;
}

/** The memory an OS is told of: its own, and regions it may take up later (`pmem-region`). */
export interface SideMemory {
  readonly own: readonly MemoryRegion[];
  readonly takeUp: readonly MemoryRegion[];
}

/** A device tree node; numbers are 32-bit cells, bigint 64-bit (two cells). */
export interface DeviceTreeNode {
  readonly name: string;
  readonly properties: Readonly<Record<string, DeviceTreeValue>>;
  readonly children: readonly DeviceTreeNode[];
}
export type DeviceTreeValue = true | string | readonly string[] | readonly (number | bigint)[] | Uint8Array;

export class IllegalCsrError extends Error {
  override readonly name = 'IllegalCsrError';
  readonly csr: number;
  constructor(csr: number) {
    super(`no CSR 0x${csr.toString(16)} in this hart`);
    this.csr = csr;
  }
}
