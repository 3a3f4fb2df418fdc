/** Loads an OS from the disk of its side: extlinux.conf, kernel, initrd, device tree. */
import {
  type DeviceTreeNode,
  flattenDeviceTree,
  type MachineModeHart,
  type MemoryMap,
  type MemoryRegion,
  type Side,
  type SideMemory,
} from '../../machine/index.ts';
import { consoleLine } from '../console.ts';
import { type Ext4File, Ext4FileSystem } from '../ext4/file-system.ts';
import type { Waiting } from '../waiting.ts';
import { BootError, shown } from './boot-error.ts';
import { withChosen } from './chosen.ts';
import { type BootEntry, bootOrder, parseExtlinux } from './extlinux.ts';
import { IMAGE_HEADER_BYTES, parseKernelImage } from './kernel-image.ts';
import { DEVICE_TREE_BYTES_MAX, placeOs } from './placement.ts';
import { VirtioBlock } from './virtio-block.ts';

/** What is in the ROM of the board. */
export interface BoardRom {
  /** The board as one side's OS sees it, with a random seed in /chosen. */
  deviceTree(side: Side, memory: SideMemory): DeviceTreeNode;
}

export interface OsToLoad {
  readonly side: Side;
  /** `own`: the lowest region first. Kernel and initrd go to the largest; the loader works in the lowest. */
  readonly memory: SideMemory;
  /** Whether this OS has the service (`mv.service=1` on its command line), or is there for maintenance. */
  readonly service: boolean;
  /** Whether it takes up the memory it can (`mv.memory=1`): somebody else may have it. */
  readonly takesUp: boolean;
}

export interface LoadedOs {
  /** First instruction of the kernel; it is entered in S-mode with a0 = hart id and a1 = `deviceTree`. */
  readonly entry: number;
  readonly deviceTree: number;
  readonly label: string;
  readonly bootargs: string;
}

/** The slot of the system disk. */
export const SYSTEM_DISK_SLOT = 0;
const EXTLINUX_PATHS = ['/boot/extlinux/extlinux.conf', '/extlinux/extlinux.conf'] as const;

/** What a side's OS is told of: its low memory and bank; the other side's bank and the 2 MiB below it to take up. */
export function sideMemory(map: MemoryMap, side: Side): SideMemory {
  const other: Side = side === 'A' ? 'B' : 'A';
  return {
    own: [map.lowStub[side], map.bank[side]],
    takeUp: [{ base: map.scratch[other].base, bytes: map.scratch[other].bytes + map.bank[other].bytes }],
  };
}

/**
 * Loads the first entry that can be loaded, in the order of `bootOrder`; each one that cannot is named on the side's
 * console. The interrupts of the side's PLIC have to reach M-mode (steer, mie.MEIE) while it runs. Device and PLIC are as
 * out of reset afterwards. Throws a BootError when no entry loads.
 */
export function* loadOs(hart: MachineModeHart, os: OsToLoad, rom: BoardRom): Waiting<LoadedOs> {
  const disk = new VirtioBlock(hart, os.side, SYSTEM_DISK_SLOT, lowestRegion(os.memory));
  try {
    const fileSystem = yield* Ext4FileSystem.mount(disk);
    const entries = bootOrder(parseExtlinux(yield* readExtlinux(fileSystem)));
    const failures: string[] = [];
    for (const entry of entries) {
      try {
        return yield* loadEntry(hart, os, rom, fileSystem, entry);
      } catch (error) {
        if (!(error instanceof BootError)) throw error;
        const failure = `${shown(entry.label)}: ${shown(error.message)}`;
        failures.push(failure);
        consoleLine(hart, os.side, `firmware: cannot boot ${failure}`);
      }
    }
    throw new BootError('boot-entry', `no boot entry loads: ${failures.join('; ')}`);
  } finally {
    disk.close();
  }
}

function* readExtlinux(fileSystem: Ext4FileSystem): Waiting<string> {
  for (const path of EXTLINUX_PATHS) {
    try {
      return yield* fileSystem.readText(path);
    } catch (error) {
      if (!(error instanceof BootError) || error.code !== 'no-such-file') throw error;
    }
  }
  throw new BootError('boot-entry', `the system disk has none of ${EXTLINUX_PATHS.join(', ')}`);
}

function* loadEntry(
  hart: MachineModeHart,
  os: OsToLoad,
  rom: BoardRom,
  fileSystem: Ext4FileSystem,
  entry: BootEntry,
): Waiting<LoadedOs> {
  const kernel = yield* fileSystem.open(entry.linux);
  const { imageBytes } = parseKernelImage(yield* kernel.head(IMAGE_HEADER_BYTES), entry.linux);
  const initrd = entry.initrd === undefined ? undefined : yield* fileSystem.open(entry.initrd);
  const bank = largestRegion(os.memory);
  const place = placeOs(bank, Math.max(imageBytes, kernel.bytes), initrd?.bytes ?? 0);

  const [service, memory] = [os.service ? 1 : 0, os.takesUp ? 1 : 0];
  const bootargs = `${entry.append} mv.side=${os.side} mv.service=${service} mv.memory=${memory}`.trim();
  consoleLine(hart, os.side, `firmware: side ${os.side} boots ${shown(entry.label)}: ${shown(entry.linux)}`);
  yield* loadFile(hart, kernel, place.kernel);
  if (initrd !== undefined) yield* loadFile(hart, initrd, place.initrd);
  const tree = withChosen(rom.deviceTree(os.side, os.memory), os.side, {
    bootargs,
    ...(initrd === undefined ? {} : { initrd: { base: place.initrd, bytes: initrd.bytes } }),
  });
  const blob = flattenDeviceTree(tree);
  if (blob.length > DEVICE_TREE_BYTES_MAX) throw new BootError('kernel', `a device tree of ${blob.length} bytes`);
  hart.writeMemory(place.deviceTree, blob);
  hart.fenceI();
  return { entry: place.kernel, deviceTree: place.deviceTree, label: entry.label, bootargs };
}

function loadFile(hart: MachineModeHart, file: Ext4File, address: number): Waiting<void> {
  return file.loadTo({
    address,
    zero(from, bytes) {
      hart.writeMemory(from, new Uint8Array(bytes));
    },
    write: (to, bytes) => {
      hart.writeMemory(to, bytes);
    },
  });
}

function lowestRegion({ own }: SideMemory): MemoryRegion {
  const region = own[0];
  if (region === undefined) throw new RangeError('an OS without memory');
  return region;
}

const largestRegion = ({ own }: SideMemory): MemoryRegion => own.reduce((a, b) => (b.bytes > a.bytes ? b : a));
