import type { Translate } from '../../../src/machine/door.ts';
import { createHart } from '../../../src/machine/hart/hart.ts';
import { createPhysicalMemory } from '../../../src/machine/memory.ts';
import { PROGRAM_BASE, type RandomProgram } from './random-program.ts';

const MSTATUS = 0x300;
const MSTATUS_FS_INITIAL = 1n << 13n;
const MEMORY_BYTES = 0x40_0000;

/** Runs a program up to its first system call and gives its result. */
export function runOnHart(program: RandomProgram, translate: Translate): Uint8Array {
  const memory = createPhysicalMemory(PROGRAM_BASE, MEMORY_BYTES);
  memory.write(PROGRAM_BASE, program.bytes);
  const hart = createHart({
    hartId: 0,
    memory,
    bus: { read: () => undefined, write: () => false },
    time: () => 0n,
    machineModeEntries: new Set(),
    translate,
  });
  hart.reset(PROGRAM_BASE);
  hart.state.setCsr(MSTATUS, hart.state.csr(MSTATUS) | MSTATUS_FS_INITIAL);
  hart.run(program.instructions);
  if (hart.pc !== BigInt(program.endPc)) {
    throw new Error(
      `expected pc 0x${program.endPc.toString(16)} after ${program.instructions} instructions, found 0x${hart.pc.toString(16)} after ${hart.retired}`,
    );
  }
  return memory.view(program.resultAddress, program.resultBytes).slice();
}
