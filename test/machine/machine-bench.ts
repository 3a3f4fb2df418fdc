/** Machines that run small assembled programs. */
import {
  ACLINT,
  IRQ,
  MIB,
  PARTITION_CONTROLLER,
  RAM_BASE,
  SIDE_IO,
  SIDE_IO_BASE,
  slotBase,
} from '../../src/machine/board.ts';
import { type BlockStore, type Machine, type MachineOptions, PARTITION_REGISTERS } from '../../src/machine/door.ts';
import { CSRS } from '../../src/machine/hart/csr-table.ts';
import { assemble } from '../../src/machine/isa/assemble.ts';
import { createMachine } from '../../src/machine/machine.ts';

/** Where programs start, and where they leave what a test looks at. */
export const CODE = RAM_BASE + 4 * MIB;
export const RESULT = RAM_BASE + 6 * MIB;
export const UART = SIDE_IO_BASE.A + SIDE_IO.uart.offset;
export const PLIC = SIDE_IO_BASE.A + SIDE_IO.plic.offset;
export const NS_PER_MS = 1_000_000;

/** Offsets in the PLIC of the M and S contexts of hart 0. */
export const PLIC_S = { enable: PLIC + 0x2080, claim: PLIC + 0x20_1004 } as const;

export const MTIMECMP = (hartId: number): number => ACLINT.base + 0x4000 + 8 * hartId;
export const MSIP = (hartId: number): number => ACLINT.base + 4 * hartId;
export const CONTROLLER = (register: keyof typeof PARTITION_REGISTERS): number =>
  PARTITION_CONTROLLER.base + PARTITION_REGISTERS[register];

const SYMBOLS: ReadonlyMap<string, number> = new Map(CSRS.map((csr) => [csr.name, csr.address]));

/** Assembly that stores a constant at an address; uses t0 and t1. */
export const store = (address: number, value: number, mnemonic: 'sb' | 'sw' | 'sd' = 'sw'): string =>
  `li t0, ${address}; li t1, ${value}; ${mnemonic} t1, 0(t0)`;
/** Assembly that keeps a register in the result area; uses t0. */
export const keep = (register: string, index = 0): string => `li t0, ${RESULT}; sd ${register}, ${8 * index}(t0)`;
export const POWER_OFF = `${store(CONTROLLER('power'), 2)}; switched_off: j switched_off`;

export const bytesOfProgram = (source: string, base = CODE): Uint8Array =>
  assemble(source, { base, symbols: SYMBOLS }).bytes;

export function createTestMachine(overrides: Partial<MachineOptions> = {}): Machine {
  let seed = 1;
  const random = (bytes: number): Uint8Array =>
    Uint8Array.from({ length: bytes }, () => {
      seed = (seed * 75) % 65_537;
      return seed;
    });
  return createMachine({ harts: 1, bankBytes: 128 * MIB, clock: { kind: 'virtual' }, random, ...overrides });
}

/** Loads a program and resets the machine into it, in M-mode. */
export function start(source: string, machine = createTestMachine()): Machine {
  machine.memory.write(CODE, bytesOfProgram(source));
  machine.reset(CODE);
  return machine;
}

/** 64-bit word of the result area. */
export function result(machine: Machine, index = 0): number {
  const bytes = machine.memory.view(RESULT + 8 * index, 8);
  return Number(new DataView(bytes.buffer, bytes.byteOffset).getBigUint64(0, true));
}

/** A disk of 64 KiB whose second sector is 0xa5. */
export class TestDisk implements BlockStore {
  readonly bytes = 0x1_0000;
  readonly readOnly = false;
  readonly data = new Uint8Array(0x1_0000).fill(0xa5, 512, 1024);
  read(offset: number, into: Uint8Array): void {
    into.set(this.data.subarray(offset, offset + into.length));
  }
  write(offset: number, from: Uint8Array): void {
    this.data.set(from, offset);
  }
  flush(): void {}
}

export const RING = RAM_BASE + 5 * MIB;
/** Where `READ_SECTOR` has the device put the sector. */
export const SECTOR = RESULT + 0x1000;
export const SECTOR_STATUS = RING + 0x310;

const slot = slotBase('A', 0);
const descriptor = (index: number, address: number, bytes: number, flags: number, next: number): string =>
  [
    store(RING + 16 * index, address, 'sd'),
    store(RING + 16 * index + 8, bytes),
    store(RING + 16 * index + 12, flags + 0x1_0000 * next),
  ].join('\n');

/** Brings up the block device in slot A0 by hand, reads its second sector, waits, claims the interrupt in s2. */
const READ_SECTOR = `
  ${[
    [0x70, 0],
    [0x70, 3],
    [0x24, 1],
    [0x20, 1],
    [0x70, 0xb],
    [0x38, 8],
    [0x80, RING],
    [0x90, RING + 0x100],
    [0xa0, RING + 0x200],
    [0x44, 1],
    [0x70, 0xf],
  ]
    .map(([offset, value]) => store(slot + offset!, value!))
    .join('\n')}
  ${descriptor(0, RING + 0x300, 16, 1, 1)}
  ${descriptor(1, SECTOR, 512, 3, 2)}
  ${descriptor(2, SECTOR_STATUS, 1, 2, 0)}
  ${store(RING + 0x308, 1, 'sd')}
  ${store(RING + 0x100, 0x1_0000)}
  ${store(PLIC + 4 * IRQ.slot('A', 0), 1)}
  ${store(PLIC_S.enable, 2 ** IRQ.slot('A', 0))}
  ${store(CONTROLLER('steer'), 2)}
  li t0, 0x800
  csrw mie, t0
  ${store(slot + 0x50, 0)}
  wfi
  li t0, ${PLIC_S.claim}
  lwu s2, 0(t0)
`;

/** A machine with a `TestDisk` in slot A0 that reads a sector and powers off. */
export function startReadingSector(machine = createTestMachine()): Machine {
  machine.slot('A', 0).plug({ kind: 'block', store: new TestDisk(), serial: 'one' });
  return start(READ_SECTOR + POWER_OFF, machine);
}
