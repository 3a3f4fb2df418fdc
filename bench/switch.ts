/**
 * How long the Microvisor takes to come, to be replaced and to go, on one hart to four, beneath an OS that is busy on all of
 * them: node time of the switch as M-mode counts it, and the longest the OS stood still, from the request to the return.
 * Prints Markdown.
 *
 *   node bench/switch.ts [--harts 1,2,3,4] [--times 20]
 */
import { parseArgs } from 'node:util';
import type { MachineOptions } from '../src/machine/index.ts';
import { RELEASES } from '../src/microvisor/index.ts';
import { systemDisk } from '../test/system/system-disk.ts';
import { WorkingNode } from './overhead/working-node.ts';

/** Between two switches, so that they come at all kinds of instants; a prime, in ns. */
const APART_NS = 7_368_787;

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
  const found = await switches(Number(harts) as MachineOptions['harts']);
  for (const kind of KINDS) process.stdout.write(`| ${harts} | ${kind} | ${rowOf(found[kind])} |\n`);
}

async function switches(harts: MachineOptions['harts']): Promise<Record<Kind, Switch[]>> {
  const working = new WorkingNode({ systemDisk: await systemDisk(), harts, pieces: 1 });
  const found: Record<Kind, Switch[]> = { virtualize: [], replace: [], devirtualize: [] };
  const { node } = working;
  try {
    await working.boot();
    const busy = `for hart in $(seq ${harts}); do (while :; do (exit 0); done) >/dev/null 2>&1 & done`;
    await working.act('guest.run', { guest: 'old', argv: ['/bin/sh', '-c', busy], env: {}, expectExit: [0] });
    for (let time = 0; time < Number(values.times); time++) {
      for (const kind of KINDS) {
        await node.executive.drive(node.executive.sleep(APART_NS));
        const startNs = node.machine.now();
        const answer = kind === 'replace' ? await replace(working, time) : await node.monitor.request({ op: kind });
        found[kind].push({ switchNs: answer.switchNs, pauseNs: node.machine.now() - startNs });
      }
    }
  } finally {
    working.close();
  }
  return found;
}

function replace({ node }: WorkingNode, time: number) {
  return node.replaceMicrovisor(RELEASES[(time + 1) % RELEASES.length]!.name);
}

function rowOf(all: readonly Switch[]): string {
  const us = (ns: number): string => (ns / 1e3).toFixed(1);
  const sorted = all.map(({ switchNs }) => switchNs).toSorted((a, b) => a - b);
  const median = sorted[Math.floor(sorted.length / 2)] ?? Number.NaN;
  const longest = Math.max(...all.map(({ pauseNs }) => pauseNs));
  return [us(median), us(sorted.at(-1) ?? Number.NaN), us(longest)].join(' | ');
}
