/** RAM in a snapshot: runs of pages that are not zero. */
import type { PhysicalMemory, SnapshotValue } from './door.ts';
import { SnapshotPart } from './snapshot-part.ts';

const PAGE_BYTES = 0x1000;
/** The longest run, so that a copy stays of moderate size. */
const RUN_BYTES_MAX = 0x100_0000;
const VERSION = 1;

/** Tells of a page of RAM, by its offset, whether it is zero. */
function zeroPages(memory: PhysicalMemory): (offset: number) => boolean {
  const all = memory.view(memory.base, memory.bytes);
  const words = new Int32Array(all.buffer, all.byteOffset, memory.bytes / 4);
  return (offset) => {
    const end = (offset + PAGE_BYTES) / 4;
    for (let index = offset / 4; index < end; index++) if (words[index] !== 0) return false;
    return true;
  };
}

/** Copies of all pages that are not zero, as `{offset, bytes}` in the order of their offsets. */
export function saveMemory(memory: PhysicalMemory): SnapshotValue {
  const isZeroPage = zeroPages(memory);
  const runs: { offset: number; bytes: Uint8Array }[] = [];
  let offset = 0;
  while (offset < memory.bytes) {
    let end = offset;
    while (end < memory.bytes && end - offset < RUN_BYTES_MAX && !isZeroPage(end)) end += PAGE_BYTES;
    if (end > offset) runs.push({ offset, bytes: memory.view(memory.base + offset, end - offset).slice() });
    offset = end > offset ? end : offset + PAGE_BYTES;
  }
  return { version: VERSION, base: memory.base, bytes: memory.bytes, runs };
}

/** Makes RAM what it was; throws `SnapshotError` when this machine has other RAM. */
export function restoreMemory(memory: PhysicalMemory, state: SnapshotValue): void {
  const part = new SnapshotPart('memory', state, VERSION);
  if (part.number('base') !== memory.base) part.refuse('base', `RAM at 0x${memory.base.toString(16)}`);
  if (part.number('bytes') !== memory.bytes) part.refuse('bytes', `${memory.bytes} bytes of RAM`);
  const isZeroPage = zeroPages(memory);
  const zeros = new Uint8Array(PAGE_BYTES);
  for (let offset = 0; offset < memory.bytes; offset += PAGE_BYTES) {
    if (!isZeroPage(offset)) memory.write(memory.base + offset, zeros);
  }
  for (const run of part.parts('runs')) memory.write(memory.base + run.number('offset'), run.bytes('bytes'));
}
