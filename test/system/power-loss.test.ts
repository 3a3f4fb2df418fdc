/** The node loses its power in the middle of an upgrade: its process is killed, and with it all that was not on a disk. */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, describe, expect, it } from 'vitest';
import { RunStore } from '../../src/engine/index.ts';
import { connectNode, type RemoteNode } from '../../src/node/index.ts';
import { ROOT, start } from './mvctl-process.ts';

const LOOK_MS = 5;
const folder = mkdtempSync(join(tmpdir(), 'mvctl-power-'));
const stateDir = join(folder, 'node');
const reportPath = join(folder, 'report.json');
const APPLY = ['apply', join(ROOT, 'playbooks/online-os-upgrade.yaml'), '--state-dir', stateDir];
const RESUME = ['resume', '--state-dir', stateDir, '--output', `json=${reportPath}`];

/** Whoever has the node's disk open is the node. */
const nodePid = (): number =>
  (JSON.parse(readFileSync(join(stateDir, 'disks/system.overlay.lock'), 'utf8')) as { readonly pid: number }).pid;

async function withNode<Value>(use: (node: RemoteNode) => Promise<Value>): Promise<Value> {
  const node = await connectNode({ stateDir });
  try {
    return await use(node);
  } finally {
    await node.close();
  }
}

/** What the OS that runs says of itself, asked past the engine; `attempt` makes the question a new one. */
const kernelOf = (attempt: string): Promise<unknown> =>
  withNode(async (node) => {
    const request = {
      primitive: 'guest.facts',
      args: { guest: 'old', packages: [] },
      key: `test/${attempt}`,
      epoch: new RunStore(stateDir).epoch,
    };
    const outcome = await node.act(request as never);
    return outcome.ok ? (outcome.result as { readonly kernel: string }).kernel : outcome.error;
  });

/** The node notes an act before it begins with it. Gives up when `ended` says that nothing will begin any more. */
async function untilBegun(step: string, ended: () => boolean): Promise<void> {
  const hasBegun = (): boolean => new RegExp(`/${step}/1"`).test(readFileSync(join(stateDir, 'acts.jsonl'), 'utf8'));
  while (!hasBegun() && !ended()) await sleep(LOOK_MS);
}

/** Applies until `step` is under way, and there the power goes. */
async function losePowerIn(step: string): Promise<void> {
  const apply = start(APPLY);
  await apply.tells(`… ${step}\n`);
  await untilBegun(step, () => apply.child.exitCode !== null);
  if (apply.child.exitCode !== null) expect.fail(`mvctl ended too early: ${(await apply.finished).printed}`);
  process.kill(nodePid(), 'SIGKILL');
  const { exitCode, printed } = await apply.finished;
  expect(exitCode, printed).toBe(26);
  expect(printed).toContain("the node's process has gone away");
}

afterAll(async () => {
  await withNode((node) => node.shutDown());
  rmSync(folder, { recursive: true, force: true });
});

describe('a node that loses its power', () => {
  it('before the commit comes back with the old OS, and what was begun is taken back', async () => {
    await losePowerIn('install');
    const { exitCode, printed } = await start(RESUME).finished;
    expect(exitCode, printed).toBe(20);
    const report = JSON.parse(readFileSync(reportPath, 'utf8'));
    expect(report.run.outcome).toBe('rolled-back');
    expect(report.failure).toMatchObject({ phase: 'upgrade', step: 'install', code: 'lost-power' });
    // Memory and the Microvisor went with the power; of what was done only the copy of the disk was left to take back.
    expect(report.undone).toEqual(['cloneDisk']);
    expect(report.leftOver).toEqual([]);
    // What a client saw before the loss is gone: nobody makes it up.
    expect(report.service).toBeNull();
    expect(report.timeline).toBeNull();
    const { facts } = await withNode((node) => node.status());
    expect(facts).toMatchObject({ power: 'on', virtualized: false, bootSide: 'A', disks: ['system', 'upgrades'] });
    expect(report.os.after.kernel).toMatch(/^6\./);
    expect(await kernelOf('before the commit')).toBe(report.os.after.kernel);
  });

  it('after the commit comes back with the new OS, and the run says so', async () => {
    await losePowerIn('shutDownOld');
    const { exitCode, printed } = await start(RESUME).finished;
    expect(exitCode, printed).toBe(28);
    const report = JSON.parse(readFileSync(reportPath, 'utf8'));
    expect(report.run.outcome).toBe('failed-safe');
    // Which step it was depends on how fast the kill is: shutting down is over in an instant.
    expect(report.failure).toMatchObject({ phase: 'retire', code: 'lost-power' });
    expect(report.undone).toEqual([]);
    expect(report.service).toBeNull();
    const { facts } = await withNode((node) => node.status());
    expect(facts).toMatchObject({ power: 'on', virtualized: false, bootSide: 'B' });
    expect(report.os.after.kernel).toMatch(/^7\./);
    expect(await kernelOf('after the commit')).toBe(report.os.after.kernel);
  });
});
