/**
 * What a store's clients see when something dies while it moves: a sample of `node tools/faults.ts`, at instants chosen by
 * the run without a fault. The node is booted once; every run begins where it was saved.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Fault, Reference } from '../../tools/faults/fault.ts';
import { oneRun, type RunResult, referenceRun } from '../../tools/faults/one-run.ts';
import { saveStatefulNode } from '../../tools/faults/saved-node.ts';

const folder = mkdtempSync(join(tmpdir(), 'mvctl-faults-'));
const saved = join(folder, 'saved');
const MS = 1e6;
const DOWNTIME_MS_MAX = 1_000;

/** Of a run in which the copy boots, and of one in which it is woken. */
let boots: Reference;
let wakes: Reference;

beforeAll(async () => {
  await saveStatefulNode(saved);
  const run = { saved, folder: join(folder, 'reference'), seed: 1, maintenance: 'restart' } as const;
  boots = await referenceRun({ ...run, fromStandby: false });
  wakes = await referenceRun({ ...run, fromStandby: true });
});

afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** Node time so long after the step begins. */
const into = (reference: Reference, step: string, ms: number): number => Math.round(reference.steps[step]! + ms * MS);

async function runWith(fromStandby: boolean, ...faults: readonly Fault[]): Promise<RunResult> {
  const plan = { seed: 1, maintenance: 'restart', fromStandby, faults, recordCrash: undefined } as const;
  const result = await oneRun({ number: 1, faults: plan, saved, folder: join(folder, 'run') });
  expect(result).toMatchObject({ lost: [], safe: true });
  expect(result.happened).toHaveLength(faults.length);
  return result;
}

describe('a store that moves with its disk loses nothing it acknowledged', () => {
  it('when the new OS panics while it serves: the old one has it back within a second', async () => {
    const { exitCode, downtimeMs } = await runWith(true, {
      kind: 'panic',
      guest: 'new',
      atNs: into(wakes, 'soaking', 700),
    });
    expect(exitCode).toBe(20);
    expect(downtimeMs).toBeLessThanOrEqual(DOWNTIME_MS_MAX);
  });

  it('when the old OS panics while the new one gets ready: its reboot does not keep the hart from the new one', async () => {
    const { exitCode, downtimeMs } = await runWith(true, {
      kind: 'panic',
      guest: 'old',
      atNs: into(wakes, 'getReady', 220),
    });
    expect(exitCode).toBe(0);
    expect(downtimeMs).toBeLessThanOrEqual(DOWNTIME_MS_MAX);
  });

  it('when the new OS panics in the hand-over: the old one goes on, and the disk does not wait for a reboot', async () => {
    const { exitCode, downtimeMs } = await runWith(true, {
      kind: 'panic',
      guest: 'new',
      atNs: into(wakes, 'moveStore', 22),
    });
    expect(exitCode).toBe(20);
    expect(downtimeMs).toBeLessThanOrEqual(DOWNTIME_MS_MAX);
  });

  it('when the new OS hangs while it takes the store over', async () => {
    const { exitCode, downtimeMs } = await runWith(true, {
      kind: 'hang',
      guest: 'new',
      atNs: into(wakes, 'moveStore', 254),
    });
    expect(exitCode).toBe(20);
    expect(downtimeMs).toBeLessThanOrEqual(DOWNTIME_MS_MAX);
  });

  it('when the old OS hangs while it ends the store: the new one takes the disk from it', async () => {
    const { exitCode, downtimeMs } = await runWith(true, {
      kind: 'hang',
      guest: 'old',
      atNs: into(wakes, 'moveStore', 88),
    });
    expect(exitCode).toBe(0);
    expect(downtimeMs).toBeLessThanOrEqual(DOWNTIME_MS_MAX);
  });

  it('when the old OS loses its power in the hand-over, and mvctl is killed right after', async () => {
    const { exitCode, resumes, downtimeMs } = await runWith(
      true,
      { kind: 'power-off', guest: 'old', atNs: into(wakes, 'moveStore', 60) },
      { kind: 'kill mvctl', atNs: into(wakes, 'moveStore', 100) },
    );
    expect([exitCode, resumes]).toEqual([0, 1]);
    expect(downtimeMs).toBeLessThanOrEqual(DOWNTIME_MS_MAX);
  });

  it('when the old OS loses its power before there is another one: the new one serves as soon as it is up', async () => {
    const { exitCode } = await runWith(false, {
      kind: 'power-off',
      guest: 'old',
      atNs: into(boots, 'bootCopy', 4_000),
    });
    expect(exitCode).toBe(0);
  });
});

describe('with a standby the OS that dies may be the only one that can serve', () => {
  const onlyOne: readonly (readonly [
    string,
    Fault['kind'] & ('panic' | 'power-off'),
    'old' | 'new',
    string,
    number,
  ])[] = [
    ['the old one while it gives up memory', 'panic', 'old', 'giveUpMemory', 60],
    ['the old one while the new one is woken', 'power-off', 'old', 'wakeStandby', 30],
    ['the new one while the old one shuts down', 'panic', 'new', 'shutDownOld', 100],
    ['the new one when it has taken up the memory', 'power-off', 'new', 'moveNetwork', 2],
  ];
  it.each(onlyOne)('%s: the standby serves within a second', async (_, kind, guest, step, ms) => {
    const { exitCode, downtimeMs } = await runWith(true, { kind, guest, atNs: into(wakes, step, ms) });
    expect(exitCode).toBe(0);
    expect(downtimeMs).toBeLessThanOrEqual(DOWNTIME_MS_MAX);
  });
});
