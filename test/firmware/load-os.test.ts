import { describe, expect, it } from 'vitest';
import { CSR, REG } from '../../src/firmware/csr.ts';
import {
  type BoardRom,
  FIRMWARE_ENTRY,
  Firmware,
  loadOs,
  type OsToLoad,
  sideMemory,
} from '../../src/firmware/index.ts';
import {
  MIB,
  memoryMap,
  PARTITION_CONTROLLER,
  PARTITION_REGISTERS,
  RAM_BASE,
  SIDE_IO,
  SIDE_IO_BASE,
  type Side,
  slotBase,
} from '../../src/machine/index.ts';
import { hasTool, type ImageContents, makeExt4 } from './ext4-image.ts';
import { FakeHart, fakeUart, latch } from './fake-hart.ts';
import { FakeVirtioBlock } from './fake-virtio-block.ts';

const map = memoryMap(128 * MIB);
const IMAGE_BYTES = 0x50_0000;

function kernel(bytes: number): Uint8Array {
  const image = Uint8Array.from({ length: bytes }, (_, index) => (index * 13 + (index >> 12)) & 0xff);
  const view = new DataView(image.buffer);
  view.setBigUint64(0x10, BigInt(IMAGE_BYTES), true);
  view.setBigUint64(0x18, 0n, true);
  view.setUint32(0x38, 0x0543_5352, true);
  return image;
}

const KERNEL = kernel(4_000_000);
const INITRD = new TextEncoder().encode('an initrd of no particular size');

const CONF = `default l0
label l0
  linux /boot/vmlinux
  initrd /boot/initrd
  append root=/dev/vda quiet
label l1
  linux /boot/vmlinux-old
`;

const GOOD: ImageContents = {
  files: { 'boot/vmlinux': KERNEL, 'boot/initrd': INITRD, 'boot/extlinux/extlinux.conf': CONF },
};

const rom: BoardRom = {
  deviceTree: (side, memory) => ({
    name: '',
    properties: { model: side, own: memory.own.map(({ base }) => BigInt(base)) },
    children: [{ name: 'chosen', properties: { 'rng-seed': Uint8Array.of(1, 2, 3) }, children: [] }],
  }),
};

interface Board {
  readonly hart: FakeHart;
  readonly disk: FakeVirtioBlock;
  readonly uart: { text: string };
  readonly partition: Map<number, bigint>;
  readonly plic: Map<number, bigint>;
}

function board(side: Side, image: Uint8Array): Board {
  const hart = new FakeHart(map.ramBytes);
  const disk = new FakeVirtioBlock(hart, slotBase(side, 0), image);
  const uart = fakeUart(SIDE_IO_BASE[side] + SIDE_IO.uart.offset);
  const partition = latch(PARTITION_CONTROLLER.base, PARTITION_CONTROLLER.bytes);
  const plic = latch(SIDE_IO_BASE[side] + SIDE_IO.plic.offset, SIDE_IO.plic.bytes);
  const aclint = latch(0x0200_0000, 0x1_0000);
  hart.devices.push(disk, uart, partition, plic, aclint);
  return { hart, disk, uart, partition: partition.values, plic: plic.values };
}

function boot(
  { hart, disk }: Board,
  os: OsToLoad,
): ReturnType<typeof loadOs> extends Generator<unknown, infer T> ? T : never {
  const load = loadOs(hart, os, rom);
  for (;;) {
    const step = load.next();
    if (step.done === true) return step.value;
    disk.complete();
  }
}

const osOf = (side: Side, service = true): OsToLoad => ({
  side,
  memory: sideMemory(map, side),
  service,
  takesUp: service,
});

describe.skipIf(!hasTool('mkfs.ext4'))('loading an OS from the disk of its side', () => {
  const image = makeExt4(GOOD);

  it.each(['A', 'B'] as const)('puts kernel, initrd and device tree in the memory of side %s', (side) => {
    const setup = board(side, image);
    const os = boot(setup, osOf(side));
    const bank = map.bank[side].base;
    expect(os).toEqual({
      entry: bank,
      deviceTree: bank + 6 * MIB,
      label: 'l0',
      bootargs: `root=/dev/vda quiet mv.side=${side} mv.service=1 mv.memory=1`,
    });
    expect(setup.hart.readMemory(os.entry, KERNEL.length)).toEqual(KERNEL);
    expect(setup.hart.readMemory(bank + 8 * MIB, INITRD.length)).toEqual(INITRD);
    const blob = Buffer.from(setup.hart.readMemory(os.deviceTree, 4096)!);
    expect(blob.readUInt32BE(0)).toBe(0xd00d_feed);
    for (const text of [os.bootargs, 'linux,initrd-start', 'rng-seed', 'stdout-path', '/soc/serial@']) {
      expect(blob.includes(text), text).toBe(true);
    }
    expect(setup.uart.text).toBe(`firmware: side ${side} boots l0: /boot/vmlinux\r\n`);
  });

  it('writes to no memory but the OS’s own', () => {
    const setup = board('B', image);
    boot(setup, osOf('B', false));
    const isZero = (base: number, bytes: number): boolean =>
      Buffer.compare(setup.hart.readMemory(base, bytes)!, Buffer.alloc(bytes)) === 0;
    expect(isZero(RAM_BASE, map.lowStub.B.base - RAM_BASE)).toBe(true);
    const end = map.lowStub.B.base + map.lowStub.B.bytes;
    expect(isZero(end, map.bank.B.base - end)).toBe(true);
  });

  it('asks the disk for several large pieces at once and leaves it reset and its interrupt off', () => {
    const setup = board('A', image);
    boot(setup, osOf('A'));
    expect(setup.disk.mostInFlight).toBeGreaterThanOrEqual(4);
    expect(setup.disk.register(0x70)).toBe(0);
    expect(setup.plic.get(0x2080)).toBe(0n);
    expect(setup.plic.get(4)).toBe(0n);
    expect(setup.hart.charged).toBe(0);
  });

  it.each([
    ['is missing', {}, 'no such file'],
    ['is no kernel', { 'boot/vmlinux': new Uint8Array(4096) }, 'no RISC-V Image'],
  ])('falls back to the next entry when the kernel of the default %s, and says so', (_, broken, reason) => {
    const files = { 'boot/extlinux/extlinux.conf': CONF, 'boot/initrd': INITRD, 'boot/vmlinux-old': KERNEL, ...broken };
    const setup = board('A', makeExt4({ files }));
    expect(boot(setup, osOf('A')).label).toBe('l1');
    expect(setup.uart.text).toContain('firmware: cannot boot l0: /boot/vmlinux');
    expect(setup.uart.text).toContain(reason);
  });

  it('tries so many entries, and says of each as much as a person reads, of a disk that lists thousands', () => {
    const name = 'x'.repeat(10_000);
    const conf = Array.from({ length: 5000 }, (_, index) => `label ${index}${name.slice(0, 500)}\nlinux /${name}\n`);
    const setup = board('A', makeExt4({ files: { 'boot/extlinux/extlinux.conf': conf.join('').slice(0, 4_000_000) } }));
    expect(() => boot(setup, osOf('A'))).toThrow('no boot entry loads');
    expect(setup.uart.text.split('\r\n')).toHaveLength(33);
    expect(setup.uart.text.length).toBeLessThan(32 * 500);
  });

  it.each<[string, (setup: Board) => void, Uint8Array, string]>([
    [
      'no disk',
      ({ disk }) => {
        disk.deviceId = 0;
      },
      image,
      'slot 0 of side A has no virtio block device',
    ],
    [
      'a failing disk',
      ({ disk }) => {
        disk.failing = true;
      },
      image,
      'the disk answered 1 to a read of 1024 bytes at 1024',
    ],
    ['an empty file system', () => undefined, makeExt4({}), 'has none of /boot/extlinux/extlinux.conf'],
    ['no file system', () => undefined, new Uint8Array(1 << 20), 'no ext4 file system'],
  ])('with %s it ends with a reason', (_, breakIt, contents, message) => {
    const setup = board('A', contents);
    breakIt(setup);
    expect(() => boot(setup, osOf('A'))).toThrow(message);
  });

  describe('by the firmware out of reset', () => {
    function reset(setup: Board, side: Side): string {
      const firmware = new Firmware({ bankBytes: 128 * MIB, harts: 1, rom, bootSide: side });
      let back = firmware.enter(setup.hart, 'reset');
      while (back === 'wfi') {
        setup.disk.complete();
        back = firmware.enter(setup.hart, 'resume');
      }
      return back;
    }

    it('enters the kernel in S-mode with hart id and device tree, and leaves the bare state', () => {
      const setup = board('B', image);
      expect(reset(setup, 'B')).toBe('mret');
      const { hart } = setup;
      expect([hart.x(REG.a0), hart.x(REG.a1)]).toEqual([0n, BigInt(map.bank.B.base + 6 * MIB)]);
      expect(hart.csr(CSR.mepc)).toBe(BigInt(map.bank.B.base));
      expect(hart.csr(CSR.mstatus)).toBe(1n << 11n);
      expect(hart.csr(CSR.mtvec)).toBe(BigInt(FIRMWARE_ENTRY));
      expect(hart.csr(CSR.mie)).toBe(0x808n);
      expect(setup.partition.get(PARTITION_REGISTERS.steer)).toBe(0n);
      expect(setup.partition.get(PARTITION_REGISTERS.steer + 4)).toBe(1n);
      expect(hart.charged).toBeGreaterThan(0);
    });

    it('powers the node off when there is nothing to boot, and says so', () => {
      const setup = board('A', new Uint8Array(1 << 20));
      expect(reset(setup, 'A')).toBe('off');
      expect(setup.uart.text).toContain('firmware: side A has no OS to boot: no ext4 file system');
      expect(setup.partition.get(PARTITION_REGISTERS.power)).toBe(2n);
    });
  });
});
