/**
 * What the Microvisor costs the OS above it: the same pieces of work on the bare node, virtualized alone, beside a busy
 * maintenance VM at several weights, and on the bare node again. Prints a Markdown table: node time of a piece (median)
 * and what it is more than bare, then instructions and CPU time of this process, of all pieces together.
 *
 *   node bench/overhead.ts [--pieces 9] [--weights 5,20,50]
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import type { PrimitiveArgs, PrimitiveName, PrimitiveResult } from '../src/engine/index.ts';
import { EmulatedNode } from '../src/node/emulated-node.ts';
import type { NodeConfig } from '../src/node/node-config.ts';
import { LIMIT_S, PRIMITIVES } from '../src/node/primitives/table.ts';
import { createStateDirectory } from '../src/node/state-directory.ts';
import { systemDisk } from '../test/system/system-disk.ts';

const { values } = parseArgs({
  options: { pieces: { type: 'string', default: '9' }, weights: { type: 'string', default: '5,20,50' } },
});
const pieces = Number(values.pieces);
const BOOT_NS = 300_000_000_000;
const SLICE_US = 1_000;
const REQUESTS = 50;

/** Work inside the guest, by what it spends its time on. */
const WORK: Readonly<Record<string, readonly string[]>> = {
  cpu: ['awk', 'BEGIN { for (i = 0; i < 300000; i++) s += i * i; print s }'],
  'system calls': ['dd', 'if=/dev/zero', 'of=/dev/null', 'bs=1', 'count=20000'],
  fork: ['/bin/sh', '-c', 'i=0; while [ $i -lt 40 ]; do (exit 0); i=$((i+1)); done'],
  disk: ['dd', 'if=/dev/vda', 'of=/dev/null', 'bs=64k', 'count=128', 'iflag=direct'],
};
const NETWORK_WORK = 'network';

interface Figures {
  readonly pieceNs: number;
  readonly instructions: number;
  readonly cpuMs: number;
}

const stateDir = mkdtempSync(join(tmpdir(), 'mvctl-overhead-'));
const state = createStateDirectory(stateDir);
const config: NodeConfig = {
  version: 1,
  bankMib: 256,
  harts: 1,
  clock: 'virtual',
  seed: 1,
  disks: { system: { base: await systemDisk(), overlay: join(state.disks, 'system.overlay') } },
  systemDisk: { A: 'system' },
  bootSide: 'A',
  powerOns: 1,
};
const node = new EmulatedNode({ config, state, clock: { kind: 'virtual' }, onConsole: () => {} });

function act<Name extends PrimitiveName>(name: Name, args: PrimitiveArgs<Name>): Promise<PrimitiveResult<Name>> {
  const deadlineNs = node.machine.now() + LIMIT_S[name] * 1e9;
  return PRIMITIVES[name](node, args, { deadlineNs, key: name });
}

async function measured(work: () => Promise<number>): Promise<Figures> {
  const before = node.machine.counters.retiredInstructions;
  const cpu = process.cpuUsage();
  const pieceNs = await work();
  const { user, system } = process.cpuUsage(cpu);
  const instructions = node.machine.counters.retiredInstructions - before;
  return { pieceNs, instructions, cpuMs: (user + system) / 1e3 };
}

/** Node time of a request, of many in a row. */
async function requests(): Promise<number> {
  const startNs = node.machine.now();
  const check = { guest: 'old', path: '/', times: REQUESTS, intervalMs: 0, deadlineMs: 2_000 } as const;
  await act('service.check', { ...check, expectStatus: 200, expectContains: '', expectSha256: '' });
  return (node.machine.now() - startNs) / REQUESTS;
}

async function stage(): Promise<ReadonlyMap<string, Figures>> {
  const figures = new Map<string, Figures>();
  for (const [name, argv] of Object.entries(WORK)) {
    // The first time fills caches.
    await act('guest.sample-work', { guest: 'old', argv, times: 1 });
    figures.set(
      name,
      await measured(async () => (await act('guest.sample-work', { guest: 'old', argv, times: pieces })).nodeNs),
    );
  }
  figures.set(NETWORK_WORK, await measured(requests));
  return figures;
}

const stages = new Map<string, ReadonlyMap<string, Figures>>();
try {
  await node.powerOn(node.machine.now() + BOOT_NS);
  const memory = { guest: 'old', argv: ['/usr/local/sbin/mv-memory', 'status'], intervalMs: 100 } as const;
  await act('guest.wait-for', memory);
  stages.set('bare', await stage());
  await act('microvisor.virtualize', {});
  stages.set('virtualized, alone', await stage());
  await act('memory.give-up', { guest: 'old' });
  await act('disk.clone', { from: 'old', name: 'system-new' });
  await act('vm.create', { guest: 'new', disk: 'system-new' });
  await act('vm.boot', { guest: 'new' });
  const busy = ['/bin/sh', '-c', '(while :; do :; done) >/dev/null 2>&1 &'];
  await act('guest.run', { guest: 'new', argv: busy, env: {}, expectExit: [0] });
  for (const weight of values.weights.split(',').map(Number)) {
    await node.monitor.request({ op: 'setShare', maintenancePercent: weight, sliceUs: SLICE_US });
    stages.set(`beside a busy VM, weight ${weight} %`, await stage());
  }
  await act('vm.destroy', { guest: 'new' });
  await act('memory.take-up', { guest: 'old' });
  await act('microvisor.devirtualize', {});
  stages.set('bare again', await stage());
} finally {
  node.executive.close();
  node.disks.closeAll();
  rmSync(stateDir, { recursive: true, force: true });
}
print();

function print(): void {
  const bare = stages.get('bare')!;
  const rows: string[] = [
    '| work | stage | µs a piece | more than bare | instructions | CPU ms |',
    '|---|---|---:|---:|---:|---:|',
  ];
  for (const [name, base] of bare) {
    for (const [title, figures] of stages) {
      const { pieceNs, instructions, cpuMs } = figures.get(name)!;
      const more = ((pieceNs / base.pieceNs - 1) * 100).toFixed(3);
      rows.push(
        `| ${name} | ${title} | ${(pieceNs / 1e3).toFixed(1)} | ${more} % | ${instructions} | ${cpuMs.toFixed(0)} |`,
      );
    }
  }
  process.stdout.write(`${rows.join('\n')}\n`);
}
