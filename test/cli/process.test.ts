/** mvctl in a process of its own, against a model node in another one: signals, locks and crashes are real here. */
import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { type Campaign, crashed, difference, type Ending, reference } from '../../tools/crash/crash-campaign.ts';
import { CRASHES } from '../../tools/crash/kill-at-record.ts';
import { ModelFleet } from '../../tools/crash/model-fleet.ts';
import { onlinePlan } from '../../tools/crash/plan-of.ts';
import { runMvctl } from '../../tools/crash/run-mvctl.ts';
import { ONLINE } from '../engine/model-run.ts';

const ON_MODEL = join(import.meta.dirname, '../../tools/crash/mvctl-on-model.ts');
const { plan, vars } = onlinePlan(ONLINE);
let fleet: ModelFleet;
let stateDir: string;
beforeAll(() => {
  fleet = new ModelFleet();
});
afterAll(() => fleet[Symbol.dispose]());
beforeEach(() => {
  stateDir = mkdtempSync(join(tmpdir(), 'mvctl-process-'));
});
afterEach(() => rmSync(stateDir, { recursive: true, force: true }));

interface Applying {
  readonly pid: number;
  kill(signal: NodeJS.Signals): void;
  /** Resolves when it has printed so. */
  says(text: string): Promise<void>;
  readonly ended: Promise<{ readonly exitCode: number | null; readonly printed: string }>;
}

/** `mvctl apply` on a node whose step `install` goes on until it is let go. */
async function applying(): Promise<Applying> {
  await fleet.start(stateDir, plan, 'install');
  const child = spawn(process.execPath, [ON_MODEL, 'apply', ONLINE, ...vars, '--state-dir', stateDir]);
  let printed = '';
  let heard = (): void => {};
  for (const stream of [child.stdout, child.stderr]) {
    stream.on('data', (chunk) => {
      printed += chunk;
      heard();
    });
  }
  const ended = new Promise<{ exitCode: number | null; printed: string }>((resolve) => {
    child.once('close', (exitCode) => resolve({ exitCode, printed }));
  });
  return {
    pid: child.pid!,
    kill: (signal) => child.kill(signal),
    ended,
    says: (text) =>
      new Promise((resolve, reject) => {
        heard = () => printed.includes(text) && resolve();
        heard();
        void ended.then(({ printed }) => reject(new Error(`expected ${text}, found ${printed}`)));
      }),
  };
}

const on = (...argv: readonly string[]) => runMvctl('model', [...argv, '--state-dir', stateDir]);

describe('a signal', { timeout: 120_000 }, () => {
  it.each([
    ['SIGINT', 130],
    ['SIGTERM', 143],
  ] as const)('%s stops the run after the step that is under way, and it is resumed', async (signal, exitCode) => {
    const run = await applying();
    await run.says('… install');
    run.kill(signal);
    await run.says('stopping after this step; once more takes back what was done');
    await fleet.letGo(stateDir);
    const end = await run.ended;
    expect(end).toMatchObject({ exitCode });
    expect(end.printed).toContain('✔ install');
    expect(end.printed).not.toContain('… rebootCopy');
    expect(end.printed).toContain(`mvctl resume --state-dir ${stateDir}`);
    expect((await on('resume')).exitCode).toBe(0);
    expect((await on('rollback')).exitCode).toBe(32);
  });

  it('that comes twice takes back what was done', async () => {
    const run = await applying();
    await run.says('… install');
    run.kill('SIGINT');
    await run.says('once more takes back');
    run.kill('SIGINT');
    await run.says('taking back what was done, after this step');
    await fleet.letGo(stateDir);
    const end = await run.ended;
    expect(end.exitCode).toBe(20);
    expect(end.printed).toContain('taken back: createVm, cloneDisk, giveUpHarts, giveUpMemory, slipUnder');
    expect(await fleet.tell(stateDir)).toMatchObject({ isVirtualized: false, serving: 'old', guests: ['old'] });
  });

  it('that comes a third time leaves everything as it is, to be resumed', async () => {
    const run = await applying();
    await run.says('… install');
    for (const answer of ['once more takes back', 'taking back what', 'left as it is']) {
      run.kill('SIGINT');
      await run.says(answer);
    }
    expect((await run.ended).exitCode).toBe(130);
    await fleet.letGo(stateDir);
    expect((await on('rollback')).exitCode).toBe(20);
    expect(await fleet.tell(stateDir)).toMatchObject({ isVirtualized: false, serving: 'old', guests: ['old'] });
  });
});

describe('the lock', { timeout: 120_000 }, () => {
  it('names its holder, is free when that is killed, and is broken when it hangs', async () => {
    const first = await applying();
    await first.says('… install');
    expect(JSON.parse((await on('lock', 'ls', '--output', 'json')).printed)).toMatchObject({
      state: 'held',
      holder: { pid: first.pid, playbook: 'online-os-upgrade' },
    });
    expect((await on('resume')).exitCode).toBe(24);

    expect((await on('lock', 'break')).printed).toContain(`broken; it was held by process ${first.pid}`);
    expect((await on('lock', 'ls')).printed).toContain('free');
    const second = on('rollback');
    await fleet.letGo(stateDir);
    expect((await second).exitCode).toBe(20);
    const stale = await first.ended;
    expect(stale.exitCode).toBe(33);
    expect(stale.printed).toContain('another mvctl has taken the node over');
    expect(await fleet.tell(stateDir)).toMatchObject({ isVirtualized: false, serving: 'old', guests: ['old'] });
  });

  it('of a process that was killed is free, and says so', async () => {
    const run = await applying();
    await run.says('… install');
    run.kill('SIGKILL');
    await run.ended;
    expect((await on('lock', 'ls')).printed).toContain(`free; process ${run.pid} ended without saying so`);
    expect((await on('lock', 'break')).printed).toContain('nothing to break');
    await fleet.letGo(stateDir);
    expect((await on('resume')).exitCode).toBe(0);
  });
});

describe('mvctl killed at a record of its journal', { timeout: 300_000 }, () => {
  let campaign: Campaign;
  let expected: Ending;
  beforeAll(async () => {
    campaign = { fleet, plan, apply: [ONLINE, ...vars] };
    expected = await reference(campaign);
  });

  /** A sample; `node tools/crash.ts` tries them all. */
  it.each([
    ...CRASHES.map((crash, index) => [crash, 20 + 8 * index] as const),
    ['before', 1] as const,
    ['torn', 1] as const,
  ])('%s record %i ends, resumed, like one that was not', async (crash, record) => {
    expect(difference(expected, await crashed(campaign, { crash, record }))).toBeUndefined();
  });
});
