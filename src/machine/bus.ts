/** The MMIO side of the memory map: which device answers at a physical address. */
import type { AccessBytes, MmioDevice } from './door.ts';
import type { HartBus } from './hart-contract.ts';

export interface BusWindow {
  readonly base: number;
  readonly bytes: number;
  readonly device: MmioDevice;
}

const PAGE_BYTES = 0x1000;

/**
 * A bus of windows. Windows are whole 4 KiB pages and do not overlap (asserted). An address without a window, or an
 * access that leaves its window, is answered by nobody.
 */
export function createBus(windows: readonly BusWindow[]): HartBus {
  const byPage = new Map<number, BusWindow>();
  for (const window of windows) {
    const { base, bytes, device } = window;
    if (base % PAGE_BYTES !== 0 || bytes % PAGE_BYTES !== 0) {
      throw new RangeError(`the window of ${device.name} is not made of whole pages`);
    }
    for (let page = base / PAGE_BYTES; page < (base + bytes) / PAGE_BYTES; page++) {
      const other = byPage.get(page);
      if (other !== undefined) throw new RangeError(`${device.name} overlaps ${other.device.name}`);
      byPage.set(page, window);
    }
  }
  const find = (address: number, bytes: number): BusWindow | undefined => {
    const window = byPage.get(Math.floor(address / PAGE_BYTES));
    return window !== undefined && address + bytes <= window.base + window.bytes ? window : undefined;
  };
  return {
    read(address: number, bytes: AccessBytes): bigint | undefined {
      const window = find(address, bytes);
      return window?.device.read(address - window.base, bytes);
    },
    write(address: number, bytes: AccessBytes, value: bigint): boolean {
      const window = find(address, bytes);
      if (window === undefined) return false;
      window.device.write(address - window.base, bytes, value);
      return true;
    },
  };
}
