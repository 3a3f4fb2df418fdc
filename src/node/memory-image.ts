/**
 * The memory of an OS that sleeps, as a file: its regions one after the other. Pages of zeros are holes and take no room.
 */
import { closeSync, fstatSync, ftruncateSync, openSync, renameSync, rmSync } from 'node:fs';
import type { MemoryRegion, PhysicalMemory } from '../machine/index.ts';
import { readWhole, writeWhole } from './overlay-file.ts';

export class MemoryImageError extends Error {
  override readonly name = 'MemoryImageError';
}

/** What is copied at once, and of which is looked whether it is zero; regions are multiples of it. */
const CHUNK_BYTES = 0x1_0000;
const ZEROS = new Uint8Array(CHUNK_BYTES);

const isZero = (chunk: Uint8Array): boolean => Buffer.compare(chunk, ZEROS) === 0;

const bytesOf = (regions: readonly MemoryRegion[]): number => regions.reduce((sum, { bytes }) => sum + bytes, 0);

/** Addresses of the chunks of the regions, in order. */
function* chunkAddresses(regions: readonly MemoryRegion[]): Generator<number> {
  for (const { base, bytes } of regions) {
    for (let offset = 0; offset < bytes; offset += CHUNK_BYTES) yield base + offset;
  }
}

/** Writes what the regions hold; the file is there whole or not at all. Gives how many bytes are not in holes. */
export function saveMemoryImage(path: string, memory: PhysicalMemory, regions: readonly MemoryRegion[]): number {
  const building = `${path}.new`;
  const fd = openSync(building, 'w', 0o600);
  try {
    let position = 0;
    let written = 0;
    for (const address of chunkAddresses(regions)) {
      const chunk = memory.view(address, CHUNK_BYTES);
      if (!isZero(chunk)) {
        writeWhole(fd, chunk, position);
        written += CHUNK_BYTES;
      }
      position += CHUNK_BYTES;
    }
    ftruncateSync(fd, position);
    renameSync(building, path);
    return written;
  } finally {
    closeSync(fd);
    rmSync(building, { force: true });
  }
}

/** Makes the regions hold what they held. @throws MemoryImageError when the file is of other regions, or cut short */
export function loadMemoryImage(path: string, memory: PhysicalMemory, regions: readonly MemoryRegion[]): void {
  const fd = openSync(path, 'r');
  try {
    const found = fstatSync(fd).size;
    const expected = bytesOf(regions);
    if (found !== expected) throw new MemoryImageError(`${path}: expected ${expected} bytes, found ${found}`);
    const chunk = new Uint8Array(CHUNK_BYTES);
    let position = 0;
    for (const address of chunkAddresses(regions)) {
      readWhole(fd, chunk, position);
      if (!isZero(chunk) || !isZero(memory.view(address, CHUNK_BYTES))) memory.write(address, chunk);
      position += CHUNK_BYTES;
    }
  } finally {
    closeSync(fd);
  }
}
