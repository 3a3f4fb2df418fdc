import { describe, expect, it } from 'vitest';
import {
  type ActRequest,
  breakLock,
  LockHeld,
  LockLost,
  lockState,
  type ModelNode,
  type NodePort,
  RunStore,
  readJournal,
} from '../../src/engine/index.ts';
import {
  modelFor,
  ONLINE,
  options,
  planOf,
  reportOf,
  resumeRun,
  runPlan,
  runUntilCrash,
  TestFolders,
} from './model-run.ts';

const online = planOf(ONLINE);
const RECORDS_MAX = 500;
/** Every so many records; the crash tests visit each. */
const STRIDE = 5;

/** What `mvctl rollback` does with a run that was left. */
const takeBack = (model: ModelNode, stateDir: string) => {
  const now = AbortSignal.abort();
  return resumeRun({ ...options(model, stateDir), signal: now, rollBack: now });
};

function expectUntouched(model: ModelNode): void {
  expect(model.state.isVirtualized).toBe(false);
  expect([...model.state.guests.keys()]).toEqual(['old']);
  expect([...model.state.disks]).toEqual(['upgrades']);
  expect(model.state.serving).toBe('old');
}

/** Does as the model does, but `held` acts only when it is let go. */
function holding(model: ModelNode, held: string): { port: NodePort; reached: Promise<void>; letGo: () => void } {
  let reach = (): void => {};
  let letGo = (): void => {};
  const reached = new Promise<void>((resolve) => {
    reach = resolve;
  });
  const gone = new Promise<void>((resolve) => {
    letGo = resolve;
  });
  const port: NodePort = Object.create(model, {
    act: {
      value: async (request: ActRequest) => {
        const outcome = await model.act(request);
        if (request.key.split('/')[2] === held) {
          reach();
          await gone;
        }
        return outcome;
      },
    },
  });
  // What is inherited works on the model itself.
  for (const name of [
    'status',
    'fence',
    'probe',
    'waitUntil',
    'measureService',
    'measureMicrovisor',
    'measureTimeline',
  ] as const)
    Object.defineProperty(port, name, { value: (model[name] as (...args: never[]) => unknown).bind(model) });
  return { port, reached, letGo };
}

describe('a run that was left', { timeout: 120_000 }, () => {
  it('is taken back before its commit, and refused after it', async () => {
    using folders = new TestFolders();
    let [takenBack, refused] = [0, 0];
    for (let record = 2; record < RECORDS_MAX; record += STRIDE) {
      const model = modelFor(online);
      const crashed = await runUntilCrash(online, model, record, folders);
      if ('end' in crashed) break;
      const wasCommitted = model.state.committed === 'new';
      const end = await takeBack(model, crashed.left);
      if (end.kind === 'over' && end.report.run.outcome === 'succeeded') continue;
      if (wasCommitted) {
        expect(end, `left before record ${record}`).toMatchObject({ kind: 'interrupted', isCommitted: true });
        expect(reportOf(await resumeRun(options(model, crashed.left))).run.outcome).toBe('succeeded');
        refused += 1;
      } else {
        const report = reportOf(end);
        expect(report.run, `left before record ${record}`).toMatchObject({ outcome: 'rolled-back', exitCode: 20 });
        expect(report.failure?.code).toBe('on-request');
        expect(report.leftOver).toEqual([]);
        expectUntouched(model);
        takenBack += 1;
      }
    }
    expect(takenBack).toBeGreaterThan(10);
    expect(refused).toBeGreaterThan(3);
  });

  it('paused by a failed step after the commit cannot be taken back, but resumed', async () => {
    using folders = new TestFolders();
    const stateDir = folders.make();
    let isBroken = true;
    const model = modelFor(online, ({ key }) =>
      isBroken && key.split('/')[2] === 'takeUpMemory' ? { fails: 'refused' } : undefined,
    );
    expect(reportOf(await runPlan(online, options(model, stateDir))).run.outcome).toBe('paused');
    expect(await takeBack(model, stateDir)).toMatchObject({ kind: 'interrupted', isCommitted: true });
    isBroken = false;
    expect(reportOf(await resumeRun(options(model, stateDir))).run.outcome).toBe('succeeded');
  });
});

describe('whoever runs it', () => {
  it('stops the run after a step, and it is resumed as if it never stopped', async () => {
    using folders = new TestFolders();
    const stateDir = folders.make();
    const [model, reference] = [modelFor(online), modelFor(online)];
    await runPlan(online, options(reference, folders.make()));
    const stop = new AbortController();
    const end = await runPlan(online, {
      ...options(model, stateDir),
      signal: stop.signal,
      onProgress: (progress) => {
        if (progress.type === 'step-start' && progress.step.id === 'install') stop.abort();
      },
    });
    expect(end).toMatchObject({ kind: 'interrupted', isCommitted: false });
    expect(model.history.at(-1)).toBe('guest.run new');
    expect(reportOf(await resumeRun(options(model, stateDir))).run.outcome).toBe('succeeded');
    expect(model.history).toEqual(reference.history);
  });

  it('who says so twice has the run taken back, to the end', async () => {
    using folders = new TestFolders();
    const model = modelFor(online);
    const [stop, back] = [new AbortController(), new AbortController()];
    const end = await runPlan(online, {
      ...options(model, folders.make()),
      signal: stop.signal,
      rollBack: back.signal,
      onProgress: (progress) => {
        if (progress.type !== 'step-start' || progress.step.id !== 'install') return;
        stop.abort();
        back.abort();
      },
    });
    const report = reportOf(end);
    expect(report.run.outcome).toBe('rolled-back');
    expect(report.failure).toMatchObject({ phase: 'upgrade', step: 'operator', code: 'on-request' });
    expectUntouched(model);
  });
});

describe('the lock of a node', () => {
  it('is broken while its holder lives: the node and the journal are closed to it', async () => {
    using folders = new TestFolders();
    const stateDir = folders.make();
    const [model, reference] = [modelFor(online), modelFor(online)];
    await runPlan(online, options(reference, folders.make()));
    const { port, reached, letGo } = holding(model, 'install');
    const stale = runPlan(online, { ...options(model, stateDir), port });
    await reached;
    expect(await lockState(stateDir)).toMatchObject({ state: 'held', holder: { pid: process.pid } });
    await expect(resumeRun(options(model, stateDir))).rejects.toThrow(LockHeld);

    breakLock(stateDir);
    expect(await lockState(stateDir)).toEqual({ state: 'free' });
    const stop = new AbortController();
    await resumeRun({
      ...options(model, stateDir),
      signal: stop.signal,
      onProgress: (progress) => {
        if (progress.type === 'step-start' && progress.step.id === 'rebootCopy') stop.abort();
      },
    });
    letGo();
    await expect(stale).rejects.toThrow(LockLost);
    expect(reportOf(await resumeRun(options(model, stateDir))).run.outcome).toBe('succeeded');
    expect(model.history).toEqual(reference.history);
    const { tornBytes } = readJournal(new RunStore(stateDir).runs()[0]!.journalPath);
    expect(tornBytes).toBe(0);
  });
});
