/** The power goes when the commit has taken effect and nobody was told: what the node boots and what the run says are the same. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, it } from 'vitest';
import { readJournal, runPlan } from '../../src/engine/index.ts';
import { connectNode } from '../../src/node/index.ts';
import { runMvctl } from '../../tools/crash/run-mvctl.ts';
import { modelFor, options, planText } from '../engine/model-run.ts';

const PLAYBOOK = `apiVersion: mvctl/v1
kind: Playbook
name: mark
phases:
  - id: work
    steps:
      - id: mark
        uses: guest.run
        with: { guest: old, script: "touch /var/tmp/mark; sync" }
        undo: { uses: guest.run, with: { guest: old, argv: [rm, -f, /var/tmp/mark] } }
      - { id: check, uses: service.check }
      - { id: commit, uses: commit, with: { guest: old } }
`;

const folder = mkdtempSync(join(tmpdir(), 'mvctl-commit-'));
const stateDir = join(folder, 'node');
const where = ['--state-dir', stateDir];

afterAll(async () => {
  const node = await connectNode({ stateDir });
  await node.shutDown();
  await node.close();
  rmSync(folder, { recursive: true, force: true });
});

/** Number of the record that tells that the commit is done, on a node that is on. */
async function commitRecord(): Promise<number> {
  const plan = planText('mark.yaml', PLAYBOOK);
  const { journalPath } = await runPlan(plan, options(modelFor(plan), join(folder, 'model')));
  const index = plan.phases[0]!.steps.find(({ id }) => id === 'commit')!.index;
  const found = readJournal(journalPath).records.find(
    (record) => record.type === 'event' && record.event['actorId'] === `step ${index}`,
  );
  return found!.seq;
}

it('a commit that nobody heard of before the power went is one all the same', async () => {
  const playbook = join(folder, 'mark.yaml');
  const reportPath = join(folder, 'report.json');
  writeFileSync(playbook, PLAYBOOK);
  const booted = await runMvctl('emulated', ['apply', playbook, ...where]);
  expect(booted.exitCode, booted.printed).toBe(0);
  const crash = { crash: 'before', record: await commitRecord() } as const;
  const killed = await runMvctl('emulated', ['apply', playbook, ...where], { crash });
  expect(killed.signal, killed.printed).toBe('SIGKILL');
  const lock = readFileSync(join(stateDir, 'disks/system.overlay.lock'), 'utf8');
  process.kill((JSON.parse(lock) as { readonly pid: number }).pid, 'SIGKILL');

  const resumed = await runMvctl('emulated', ['resume', ...where, '--output', `json=${reportPath}`]);
  expect(resumed.exitCode, resumed.printed).toBe(28);
  const report = JSON.parse(readFileSync(reportPath, 'utf8'));
  expect(report.run.outcome).toBe('failed-safe');
  expect(report.undone).toEqual([]);
});
