/**
 * Workloads inside a guest, on the same kernel and with the same programs: our machine with the translator and without,
 * and QEMU. Everybody in turn, round after round. Ratios are CPU seconds of QEMU's process to CPU seconds of the thread
 * that runs our hart (which compiles as well, but for what V8 does in threads of its own; `process` counts those too).
 *
 *   node bench/guest-speed.ts [--rounds 3] [--only translator,QEMU]
 */
import { parseArgs } from 'node:util';
import { systemDisk } from '../test/system/system-disk.ts';
import { makeBenchGuest, missingTool } from './engines/bench-guest.ts';
import { describeComputer } from './engines/computer.ts';
import type { Engine, Mark } from './engines/engine.ts';
import { presentEngines } from './engines/engines.ts';
import { geometricMean, median, table } from './engines/table.ts';

/** What one workload took. */
interface Cost {
  readonly wallSeconds: number;
  readonly cpuSeconds: number;
  readonly hartCpuSeconds: number;
  readonly instructions: number | undefined;
}

type Costs = ReadonlyMap<string, Cost>;

const BOOT = 'kernel boot';

const { values } = parseArgs({ options: { rounds: { type: 'string', default: '3' }, only: { type: 'string' } } });
const only = values.only?.split(',');
const missing = missingTool();
if (missing !== undefined) throw new Error(`the guest cannot be made: ${missing}`);
const guest = makeBenchGuest(await systemDisk());
const engines = presentEngines((name) => only === undefined || only.some((part) => name.startsWith(part)));
const runs = new Map<Engine, Costs[]>(engines.map((engine) => [engine, []]));
const sums = new Map<string, string>();

for (let round = 1; round <= Number(values.rounds); round++) {
  for (const engine of engines) {
    const marks = await engine.runGuest(guest);
    checkSums(engine, marks);
    runs.get(engine)?.push(costsOf(marks));
    console.log(`round ${round}: ${engine.name} took ${marks.at(-1)?.wallSeconds.toFixed(1)} s`);
  }
}
print();

/** Every engine must have computed the same. */
function checkSums(engine: Engine, marks: readonly Mark[]): void {
  for (const { text } of marks) {
    const [word, name = '', value = ''] = text.split(' ');
    if (word === 'end' && value !== '0') throw new Error(`${engine.name}: ${name} ended with status ${value}`);
    if (word !== 'sum') continue;
    const known = sums.get(name) ?? value;
    if (known !== value) throw new Error(`${engine.name}: ${name} gave ${value}, expected ${known}`);
    sums.set(name, value);
  }
}

function costsOf(marks: readonly Mark[]): Costs {
  const costs = new Map<string, Cost>();
  const start: Mark = { text: '', wallSeconds: 0, cpuSeconds: 0, hartCpuSeconds: 0, instructions: 0 };
  const find = (text: string): Mark | undefined => marks.find((mark) => mark.text.startsWith(text));
  const add = (name: string, from: Mark, to: Mark): void => {
    costs.set(name, {
      wallSeconds: to.wallSeconds - from.wallSeconds,
      cpuSeconds: to.cpuSeconds - from.cpuSeconds,
      hartCpuSeconds: (to.hartCpuSeconds ?? to.cpuSeconds) - (from.hartCpuSeconds ?? from.cpuSeconds),
      instructions: to.instructions === undefined ? undefined : to.instructions - (from.instructions ?? 0),
    });
  };
  const ready = find('ready');
  if (ready !== undefined) add(BOOT, start, ready);
  for (const from of marks.filter((mark) => mark.text.startsWith('begin '))) {
    const name = from.text.slice('begin '.length);
    const to = find(`end ${name} `);
    if (to !== undefined) add(name, from, to);
  }
  return costs;
}

function print(): void {
  const qemu = engines.find((engine) => engine.name.startsWith('QEMU'));
  const names = [...(runs.get(engines[0]!)?.[0]?.keys() ?? [])];
  const middle = (engine: Engine, name: string, field: keyof Cost): number =>
    median((runs.get(engine) ?? []).map((costs) => costs.get(name)?.[field] ?? Number.NaN));
  // Who counts instructions counts them for all: the programs are the same.
  const counting = engines.find((engine) => middle(engine, names[0]!, 'instructions') > 0);
  const instructions = (name: string): number =>
    counting === undefined ? Number.NaN : middle(counting, name, 'instructions');
  const ratio = (engine: Engine, name: string): number =>
    qemu === undefined ? Number.NaN : middle(qemu, name, 'cpuSeconds') / middle(engine, name, 'hartCpuSeconds');

  console.log(`\n${describeComputer()}: node bench/guest-speed.ts --rounds ${values.rounds} (medians)\n`);
  const header = [
    'workload',
    'M instructions',
    ...engines.flatMap((engine) => [`${engine.name}: CPU s`, 'process', 'wall s', 'MIPS']),
  ];
  const seconds = (value: number): string => value.toFixed(2);
  console.log(
    table(
      header,
      names.map((name) => [
        name,
        (instructions(name) / 1e6).toFixed(0),
        ...engines.flatMap((engine) => [
          seconds(middle(engine, name, 'hartCpuSeconds')),
          seconds(middle(engine, name, 'cpuSeconds')),
          seconds(middle(engine, name, 'wallSeconds')),
          (instructions(name) / 1e6 / middle(engine, name, 'hartCpuSeconds')).toFixed(0),
        ]),
      ]),
    ),
  );
  if (qemu === undefined) {
    console.log('\nNo ratios: QEMU is absent.');
    return;
  }
  const ours = engines.filter((engine) => engine !== qemu);
  const workloads = names.filter((name) => name !== BOOT);
  console.log(`\nTimes as fast as ${qemu.name} (CPU seconds)\n`);
  console.log(
    table(
      ['workload', ...ours.map((engine) => engine.name)],
      [
        ...names.map((name) => [name, ...ours.map((engine) => ratio(engine, name).toFixed(2))]),
        [
          'geometric mean of the workloads',
          ...ours.map((engine) => geometricMean(workloads.map((name) => ratio(engine, name))).toFixed(2)),
        ],
      ],
    ),
  );
}
