/**
 * How long the Microvisor takes to come, to be replaced and to go, on one hart to four, beneath a tiny OS whose harts
 * interrupt and fence one another all the time: node time of the switch as M-mode counts it, and the longest the OS stood
 * still, from the request to its answer. Prints Markdown.
 *
 *   node bench/switch.ts [--harts 1,2,3,4] [--times 20]
 */
import { parseArgs } from 'node:util';
import type { MachineOptions } from '../src/machine/index.ts';
import { RELEASES } from '../src/microvisor/index.ts';
import { crew } from '../test/microvisor/crew-guest.ts';
import { TinyNode } from '../test/microvisor/tiny-node.ts';

const PERIOD_TICKS = 500;
const WARM_UP_NS = 1_000_000;
/** Between two switches, a little more each time, so that they come at all kinds of instants. */
const APART_NS = 123_457;
const FURTHER_APART_NS = 7_919;

const { values } = parseArgs({
  options: { harts: { type: 'string', default: '1,2,3,4' }, times: { type: 'string', default: '20' } },
});

interface Switch {
  readonly switchNs: number;
  readonly pauseNs: number;
}

const KINDS = ['virtualize', 'replace', 'devirtualize'] as const;
type Kind = (typeof KINDS)[number];

process.stdout.write('| harts | switch | median, µs | longest, µs | longest pause, µs |\n|---:|---|---:|---:|---:|\n');
for (const harts of values.harts.split(',')) {
  const found = switches(Number(harts) as MachineOptions['harts']);
  for (const kind of KINDS) process.stdout.write(`| ${harts} | ${kind} | ${rowOf(found[kind])} |\n`);
}

function switches(harts: MachineOptions['harts']): Record<Kind, Switch[]> {
  const node = new TinyNode({ harts, guests: { A: crew('A', harts, PERIOD_TICKS) } });
  node.runNs(WARM_UP_NS);
  const found: Record<Kind, Switch[]> = { virtualize: [], replace: [], devirtualize: [] };
  for (let time = 0; time < Number(values.times); time++) {
    for (const kind of KINDS) {
      node.runNs(APART_NS + FURTHER_APART_NS * time);
      const startNs = node.machine.now();
      const release = RELEASES[(time + 1) % RELEASES.length]!;
      const { switchNs } = kind === 'replace' ? node.replace(release) : node.ask({ op: kind });
      found[kind].push({ switchNs, pauseNs: node.machine.now() - startNs });
    }
  }
  return found;
}

function rowOf(all: readonly Switch[]): string {
  const us = (ns: number): string => (ns / 1e3).toFixed(1);
  const sorted = all.map(({ switchNs }) => switchNs).toSorted((a, b) => a - b);
  const median = sorted[Math.floor(sorted.length / 2)] ?? Number.NaN;
  const longest = Math.max(...all.map(({ pauseNs }) => pauseNs));
  return [us(median), us(sorted.at(-1) ?? Number.NaN), us(longest)].join(' | ');
}
