import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { BareNode } from './bare-node.ts';
import { CyclingNode } from './cycling-node.ts';
import { OverlayStore } from './overlay-store.ts';
import { systemDisk } from './system-disk.ts';

const PROMPT = 'root@node:~# ';
const BOOT_LIMIT_MS = 60_000;
const SWITCH_US_MAX = 200;

async function boot(harts: 2 | 4): Promise<BareNode> {
  const node = new BareNode({ systemDisk: new OverlayStore(await systemDisk()), harts });
  expect(node.runUntilConsole(PROMPT, BOOT_LIMIT_MS), node.console).toBe(true);
  return node;
}

describe('unmodified Debian on several harts', () => {
  it('runs on all of them, bare, and the same bit for bit when it is run again', async () => {
    const [node, again] = [await boot(2), await boot(2)];
    expect(again.machine.counters).toEqual(node.machine.counters);
    expect(again.console).toBe(node.console);
    node.type('echo harts=$(nproc)\r');
    expect(node.runUntilConsole('harts=2', 5000), node.console).toBe(true);
    expect(node.get('10.0.0.10', '/', 10_000)).toMatchObject({ ok: true, response: { status: 200 } });
  });

  it('gives half of its harts to the next OS, which has them all in the end', async () => {
    const stateDir = mkdtempSync(join(tmpdir(), 'mvctl-harts-'));
    const node = new CyclingNode({ stateDir, systemDisk: await systemDisk(), harts: 4 });
    try {
      await node.boot();
      const figures = await node.cycle();
      expect(figures).toMatchObject({ side: 'B', failed: 0, stateIdentical: true, bareTrapsExtra: 0 });
      expect(figures.virtualizeUs).toBeLessThan(SWITCH_US_MAX);
      expect(figures.devirtualizeUs).toBeLessThan(SWITCH_US_MAX);
      for (const { guest, account } of (await node.top()).sides) {
        // The one that is left has the node; the other is remembered.
        expect(['old', null]).toContain(guest);
        expect(account.ranNs).toBeGreaterThan(0);
        expect(account.exits['sbi']).toBeGreaterThan(0);
      }
      const online = await node.run('nproc');
      expect(online.trim()).toBe('4');
    } finally {
      await node.close();
      rmSync(stateDir, { recursive: true, force: true });
    }
  });
});
