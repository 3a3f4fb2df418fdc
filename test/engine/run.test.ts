import { describe, expect, it } from 'vitest';
import { type ModelNode, type Plan, RunStore, readJournal } from '../../src/engine/index.ts';
import { stepsOf } from '../../src/engine/plan/plan.ts';
import { stepKind } from '../../src/engine/steps/table.ts';
import { modelFor, OFFLINE, ONLINE, options, planOf, reportOf, resumeRun, runPlan, TestFolders } from './model-run.ts';

const online = planOf(ONLINE);
const nodeSteps = (plan: Plan) => stepsOf(plan).filter(({ uses }) => stepKind(uses).does.by === 'node');
const isStep = (key: string, id: string): boolean => key.split('/')[2] === id && !key.includes('/undo/');

/** The node as it was before the run. */
function expectUntouched(model: ModelNode): void {
  expect(model.state.isVirtualized).toBe(false);
  expect([...model.state.guests.keys()]).toEqual(['old']);
  expect([...model.state.disks]).toEqual(['upgrades']);
  expect(model.state.bankIsFree).toBe(false);
  expect(model.state.serving).toBe('old');
}

describe('the online upgrade', () => {
  it('ends with the new OS on a bare node', async () => {
    using folders = new TestFolders();
    const model = modelFor(online);
    const report = reportOf(await runPlan(online, options(model, folders.make())));
    expect(report.run).toMatchObject({ outcome: 'succeeded', exitCode: 0 });
    expect(report.os.before?.kernel).toBe('1.0-model');
    expect(report.os.after?.kernel).toBe('2.0-model');
    expect(report.phases.map(({ outcome }) => outcome)).not.toContain('failed');
    expect(report.service?.downtimeMs).toBe(0);
    expect(report.phases.find(({ id }) => id === 'cut-over')?.downtimeMs).toBe(0);
    expect(report.microvisor).toMatchObject({ stateIdentical: true, bareTrapsExtra: 0, overheadPercent: 0 });
    expect(model.state.isVirtualized).toBe(false);
    expect([...model.state.guests.keys()]).toEqual(['new']);
  });

  it('gives the same report twice', async () => {
    using folders = new TestFolders();
    const first = reportOf(await runPlan(online, options(modelFor(online), folders.make())));
    const second = reportOf(await runPlan(online, options(modelFor(online), folders.make())));
    expect(JSON.stringify(second)).toBe(JSON.stringify(first));
  });

  it('writes each intent before its effect and each event after it', async () => {
    using folders = new TestFolders();
    const stateDir = folders.make();
    const journalled: string[] = [];
    const model = modelFor(online, ({ key }) => {
      const { journalPath } = new RunStore(stateDir).runs()[0]!;
      const { records } = readJournal(journalPath);
      const last = records.at(-1)!;
      expect(last.type === 'intent' && last.key).toBe(key);
      journalled.push(key);
      return undefined;
    });
    await runPlan(online, options(model, stateDir));
    expect(new Set(journalled).size).toBe(journalled.length);
    expect(journalled.length).toBe(nodeSteps(online).length + 3);
  });
});

describe('a step that fails before the commit', () => {
  const steps = nodeSteps(online).filter(({ isAfterCommit }) => !isAfterCommit);

  it.each(steps.map(({ id }) => id))('%s: everything is taken back, latest first', async (id) => {
    using folders = new TestFolders();
    const model = modelFor(online, ({ key }) => (isStep(key, id) ? { fails: 'refused', halfWay: false } : undefined));
    const report = reportOf(await runPlan(online, options(model, folders.make())));
    expect(report.run).toMatchObject({ outcome: 'rolled-back', exitCode: 20 });
    expect(report.failure).toMatchObject({ step: id, code: 'refused' });
    expect(report.leftOver).toEqual([]);
    expectUntouched(model);
    const order = stepsOf(online).map((step) => step.id);
    const undone = report.undone.map((step) => order.indexOf(step));
    expect(undone).toEqual([...undone].sort((a, b) => b - a));
    if (id === 'serves')
      expect(report.undone).toEqual([
        'moveService',
        'createVm',
        'cloneDisk',
        'giveUpHarts',
        'giveUpMemory',
        'slipUnder',
      ]);
  });

  it.each(
    steps
      .filter(({ uses }) => !stepKind(uses).atomic && uses !== 'guest.run' && uses !== 'vm.reboot')
      .map(({ id }) => id),
  )('%s, half-way: what it left is taken back as well', async (id) => {
    using folders = new TestFolders();
    const model = modelFor(online, ({ key }) => (isStep(key, id) ? { fails: 'refused', halfWay: true } : undefined));
    const report = reportOf(await runPlan(online, options(model, folders.make())));
    expect(report.run.outcome).toBe('rolled-back');
    expectUntouched(model);
  });

  it('is tried as often as the playbook says, with growing delays', async () => {
    using folders = new TestFolders();
    const attempts: number[] = [];
    const model = modelFor(online, ({ key }, { nowNs }) => {
      if (!isStep(key, 'giveUpMemory')) return undefined;
      attempts.push(nowNs / 1e9);
      return { fails: 'no-memory' };
    });
    const report = reportOf(await runPlan(online, options(model, folders.make())));
    expect(report.failure).toMatchObject({ step: 'giveUpMemory', attempts: 3, code: 'no-memory' });
    // Each attempt takes 3 s; the delays are 2 s and 4 s.
    expect(attempts.map((at) => at - attempts[0]!)).toEqual([0, 5, 12]);
    expect(report.phases.find(({ id }) => id === 'partition')?.steps[0]).toMatchObject({
      outcome: 'failed',
      attempts: 3,
    });
  });

  it('goes on if a later attempt succeeds', async () => {
    using folders = new TestFolders();
    const model = modelFor(online, ({ key }) =>
      isStep(key, 'giveUpMemory') && key.endsWith('/1') ? { fails: 'no-memory' } : undefined,
    );
    const report = reportOf(await runPlan(online, options(model, folders.make())));
    expect(report.run.outcome).toBe('succeeded');
    expect(report.failure).toBeNull();
    expect(report.phases.find(({ id }) => id === 'partition')?.steps[0]).toMatchObject({
      outcome: 'done',
      attempts: 2,
    });
  });

  it('is not tried again where the failure is final', async () => {
    using folders = new TestFolders();
    let attempts = 0;
    const model = modelFor(online, ({ key }) => {
      if (!isStep(key, 'giveUpMemory')) return undefined;
      attempts += 1;
      return { fails: 'refused' };
    });
    await runPlan(online, options(model, folders.make()));
    expect(attempts).toBe(1);
  });

  it('leaves a dirty node where taking back fails, and says what is left', async () => {
    using folders = new TestFolders();
    const model = modelFor(online, ({ key }) => {
      if (key.includes('/createVm/undo/')) return { fails: 'refused' };
      return isStep(key, 'install') ? { fails: 'exit-code' } : undefined;
    });
    const report = reportOf(await runPlan(online, options(model, folders.make())));
    expect(report.run).toMatchObject({ outcome: 'failed-dirty', exitCode: 21 });
    expect(report.undone).toEqual([]);
    expect(report.leftOver).toEqual(['createVm', 'cloneDisk', 'giveUpHarts', 'giveUpMemory', 'slipUnder']);
  });

  it('has exit criteria that fail the phase', async () => {
    using folders = new TestFolders();
    const plan = planOf(ONLINE, { expectedKernel: '9.' });
    const model = modelFor(plan);
    const report = reportOf(await runPlan(plan, options(model, folders.make())));
    expect(report.run.outcome).toBe('rolled-back');
    expect(report.failure).toMatchObject({
      phase: 'verify',
      code: 'assertion',
      message: 'the new OS runs 2.0-model, expected 9.',
    });
    expectUntouched(model);
  });
});

describe('a step that fails after the commit', async () => {
  using folders = new TestFolders();
  const reference = modelFor(online);
  await runPlan(online, options(reference, folders.make()));
  const undisturbed = reference.history;
  const steps = nodeSteps(online).filter(({ isAfterCommit }) => isAfterCommit);

  it.each(steps.map(({ id }) => id))('%s: the run pauses and a resume tries it again', async (id) => {
    using folders = new TestFolders();
    const stateDir = folders.make();
    let broken = true;
    const model = modelFor(online, ({ key }) => (broken && isStep(key, id) ? { fails: 'refused' } : undefined));
    const paused = reportOf(await runPlan(online, options(model, stateDir)));
    expect(paused.run).toMatchObject({ outcome: 'paused', exitCode: 30 });
    expect(paused.failure).toMatchObject({ step: id });
    expect(model.state.serving).toBe('new');
    const pausedAgain = reportOf(await resumeRun(options(model, stateDir)));
    expect(pausedAgain.run.outcome).toBe('paused');
    broken = false;
    const report = reportOf(await resumeRun(options(model, stateDir)));
    expect(report.run.outcome).toBe('succeeded');
    expect(report.failure).toBeNull();
    expect(model.state.isVirtualized).toBe(false);
    expect(model.history).toEqual(undisturbed);
  });
});

describe('the offline upgrade', () => {
  it('has the service down from stop to start', async () => {
    using folders = new TestFolders();
    const offline = planOf(OFFLINE);
    const report = reportOf(await runPlan(offline, options(modelFor(offline), folders.make())));
    expect(report.run.outcome).toBe('succeeded');
    expect(report.microvisor).toBeNull();
    expect(report.service!.downtimeMs).toBeGreaterThan(9_000);
    expect(report.phases.find(({ id }) => id === 'baseline')?.downtimeMs).toBe(0);
    expect(report.phases.find(({ id }) => id === 'verify')?.downtimeMs).toBe(0);
  });

  it('cannot be taken back: a failure leaves it paused', async () => {
    using folders = new TestFolders();
    const offline = planOf(OFFLINE);
    const model = modelFor(offline, ({ key }) => (isStep(key, 'install') ? { fails: 'exit-code' } : undefined));
    const report = reportOf(await runPlan(offline, options(model, folders.make())));
    expect(report.run.outcome).toBe('paused');
  });
});
