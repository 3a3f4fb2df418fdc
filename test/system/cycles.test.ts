import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { PRIMITIVES } from '../../src/node/primitives/table.ts';
import { type CycleFigures, CyclingNode, changes, isWithin } from './cycling-node.ts';
import { systemDisk } from './system-disk.ts';

/** `bench/cycles.ts` does twenty. */
const CYCLES = 3;
const LIMIT = 0.01;
/** What an OS just booted happens to keep in its caches; `bench/cycles.ts` shows that it does not drift. */
const MEM_AVAILABLE_LIMIT = 0.02;

it('A node goes through one maintenance after another, from side to side, and is the same afterwards', async () => {
  const stateDir = mkdtempSync(join(tmpdir(), 'mvctl-cycles-'));
  const node = new CyclingNode({ stateDir, systemDisk: await systemDisk() });
  const all: CycleFigures[] = [];
  try {
    await node.boot();
    for (let cycle = 0; cycle < CYCLES; cycle++) all.push(await node.cycle());
    // A guest may object, and says why.
    const hook = '#!/bin/sh\n[ "$1" != virtualize ] || { echo a backup is under way; exit 1; }\n';
    await node.run(
      `mkdir -p /etc/mvctl/veto.d; printf '${hook}' >/etc/mvctl/veto.d/backup; chmod +x /etc/mvctl/veto.d/*`,
    );
    const soon = { deadlineNs: node.node.machine.now() + 10e9, key: '' };
    const vetoed = PRIMITIVES['microvisor.virtualize'](node.node, {}, soon);
    await expect(vetoed).rejects.toMatchObject({
      code: 'vetoed',
      message: "guest 'old' vetoes virtualize: backup: a backup is under way",
    });
    await node.run('rm /etc/mvctl/veto.d/backup');
    // A bare node is as devirtualize leaves it already.
    const again = await PRIMITIVES['microvisor.devirtualize'](node.node, {}, { deadlineNs: Infinity, key: '' });
    expect(again).toEqual({ switchNs: 0, pauseNs: 0, stateIdentical: true, differences: [] });
  } finally {
    await node.close();
    rmSync(stateDir, { recursive: true, force: true });
  }
  expect(all.map(({ side }) => side)).toEqual(['B', 'A', 'B']);
  for (const figures of all) {
    expect(figures).toMatchObject({ outcome: 'succeeded', failed: 0, stateIdentical: true, bareTrapsExtra: 0 });
    expect(figures.bytesTakenUp).toBe(figures.bytesGivenUp);
    // How long a cycle takes is rounded up by the waits between two looks at a guest that boots.
    const judged = changes(all[0]!, figures).filter(({ name }) => name !== 'nodeMs');
    const limitOf = (name: string): number => (name === 'memAvailableKib' ? MEM_AVAILABLE_LIMIT : LIMIT);
    expect(judged.filter((each) => !isWithin(each, limitOf(each.name)))).toEqual([]);
  }
  expect(all[2]!.board).toBe(all[0]!.board);
});
