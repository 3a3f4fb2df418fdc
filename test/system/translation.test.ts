/** A boot of the OS with hot code translated and without: the guest, and virtual time, cannot tell. */
import { createHash } from 'node:crypto';
import { beforeAll, expect, it } from 'vitest';
import { MIB, type Translate } from '../../src/machine/index.ts';
import { BareNode } from './bare-node.ts';
import { systemDisk } from './system-disk.ts';

/** As long as systemd takes to start most of its services. */
const NODE_MS = 4000;

let disk: string;
beforeAll(async () => {
  disk = await systemDisk();
});

function boot(translate: Translate) {
  const node = new BareNode({ systemDisk: disk, translate });
  node.runUntil(() => false, NODE_MS);
  const { memory, counters } = node.machine;
  const ram = createHash('sha256');
  for (let at = 0; at < memory.bytes; at += MIB) ram.update(memory.view(memory.base + at, MIB));
  return { counters, console: node.console, ram: ram.digest('hex') };
}

it('a boot retires the same instructions, prints the same and leaves the same RAM when hot code is translated', () => {
  const interpreted = boot('off');
  expect(interpreted.counters.retiredInstructions).toBeGreaterThan(1_000_000_000);
  expect(boot('hot')).toEqual(interpreted);
});
