/**
 * How fast the hart is: small bare-metal programs, and with `--boot DISK` the boot of an OS from a system disk.
 * Million instructions per second of CPU time of this thread (the compiler's threads are V8's own business).
 *
 *   node bench/interpreter.ts [--boot DISK] [--node-ms N]
 */
import { readFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { createHart } from '../src/machine/hart/hart.ts';
import { assemble } from '../src/machine/isa/assemble.ts';
import { createPhysicalMemory } from '../src/machine/memory.ts';
import { BareNode } from '../test/system/bare-node.ts';
import { PROGRAMS } from './interpreter/programs.ts';

const RAM = { base: 0x8000_0000, bytes: 0x100_0000 };
const WARM_UP_INSTRUCTIONS = 50_000_000;
const INSTRUCTIONS = 300_000_000;
const SLICE = 1_000_000;
const NS_PER_MS = 1_000_000;
const BOOT_STEP_MS = 500;

/** CPU seconds of this thread; of the process where the system does not tell. */
function cpuSeconds(): number {
  try {
    return Number(readFileSync('/proc/thread-self/schedstat', 'utf8').split(' ')[0]) / 1e9;
  } catch {
    return process.cpuUsage().user / 1e6;
  }
}

function benchProgram(source: string): number {
  const memory = createPhysicalMemory(RAM.base, RAM.bytes);
  memory.write(RAM.base, assemble(source, { base: RAM.base }).bytes);
  const hart = createHart({
    hartId: 0,
    memory,
    bus: { read: () => undefined, write: () => false },
    time: () => 0n,
    machineModeEntries: new Set(),
  });
  hart.reset(RAM.base);
  for (let done = 0; done < WARM_UP_INSTRUCTIONS; done += SLICE) hart.run(SLICE);
  if (hart.machineModeEntries.size > 0) {
    throw new Error(`the program trapped: ${[...hart.machineModeEntries.keys()].join()} at 0x${hart.pc.toString(16)}`);
  }
  const before = cpuSeconds();
  for (let done = 0; done < INSTRUCTIONS; done += SLICE) hart.run(SLICE);
  return INSTRUCTIONS / (cpuSeconds() - before) / 1e6;
}

function benchBoot(disk: string, nodeMs: number): void {
  const node = new BareNode({ systemDisk: disk });
  const start = cpuSeconds();
  let lastCpu = start;
  let lastRetired = 0;
  for (let ms = BOOT_STEP_MS; ms <= nodeMs; ms += BOOT_STEP_MS) {
    const stop = node.machine.run(ms * NS_PER_MS);
    const now = cpuSeconds();
    const retired = node.machine.counters.retiredInstructions;
    const mips = (instructions: number, seconds: number): string =>
      (instructions / seconds / 1e6).toFixed(0).padStart(5);
    console.log(
      `boot to ${`${ms}`.padStart(5)} ms: ${(retired / 1e6).toFixed(0).padStart(5)} M instructions, ` +
        `${(now - start).toFixed(2).padStart(6)} s, ${mips(retired - lastRetired, now - lastCpu)} MIPS, ` +
        `${mips(retired, now - start)} MIPS since reset`,
    );
    lastCpu = now;
    lastRetired = retired;
    if (stop !== 'time') break;
  }
}

const { values } = parseArgs({ options: { boot: { type: 'string' }, 'node-ms': { type: 'string', default: '7000' } } });
for (const [name, source] of Object.entries(PROGRAMS)) {
  console.log(`${name.padEnd(10)} ${benchProgram(source).toFixed(0).padStart(5)} MIPS`);
}
if (values.boot !== undefined) benchBoot(values.boot, Number(values['node-ms']));
