import { type MemoryRegion, MIB } from '../../machine/index.ts';
import { BootError } from './boot-error.ts';

/** The kernel has to lie on such a boundary; the rest is put there too, which costs nothing: Linux frees it. */
const ALIGNMENT_BYTES = 2 * MIB;

/** The device tree with what the firmware adds to it. */
export const DEVICE_TREE_BYTES_MAX = 2 * MIB;

export interface Placement {
  readonly kernel: number;
  readonly deviceTree: number;
  readonly initrd: number;
}

const alignUp = (address: number): number => Math.ceil(address / ALIGNMENT_BYTES) * ALIGNMENT_BYTES;

/** Kernel at the bottom of the bank, then device tree, then initrd. Throws a BootError when they do not fit. */
export function placeOs(bank: MemoryRegion, imageBytes: number, initrdBytes: number): Placement {
  const kernel = alignUp(bank.base);
  const deviceTree = alignUp(kernel + imageBytes);
  const initrd = deviceTree + DEVICE_TREE_BYTES_MAX;
  const end = alignUp(initrd + initrdBytes);
  if (end > bank.base + bank.bytes) {
    throw new BootError('kernel', `kernel and initrd need ${end - bank.base} bytes of a bank of ${bank.bytes}`);
  }
  return { kernel, deviceTree, initrd };
}
