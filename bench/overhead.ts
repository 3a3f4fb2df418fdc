/**
 * What the Microvisor costs the OS above it. Two nodes boot alike. One is virtualized and devirtualized; the other never
 * is, but stands still as long at the same instants, so that what is different afterwards is the Microvisor and not the
 * time. Each does the same pieces of work: bare, virtualized alone, bare again. With one hart the two have to be bit for bit
 * the same in the end. Then the first one does the work beside a busy maintenance VM at several weights. Prints Markdown.
 *
 *   node bench/overhead.ts [--pieces 9] [--harts 1] [--weights 5,20,50]
 */
import { parseArgs } from 'node:util';
import type { MachineOptions, SnapshotValue } from '../src/machine/index.ts';
import {
  runOn,
  saveOutsideCalls,
  standStill,
  takeAfter,
  whatDiffers,
  withoutMonitor,
} from '../test/microvisor/bare-twin.ts';
import { systemDisk } from '../test/system/system-disk.ts';
import { type Figures, type Stage, WorkingNode } from './overhead/working-node.ts';

const SLICE_US = 1_000;
const ALONE_NS = 1_000_000_000;

const { values } = parseArgs({
  options: {
    pieces: { type: 'string', default: '9' },
    harts: { type: 'string', default: '1' },
    weights: { type: 'string', default: '5,20,50' },
  },
});
const options = {
  systemDisk: await systemDisk(),
  harts: Number(values.harts) as MachineOptions['harts'],
  pieces: Number(values.pieces),
};

/** A stage of the node, and of its twin where that is at the same point. */
interface Compared {
  readonly title: string;
  readonly node: Stage;
  readonly twin: Stage;
}

const working = new WorkingNode(options);
const never = new WorkingNode(options);
const compared: Compared[] = [];
try {
  for (const each of [working, never]) await each.boot();
  await stages('bare');
  await switchOver('virtualize');
  await stages('virtualized, alone');
  await switchOver('devirtualize');
  const bare = await stages('bare again');
  print(tableOfTwins());
  // Each of several harts stands still for a time of its own: those twins are alike, not the same.
  if (options.harts === 1) print(verdict('The two nodes', working.node.machine.save(), never.node.machine.save()));
  print(await withOtherMonitor());
  print(await besideBusyVm(bare));
} finally {
  for (const each of [working, never]) each.close();
}

async function stages(title: string): Promise<Stage> {
  // Whoever is second finds the process warm: they take turns.
  const isFirst = compared.length % 2 === 0;
  const early = isFirst ? await working.stage() : await never.stage();
  const late = isFirst ? await never.stage() : await working.stage();
  const [node, twin] = isFirst ? [early, late] : [late, early];
  compared.push({ title, node, twin });
  return node;
}

async function switchOver(op: 'virtualize' | 'devirtualize'): Promise<void> {
  const { machine, monitor } = working.node;
  const before = machine.counters.chargedCycles;
  const { switchNs } = await monitor.request({ op });
  working.node.virtualized = op === 'virtualize';
  standStill(never.node.machine, never.node.firmware, machine.counters.chargedCycles - before);
  print([`${op}: ${switchNs / 1e3} µs`]);
}

/**
 * The machine as it is after devirtualize, under M-mode software that was never virtualized: both go on with the same work
 * for a second of node time.
 */
async function withOtherMonitor(): Promise<string[]> {
  const forks = ['/bin/sh', '-c', '(while :; do (exit 0); done) >/dev/null 2>&1 & echo $!'];
  const run = await working.act('guest.run', { guest: 'old', argv: forks, env: {}, expectExit: [0] });
  const [one, other] = [working.node, never.node];
  takeAfter(other, one, saveOutsideCalls(one.machine));
  const before = structuredClone(one.machine.counters);
  for (const { machine } of [one, other]) runOn(machine, ALONE_NS);
  const { counters } = one.machine;
  const same = JSON.stringify(counters) === JSON.stringify(other.machine.counters);
  const retired = counters.retiredInstructions - before.retiredInstructions;
  const machines = verdict('The machines', one.machine.save(), other.machine.save());
  await working.act('guest.run', {
    guest: 'old',
    argv: ['/bin/sh', '-c', `kill ${run.stdout.trim()}`],
    env: {},
    expectExit: [0],
  });
  return [
    `A second of forks: ${retired} instructions, M-mode entries ${JSON.stringify(counters.machineModeEntries)} since power-on,`,
    `under other M-mode software ${same ? 'the same' : `NOT: ${JSON.stringify(other.machine.counters)}`}.`,
    ...machines,
  ];
}

function verdict(who: string, one: SnapshotValue, other: SnapshotValue): string[] {
  const differs = whatDiffers(withoutMonitor(other), withoutMonitor(one));
  return differs.length === 0 ? [`${who} are the same, bit for bit.`] : [`${who} DIFFER in:`, ...differs];
}

async function besideBusyVm(bare: Stage): Promise<string[]> {
  const rows = ['| work | stage | µs a piece | more than bare | CPU ms |', '|---|---|---:|---:|---:|'];
  await working.act('microvisor.virtualize', {});
  await working.act('memory.give-up', { guest: 'old', takesOver: false });
  await working.act('disk.clone', { from: 'old', name: 'system-new' });
  await working.act('vm.create', { guest: 'new', disk: 'system-new' });
  await working.act('vm.boot', { guest: 'new', takesOver: false });
  const busy = ['/bin/sh', '-c', '(while :; do :; done) >/dev/null 2>&1 &'];
  await working.act('guest.run', { guest: 'new', argv: busy, env: {}, expectExit: [0] });
  for (const weight of values.weights
    .split(',')
    .filter((each) => each !== '')
    .map(Number)) {
    await working.node.monitor.request({ op: 'setShare', maintenancePercent: weight, sliceUs: SLICE_US });
    for (const [name, { pieceNs, cpuMs }] of await working.stage()) {
      const more = percent(pieceNs, bare.get(name)!.pieceNs);
      rows.push(`| ${name} | busy VM, ${weight} % | ${(pieceNs / 1e3).toFixed(1)} | ${more} | ${cpuMs.toFixed(0)} |`);
    }
  }
  return rows;
}

function tableOfTwins(): string[] {
  const rows = [
    '| work | stage | µs a piece | never virtualized | more | instructions more | cycles of M-mode | entries | CPU ms | never |',
    '|---|---|---:|---:|---:|---:|---:|---|---:|---:|',
  ];
  for (const { title, node, twin } of compared) {
    for (const [name, figures] of node) rows.push(rowOf(name, title, figures, twin.get(name)!));
  }
  return rows;
}

function rowOf(name: string, title: string, figures: Figures, twin: Figures): string {
  const cells = [
    name,
    title,
    (figures.pieceNs / 1e3).toFixed(1),
    (twin.pieceNs / 1e3).toFixed(1),
    percent(figures.pieceNs, twin.pieceNs),
    figures.instructions - twin.instructions,
    `${figures.chargedCycles} / ${twin.chargedCycles}`,
    `${entriesOf(figures)} / ${entriesOf(twin)}`,
    figures.cpuMs.toFixed(0),
    twin.cpuMs.toFixed(0),
  ];
  return `| ${cells.join(' | ')} |`;
}

function entriesOf({ entries }: Figures): string {
  const all = Object.entries(entries).map(([cause, count]) => `${cause}: ${count}`);
  return all.length === 0 ? 'none' : all.join(', ');
}

function percent(value: number, base: number): string {
  return `${((value / base - 1) * 100).toFixed(3)} %`;
}

function print(lines: readonly string[]): void {
  process.stdout.write(`${lines.join('\n')}\n\n`);
}
