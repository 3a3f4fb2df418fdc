/**
 * The memory of an OS that sleeps, as a file: its regions one after the other. Chunks of zeros are holes and take no room.
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

/** Bytes of a slice: those that are moved, and those that are looked at. */
const MOVED_BYTES_MAX = 64 * CHUNK_BYTES;
const LOOKED_AT_BYTES_MAX = 512 * CHUNK_BYTES;

/** `move` says whether it moved a chunk. Between two slices a node with the real clock serves; gives the bytes of each. */
function* inSlices(
  regions: readonly MemoryRegion[],
  move: (address: number, position: number) => boolean,
): Generator<number> {
  let position = 0;
  let sliceBegan = 0;
  let moved = 0;
  for (const address of chunkAddresses(regions)) {
    if (move(address, position)) moved += CHUNK_BYTES;
    position += CHUNK_BYTES;
    if (moved < MOVED_BYTES_MAX && position - sliceBegan < LOOKED_AT_BYTES_MAX) continue;
    yield moved;
    sliceBegan = position;
    moved = 0;
  }
  yield moved;
}

/** Writes what the regions hold, in slices; the file is there whole or not at all. */
export function* saveMemoryImage(
  path: string,
  memory: PhysicalMemory,
  regions: readonly MemoryRegion[],
): Generator<number> {
  const building = `${path}.new`;
  const fd = openSync(building, 'w', 0o600);
  try {
    yield* inSlices(regions, (address, position) => {
      const chunk = memory.view(address, CHUNK_BYTES);
      if (isZero(chunk)) return false;
      writeWhole(fd, chunk, position);
      return true;
    });
    ftruncateSync(fd, bytesOf(regions));
    renameSync(building, path);
  } finally {
    closeSync(fd);
    rmSync(building, { force: true });
  }
}

/** Makes the regions hold what they held, in slices. @throws MemoryImageError when the file is of other regions, or cut short */
export function* loadMemoryImage(
  path: string,
  memory: PhysicalMemory,
  regions: readonly MemoryRegion[],
): Generator<number> {
  const fd = openSync(path, 'r');
  try {
    const found = fstatSync(fd).size;
    const expected = bytesOf(regions);
    if (found !== expected) throw new MemoryImageError(`${path}: expected ${expected} bytes, found ${found}`);
    const chunk = new Uint8Array(CHUNK_BYTES);
    yield* inSlices(regions, (address, position) => {
      readWhole(fd, chunk, position);
      const moves = !isZero(chunk);
      if (moves || !isZero(memory.view(address, CHUNK_BYTES))) memory.write(address, chunk);
      return moves;
    });
  } finally {
    closeSync(fd);
  }
}
