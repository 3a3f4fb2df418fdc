/** A disk that is really full, and one that is really read-only: a tmpfs of its own. */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { RunStore } from '../../src/engine/index.ts';
import { ModelFleet } from '../../tools/crash/model-fleet.ts';
import { onlinePlan } from '../../tools/crash/plan-of.ts';
import { runMvctl } from '../../tools/crash/run-mvctl.ts';
import { ONLINE } from '../engine/model-run.ts';
import { canMount, mount, unmount } from '../tmpfs.ts';

const PAGE = 4_096;

const isPossible = canMount();
if (!isPossible)
  console.warn('no tmpfs can be mounted here: full and read-only disks are tried with injected errors only');

describe.skipIf(!isPossible)('a state directory on a disk of its own', { timeout: 120_000 }, () => {
  const { plan, vars } = onlinePlan(ONLINE);
  let fleet: ModelFleet;
  let stateDir: string;
  beforeAll(() => {
    fleet = new ModelFleet();
  });
  afterAll(() => fleet[Symbol.dispose]());
  beforeEach(() => {
    stateDir = mkdtempSync(join(tmpdir(), 'mvctl-tmpfs-'));
  });
  afterEach(() => {
    unmount(stateDir);
    rmSync(stateDir, { recursive: true });
  });
  const apply = () => runMvctl('model', ['apply', ONLINE, ...vars, '--state-dir', stateDir]);
  const resume = () => runMvctl('model', ['resume', '--state-dir', stateDir]);
  const remount = (how: string): boolean => mount('-o', `remount,${how}`, stateDir);
  const history = async (): Promise<readonly string[]> => (await fleet.tell(stateDir)).history;

  /** Sizes of a journal that nothing stopped: of its first record, and of all. */
  async function journalBytes(): Promise<{ readonly begin: number; readonly whole: number }> {
    await undisturbed();
    const journal = readFileSync(new RunStore(stateDir).runs()[0]!.journalPath);
    rmSync(join(stateDir, 'runs'), { recursive: true });
    return { begin: journal.indexOf('\n'), whole: journal.length };
  }

  /** What a node does in a run that nothing stops. */
  async function undisturbed(): Promise<readonly string[]> {
    unmount(stateDir);
    await fleet.start(stateDir, plan);
    expect((await apply()).exitCode).toBe(0);
    return history();
  }

  it('that gets full stops the run before an effect, and it goes on when there is room', async () => {
    const { begin, whole: journal } = await journalBytes();
    // Room for half of the run; holder.json, the epoch and its new copy take a page each.
    const pages = Math.ceil((begin + (journal - begin) / 2) / PAGE) + 3;
    mount('-t', 'tmpfs', '-o', `size=${pages * PAGE}`, 'tmpfs', stateDir);
    await fleet.start(stateDir, plan);
    const full = await apply();
    expect(full.exitCode, full.printed).toBe(29);
    expect(full.printed).toContain('ENOSPC');
    const begun = await history();
    expect(begun.length).toBeGreaterThan(3);
    const still = await resume();
    expect(still.exitCode, still.printed).toBe(29);
    expect(await history()).toEqual(begun);
    remount('size=8m');
    const resumed = await resume();
    expect(resumed.exitCode, resumed.printed).toBe(0);
    const whole = await history();
    expect(whole.length).toBeGreaterThan(begun.length);
    expect(whole.slice(0, begun.length)).toEqual(begun);
    // Nothing was done twice: a run that was never stopped did the same.
    expect(whole).toEqual(await undisturbed());
  });

  it('that is read-only lets nothing begin, and nothing go on', async () => {
    mount('-t', 'tmpfs', '-o', 'size=8m', 'tmpfs', stateDir);
    await fleet.start(stateDir, plan);
    remount('ro');
    const refused = await apply();
    expect(refused.exitCode, refused.printed).toBe(29);
    expect(refused.printed).toContain('EROFS');
    expect(await history()).toEqual([]);
    remount('rw');
    const args = ['apply', ONLINE, ...vars, '--state-dir', stateDir];
    expect((await runMvctl('model', args, { crash: { crash: 'after', record: 40 } })).signal).toBe('SIGKILL');
    const begun = await history();
    remount('ro');
    const still = await resume();
    expect(still.exitCode, still.printed).toBe(29);
    expect(await history()).toEqual(begun);
    remount('rw');
    const resumed = await resume();
    expect(resumed.exitCode, resumed.printed).toBe(0);
  });
});
