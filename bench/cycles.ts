/**
 * Maintenance for ever: one node, one whole maintenance after another under load, sides alternating, and whether anything
 * is different at the end. Each cycle is a run of playbooks/online-os-restart.yaml from bare to bare. Ends with exit code 1
 * when a figure of the last cycle is not within 1 % of the first, or when something was left behind.
 *
 *   node bench/cycles.ts [--cycles 20] [--bank-mib 256] [--harts 1]
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { type CycleFigures, CyclingNode, changes, type FigureChange, isWithin } from '../test/system/cycling-node.ts';
import { systemDisk } from '../test/system/system-disk.ts';

const SHARE = 0.01;

const { values } = parseArgs({
  options: {
    cycles: { type: 'string', default: '20' },
    'bank-mib': { type: 'string', default: '256' },
    harts: { type: 'string', default: '1' },
  },
});

const COLUMNS: readonly (readonly [title: string, of: (figures: CycleFigures) => string])[] = [
  ['side', ({ side }) => side],
  ['failed', ({ failed, requests }) => `${failed}/${requests}`],
  ['down ms', ({ downtimeMs }) => String(downtimeMs)],
  ['in µs', ({ virtualizeUs }) => virtualizeUs.toFixed(2)],
  ['out µs', ({ devirtualizeUs }) => devirtualizeUs.toFixed(2)],
  ['given up MiB', ({ bytesGivenUp }) => (bytesGivenUp / 2 ** 20).toFixed(0)],
  ['taken up MiB', ({ bytesTakenUp }) => (bytesTakenUp / 2 ** 20).toFixed(0)],
  ['MemTotal KiB', ({ memTotalKib }) => String(memTotalKib)],
  ['MemAvailable KiB', ({ memAvailableKib }) => String(memAvailableKib)],
  ['work µs', ({ workUs }) => workUs.toFixed(1)],
  ['work instr', ({ workInstructions }) => String(workInstructions)],
  ['work MIPS', ({ workMips }) => workMips.toFixed(0)],
  ['cycle ms', ({ nodeMs }) => nodeMs.toFixed(1)],
  [
    'state',
    ({ stateIdentical, bareTrapsExtra }) => (stateIdentical ? `identical, ${bareTrapsExtra} extra` : 'CHANGED'),
  ],
];

const stateDir = mkdtempSync(join(tmpdir(), 'mvctl-cycles-'));
const node = new CyclingNode({
  stateDir,
  systemDisk: await systemDisk(),
  bankMib: Number(values['bank-mib']),
  harts: Number(values.harts) as 1 | 2 | 3 | 4,
});
const all: CycleFigures[] = [];
try {
  await node.boot();
  print(`| cycle | ${COLUMNS.map(([title]) => title).join(' | ')} |`);
  print(`|${'---|'.repeat(COLUMNS.length + 1)}`);
  for (let cycle = 1; cycle <= Number(values.cycles); cycle++) {
    const figures = await node.cycle();
    all.push(figures);
    print(`| ${cycle} | ${COLUMNS.map(([, of]) => of(figures)).join(' | ')} |`);
  }
} finally {
  await node.close();
  rmSync(stateDir, { recursive: true, force: true });
}
const problems = judge(all);
for (const problem of problems) print(problem);
print(problems.length === 0 ? 'nothing has drifted' : `${problems.length} figures have drifted`);
process.exitCode = problems.length === 0 ? 0 : 1;

function judge(cycles: readonly CycleFigures[]): string[] {
  const [first, last] = [cycles[0], cycles.at(-1)];
  if (first === undefined || last === undefined) return ['no cycle was done'];
  const figures = changes(first, last);
  print(`\n| figure | cycle 1 | cycle ${cycles.length} | change | |\n|---|---:|---:|---:|---|`);
  for (const each of figures) print(rowOf(each));
  const problems = figures.filter((each) => !isWithin(each, SHARE)).map(({ name }) => `${name} is not what it was`);
  for (const [index, figures] of cycles.entries()) {
    const name = `cycle ${index + 1}`;
    if (figures.bytesGivenUp !== figures.bytesTakenUp)
      problems.push(`${name}: memory given up is not what was taken up`);
    if (!figures.stateIdentical) problems.push(`${name}: state of M-mode has changed`);
    if (figures.bareTrapsExtra !== 0) problems.push(`${name}: ${figures.bareTrapsExtra} extra M-mode entries`);
    const twin = cycles[index - 2];
    if (twin !== undefined && twin.board !== figures.board) {
      problems.push(`${name}: PLIC, timers or partition controller are not as two cycles before`);
    }
  }
  return problems;
}

function rowOf(figure: FigureChange): string {
  const { name, first, last, share } = figure;
  const verdict = isWithin(figure, SHARE) ? 'ok' : 'NOT OK';
  return `| ${name} | ${round(first)} | ${round(last)} | ${(share * 100).toFixed(3)} % | ${verdict} |`;
}

function round(value: number): string {
  return String(Number(value.toFixed(3)));
}

function print(line: string): void {
  process.stdout.write(`${line}\n`);
}
