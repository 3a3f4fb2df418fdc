/**
 * From the start of the process to the first answer over HTTP of the web server's system disk: our machine with the
 * translator and without, and QEMU with the kernel and initrd of the same disk. Everybody in turn, round after round.
 *
 *   node bench/boot-speed.ts [--rounds 3] [--only translator,QEMU]
 */
import { parseArgs } from 'node:util';
import { systemDisk } from '../test/system/system-disk.ts';
import { extractBoot, missingTool } from './engines/bench-guest.ts';
import { describeComputer } from './engines/computer.ts';
import type { Engine, Mark } from './engines/engine.ts';
import { presentEngines } from './engines/engines.ts';
import { median, table } from './engines/table.ts';
import { temporaryFolder } from './engines/temporary-folder.ts';

const { values } = parseArgs({ options: { rounds: { type: 'string', default: '3' }, only: { type: 'string' } } });
const only = values.only?.split(',');
const missing = missingTool();
if (missing !== undefined) throw new Error(`kernel and initrd cannot be taken from the disk: ${missing}`);
const image = extractBoot(await systemDisk(), temporaryFolder());
const engines = presentEngines((name) => only === undefined || only.some((part) => name.startsWith(part)));
const runs = new Map<Engine, Mark[]>(engines.map((engine) => [engine, []]));
for (let round = 1; round <= Number(values.rounds); round++) {
  for (const engine of engines) {
    const mark = await engine.bootToHttp(image);
    runs.get(engine)?.push(mark);
    console.log(`round ${round}: ${engine.name} answered after ${mark.wallSeconds.toFixed(2)} s`);
  }
}

console.log(`\n${describeComputer()}: node bench/boot-speed.ts --rounds ${values.rounds} (medians)\n`);
console.log(
  table(
    ['boot to the first answer', 'wall s', 'CPU s of the hart', 'CPU s of the process', 'M instructions'],
    engines.map((engine) => {
      const middle = (field: 'wallSeconds' | 'cpuSeconds' | 'hartCpuSeconds' | 'instructions'): number =>
        median((runs.get(engine) ?? []).map((mark) => mark[field] ?? Number.NaN));
      const shown = (value: number, digits = 2): string => (Number.isNaN(value) ? '-' : value.toFixed(digits));
      return [
        engine.name,
        shown(middle('wallSeconds')),
        shown(middle('hartCpuSeconds')),
        shown(middle('cpuSeconds')),
        shown(middle('instructions') / 1e6, 0),
      ];
    }),
  ),
);
