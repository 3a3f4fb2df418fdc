/** One run on the emulated node whose engine is killed after every record of its journal. */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { EXIT, RunStore, readJournal } from '../../src/engine/index.ts';
import { connectNode } from '../../src/node/index.ts';
import { reportPath, withoutWallClock } from './crash-campaign.ts';
import { runMvctl } from './run-mvctl.ts';

const RECORDS_MAX = 5_000;

/** What went wrong. */
export async function crashEmulated(playbook: string): Promise<readonly string[]> {
  const folder = mkdtempSync(join(tmpdir(), 'mvctl-crash-'));
  try {
    const expected = await onNode(join(folder, 'whole'), async (where) => {
      const { exitCode, printed } = await runMvctl('emulated', ['apply', playbook, ...where]);
      if (exitCode !== EXIT.ok.code) throw new Error(`expected exit code 0, found ${exitCode}:\n${printed}`);
    });
    let kills = 0;
    const found = await onNode(join(folder, 'killed'), async (where) => {
      for (let record = 1; record < RECORDS_MAX; record = nextKill(where[1]!)) {
        const verb = record === 1 ? ['apply', playbook] : ['resume'];
        const { exitCode, signal, printed } = await runMvctl('emulated', [...verb, ...where], {
          crash: { crash: 'after', record },
        });
        // Over, or killed right after it had written that it was.
        if (exitCode === EXIT.ok.code || exitCode === EXIT.nothingToResume.code) return;
        if (signal !== 'SIGKILL') throw new Error(`record ${record}: expected SIGKILL, found ${exitCode}:\n${printed}`);
        kills += 1;
      }
      throw new Error(`expected fewer than ${RECORDS_MAX} records`);
    });
    console.log(`${playbook} on the emulated node: killed ${kills} times`);
    if (withoutWallClock(found) === withoutWallClock(expected)) return [];
    return [`the report differs: expected ${withoutWallClock(expected)}, found ${withoutWallClock(found)}`];
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/**
 * The record after which the next engine is killed: its first one after it has written that it took the run over. One that
 * found a timer writes the timer again before it waits, and comes no further than that if it is killed there.
 */
function nextKill(stateDir: string): number {
  const { records } = readJournal(new RunStore(stateDir).runs().at(-1)!.journalPath);
  return records.length + (records.at(-1)?.type === 'timer' ? 3 : 2);
}

/** The report of a run on a new node. */
async function onNode(stateDir: string, work: (where: readonly string[]) => Promise<void>): Promise<string> {
  try {
    await work(['--state-dir', stateDir]);
    return readFileSync(reportPath(stateDir), 'utf8');
  } finally {
    const node = await connectNode({ stateDir });
    await node.shutDown();
    await node.close();
  }
}
