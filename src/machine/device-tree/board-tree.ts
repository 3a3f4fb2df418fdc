/**
 * The device tree of one side of the board, as unmodified Linux needs it. Sources: [DT], Linux
 * Documentation/devicetree/bindings (riscv/cpus.yaml, sifive,plic-1.0.0.yaml, virtio/mmio.yaml, pmem/pmem-region.yaml).
 *
 * The S-mode software of a side never learns of the ACLINT, the partition controller and the other side's PLIC, UART and
 * clock. There is no power-off node: power is the M-mode software's, through SBI SRST.
 */
import {
  IRQ,
  type MemoryRegion,
  plicContext,
  SIDE_IO,
  SIDE_IO_BASE,
  SIDES,
  type Side,
  SLOTS_PER_SIDE,
  slotBase,
  TIMING,
} from '../board.ts';
import type { DeviceTreeNode, DeviceTreeValue, SideMemory } from '../door.ts';

/** Single-letter extensions and their suffixes in the order of [Unpriv] "ISA Extension Naming Conventions". */
const ISA_BASE = 'rv64i';
const ISA_EXTENSIONS = ['i', 'm', 'a', 'f', 'd', 'c', 'zicntr', 'zicsr', 'zifencei', 'sstc', 'svvptc'] as const;
const ISA = 'rv64imafdc_zicntr_zicsr_zifencei_sstc_svvptc';

/** Interrupt numbers of a hart's local controller. [Priv] "Supervisor cause register values". */
const IRQ_S_EXT = 9;
/** "No interrupt": a PLIC context that is not the operating system's. */
const IRQ_NONE = 0xffff_ffff;

/** Input clock of the UART: 115200 baud at divisor 2, as on a PC. */
const UART_CLOCK_HZ = 3_686_400;

/** One memory node for all: the NUMA node dax/kmem wants to be told of. */
const NUMA_NODE = 0;

const PHANDLE = { cpuIntc: (hartId: number): number => 1 + hartId, plic: 16 } as const;

export interface BoardTreeOptions {
  readonly harts: number;
  readonly side: Side;
  readonly memory: SideMemory;
  /** Seed for the kernel's random number generator, in /chosen. */
  readonly rngSeed: Uint8Array;
}

const node = (
  name: string,
  properties: Readonly<Record<string, DeviceTreeValue>>,
  children: readonly DeviceTreeNode[] = [],
): DeviceTreeNode => ({ name, properties, children });

const hex = (address: number): string => address.toString(16);
const reg = (base: number, bytes: number): readonly bigint[] => [BigInt(base), BigInt(bytes)];

/** The tree of `side`: cpus, memory, devices, and /chosen with nothing but the seed. */
export function boardTree(options: BoardTreeOptions): DeviceTreeNode {
  const { harts, side, memory, rngSeed } = options;
  return node(
    '',
    {
      '#address-cells': [2],
      '#size-cells': [2],
      compatible: ['microvisor,node'],
      model: `Microvisor node, side ${side}`,
    },
    [
      node('chosen', { 'rng-seed': rngSeed }),
      cpus(harts),
      ...memory.own.map(memoryNode),
      ...memory.takeUp.map(takeUpNode),
      soc(side, harts),
    ],
  );
}

function cpus(harts: number): DeviceTreeNode {
  return node(
    'cpus',
    { '#address-cells': [1], '#size-cells': [0], 'timebase-frequency': [TIMING.timebaseHz] },
    Array.from({ length: harts }, (_, hartId) => cpu(hartId)),
  );
}

function cpu(hartId: number): DeviceTreeNode {
  return node(
    `cpu@${hartId}`,
    {
      device_type: 'cpu',
      reg: [hartId],
      status: 'okay',
      compatible: 'riscv',
      'riscv,isa': ISA,
      'riscv,isa-base': ISA_BASE,
      'riscv,isa-extensions': ISA_EXTENSIONS,
      'mmu-type': 'riscv,sv39',
      'numa-node-id': [NUMA_NODE],
    },
    [
      node('interrupt-controller', {
        '#interrupt-cells': [1],
        '#address-cells': [0],
        'interrupt-controller': true,
        compatible: 'riscv,cpu-intc',
        phandle: [PHANDLE.cpuIntc(hartId)],
      }),
    ],
  );
}

const memoryNode = ({ base, bytes }: MemoryRegion): DeviceTreeNode =>
  node(`memory@${hex(base)}`, { device_type: 'memory', reg: reg(base, bytes), 'numa-node-id': [NUMA_NODE] });

/** Memory an OS can add while it runs: of_pmem, devdax, kmem. `volatile`: it is RAM. */
const takeUpNode = ({ base, bytes }: MemoryRegion): DeviceTreeNode =>
  node(`pmem@${hex(base)}`, {
    compatible: 'pmem-region',
    reg: reg(base, bytes),
    volatile: true,
    'numa-node-id': [NUMA_NODE],
  });

function soc(side: Side, harts: number): DeviceTreeNode {
  const other = SIDES.filter((candidate) => candidate !== side);
  return node('soc', { '#address-cells': [2], '#size-cells': [2], compatible: 'simple-bus', ranges: true }, [
    plic(side, harts),
    uart(side),
    rtc(side),
    ...[side, ...other].flatMap((owner) => Array.from({ length: SLOTS_PER_SIDE }, (_, slot) => virtio(owner, slot))),
  ]);
}

function plic(side: Side, harts: number): DeviceTreeNode {
  const base = SIDE_IO_BASE[side] + SIDE_IO.plic.offset;
  const contexts = new Array<number>(4 * harts).fill(0);
  for (let hartId = 0; hartId < harts; hartId++) {
    contexts.splice(2 * plicContext(hartId, 'M'), 2, PHANDLE.cpuIntc(hartId), IRQ_NONE);
    contexts.splice(2 * plicContext(hartId, 'S'), 2, PHANDLE.cpuIntc(hartId), IRQ_S_EXT);
  }
  return node(`interrupt-controller@${hex(base)}`, {
    compatible: 'sifive,plic-1.0.0',
    reg: reg(base, SIDE_IO.plic.bytes),
    '#interrupt-cells': [1],
    '#address-cells': [0],
    'interrupt-controller': true,
    'interrupts-extended': contexts,
    'riscv,ndev': [IRQ.sources],
    phandle: [PHANDLE.plic],
  });
}

/** `serial@...` of a side: what stdout-path names. */
export const uartPath = (side: Side): string => `/soc/serial@${hex(SIDE_IO_BASE[side] + SIDE_IO.uart.offset)}`;

function uart(side: Side): DeviceTreeNode {
  const base = SIDE_IO_BASE[side] + SIDE_IO.uart.offset;
  return node(`serial@${hex(base)}`, {
    compatible: 'ns16550a',
    reg: reg(base, SIDE_IO.uart.bytes),
    interrupts: [IRQ.uart],
    'interrupt-parent': [PHANDLE.plic],
    'clock-frequency': [UART_CLOCK_HZ],
    'reg-shift': [0],
  });
}

function rtc(side: Side): DeviceTreeNode {
  const base = SIDE_IO_BASE[side] + SIDE_IO.rtc.offset;
  return node(`rtc@${hex(base)}`, {
    compatible: 'google,goldfish-rtc',
    reg: reg(base, SIDE_IO.rtc.bytes),
    interrupts: [IRQ.rtc],
    'interrupt-parent': [PHANDLE.plic],
  });
}

function virtio(owner: Side, slot: number): DeviceTreeNode {
  const base = slotBase(owner, slot);
  return node(`virtio_mmio@${hex(base)}`, {
    compatible: 'virtio,mmio',
    reg: reg(base, SIDE_IO.slots.bytes),
    interrupts: [IRQ.slot(owner, slot)],
    'interrupt-parent': [PHANDLE.plic],
  });
}
