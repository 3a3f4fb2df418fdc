import { readFileSync, writeFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import {
  type ActRequest,
  type Interference,
  JournalError,
  type ModelNode,
  NothingToResume,
  type Plan,
  RunStore,
  readJournal,
  UnfinishedRun,
} from '../../src/engine/index.ts';
import { JournalWriter } from '../../src/engine/journal/journal-writer.ts';
import { runHistory } from '../../src/engine/journal/run-history.ts';
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

type Interfere = (request: ActRequest, model: ModelNode) => Interference | undefined;

const fails =
  (id: string): Interfere =>
  ({ key }) =>
    key.split('/')[2] === id && !key.includes('/undo/') ? { fails: 'refused', halfWay: true } : undefined;

/** What of a report a crash may not change: everything but wall time. */
const essence = (report: object): string =>
  JSON.stringify(report, (key, value: unknown) => (key === 'wallMs' || key === 'startedAt' ? 0 : value));

/** Crashes before every record there is, resumes, and compares with the run that never crashed. */
async function crashEverywhere(plan: Plan, interfere?: Interfere): Promise<number> {
  using folders = new TestFolders();
  const reference = modelFor(plan, interfere);
  const expected = essence(reportOf(await runPlan(plan, options(reference, folders.make()))));
  for (let record = 2; record < RECORDS_MAX; record++) {
    const model = modelFor(plan, interfere);
    const crashed = await runUntilCrash(plan, model, record, folders);
    if ('end' in crashed) return record - 2;
    const report = reportOf(await resumeRun(options(model, crashed.left)));
    expect(essence(report), `crash before record ${record}`).toBe(expected);
    expect(model.history, `crash before record ${record}`).toEqual(reference.history);
  }
  throw new Error(`expected fewer than ${RECORDS_MAX} records`);
}

describe('an engine that dies before any record of its journal', { timeout: 300_000 }, () => {
  it('ends the upgrade like one that did not, and does nothing twice', async () => {
    expect(await crashEverywhere(online)).toBeGreaterThan(80);
  });

  it('takes a failed upgrade back like one that did not', async () => {
    expect(await crashEverywhere(online, fails('moveService'))).toBeGreaterThan(70);
  });

  it('finds that the node lost its power in the middle of an effect, and names the step', async () => {
    using folders = new TestFolders();
    for (const [id, outcome] of [
      ['install', 'rolled-back'],
      ['shutDownOld', 'failed-safe'],
    ] as const) {
      const stateDir = folders.make();
      let reach = (): void => {};
      const reached = new Promise<void>((resolve) => {
        reach = resolve;
      });
      const model = modelFor(online, ({ key }) => {
        if (key.split('/')[2] !== id) return undefined;
        reach();
        return { hangs: true };
      });
      let close = async (): Promise<void> => {};
      const openJournal = async (path: string, seq: number): Promise<JournalWriter> => {
        const writer = await JournalWriter.open(path, seq);
        close = () => writer.close();
        return writer;
      };
      void runPlan(online, { ...options(model, stateDir), openJournal });
      await reached;
      await close();
      model.losePower();
      const report = reportOf(await resumeRun(options(model, folders.copy(stateDir))));
      expect(report.run.outcome).toBe(outcome);
      expect(report.failure).toMatchObject({ step: id, code: 'lost-power' });
      expect(report.leftOver).toEqual([]);
    }
  });

  it('waits for an effect that still goes on at the node', async () => {
    using folders = new TestFolders();
    const reference = modelFor(online);
    const expected = essence(reportOf(await runPlan(online, options(reference, folders.make()))));
    for (const id of ['giveUpMemory', 'install', 'moveService', 'commit', 'slipOut']) {
      const stateDir = folders.make();
      let hang: (() => void) | undefined;
      const hanging = new Promise<void>((resolve) => {
        hang = resolve;
      });
      let isFirst = true;
      const model = modelFor(online, ({ key }) => {
        if (key.split('/')[2] !== id || !isFirst) return undefined;
        isFirst = false;
        hang?.();
        return { hangs: true };
      });
      let close = async (): Promise<void> => {};
      const openJournal = async (path: string, seq: number): Promise<JournalWriter> => {
        const writer = await JournalWriter.open(path, seq);
        close = () => writer.close();
        return writer;
      };
      void runPlan(online, { ...options(model, stateDir), openJournal });
      await hanging;
      await close();
      const report = reportOf(await resumeRun(options(model, folders.copy(stateDir))));
      expect(essence(report)).toBe(expected);
      expect(model.history).toEqual(reference.history);
    }
  });
});

describe('a node that lost its power', { timeout: 300_000 }, () => {
  it('is found to have: nothing volatile counts as done, and nothing durable is left behind', async () => {
    using folders = new TestFolders();
    let rolledBack = 0;
    let failedSafe = 0;
    for (let record = 2; record < RECORDS_MAX; record++) {
      const model = modelFor(online);
      const crashed = await runUntilCrash(online, model, record, folders);
      if ('end' in crashed) break;
      model.losePower();
      const wasCommitted = model.state.committed === 'new';
      const isFinished = model.history.at(-1)?.startsWith('run.end');
      const report = reportOf(await resumeRun(options(model, crashed.left)));
      if (isFinished) continue;
      expect(report.failure?.code, `power lost before record ${record}`).toBe('lost-power');
      expect(report.run.outcome).toBe(wasCommitted ? 'failed-safe' : 'rolled-back');
      expect(report.service).toBeNull();
      expect(report.run.nodeMs).toBeGreaterThanOrEqual(0);
      for (const phase of report.phases) expect(phase.nodeMs).toBeGreaterThanOrEqual(0);
      expect(model.state.isVirtualized).toBe(false);
      expect([...model.state.guests.keys()]).toEqual(['old']);
      expect(model.state.guests.get('old')?.booted).toBe(wasCommitted ? 2 : 1);
      if (!wasCommitted) expect([...model.state.disks]).toEqual(['upgrades']);
      if (wasCommitted) failedSafe += 1;
      else rolledBack += 1;
    }
    expect(rolledBack).toBeGreaterThan(50);
    expect(failedSafe).toBeGreaterThan(10);
  });

  it('and does not boot any more, or does not answer, leaves what the run made, and the report says so', async () => {
    using folders = new TestFolders();
    for (const broken of ['node.boot', 'service.check'] as const) {
      let isLost = false;
      const model = modelFor(online, ({ primitive }) =>
        isLost && primitive === broken ? { fails: 'refused' } : undefined,
      );
      const crashed = await runUntilCrash(online, model, 60, folders);
      if ('end' in crashed) throw new Error('the run has fewer records');
      model.losePower();
      isLost = true;
      const end = await resumeRun(options(model, crashed.left));
      const report = reportOf(end);
      expect(report.run.outcome).toBe('failed-dirty');
      expect(report.leftOver).toContain('cloneDisk');
      expect(report.phases.at(-1)).toMatchObject({ id: 'recovery', outcome: 'failed' });
      const { records } = readJournal(end.journalPath);
      const { nodeMs, entries } = runHistory(
        { number: 1, runId: report.run.id, journalPath: end.journalPath },
        records,
      );
      expect(nodeMs).toBeGreaterThan(report.run.nodeMs / 2);
      for (const { atMs } of entries) expect(atMs).toBeGreaterThanOrEqual(0);
    }
  });
});

describe('the journal', () => {
  /** A run that stopped in the middle, and where its journal is. */
  async function stopped(folders: TestFolders): Promise<{ model: ModelNode; stateDir: string; path: string }> {
    const model = modelFor(online);
    const crashed = await runUntilCrash(online, model, 20, folders);
    if ('end' in crashed) throw new Error('the run has fewer than 20 records');
    return { model, stateDir: crashed.left, path: new RunStore(crashed.left).runs()[0]!.journalPath };
  }

  it.each([
    ['half a line', (text: string) => `${text}{"seq":20,"type":"ev`],
    ['garbage', (text: string) => `${text}\u0001\u0002\u0003garbage\n`],
    ['the last line twice', (text: string) => `${text}${text.trimEnd().split('\n').at(-1)}\n`],
    ['a last line cut short', (text: string) => text.slice(0, -30)],
  ])('is cut back to what was safe when it ends with %s', async (_, damage) => {
    using folders = new TestFolders();
    const { model, stateDir, path } = await stopped(folders);
    writeFileSync(path, damage(readFileSync(path, 'utf8')));
    const report = reportOf(await resumeRun(options(model, stateDir)));
    expect(report.run.outcome).toBe('succeeded');
    expect(readJournal(path).tornBytes).toBe(0);
  });

  it('is refused with line and byte where it is damaged before its end', async () => {
    using folders = new TestFolders();
    const { model, stateDir, path } = await stopped(folders);
    writeFileSync(path, readFileSync(path, 'utf8').replace('"type":"intent"', '"type":"intend"'));
    await expect(resumeRun(options(model, stateDir))).rejects.toThrow(JournalError);
    await expect(resumeRun(options(model, stateDir))).rejects.toThrow(/journal\.jsonl:\d+: damaged at byte \d+/);
    expect(model.history.filter((entry) => entry.startsWith('run.end'))).toEqual([]);
  });

  it('keeps a second run away until the first is resumed', async () => {
    using folders = new TestFolders();
    const { model, stateDir } = await stopped(folders);
    await expect(runPlan(online, options(model, stateDir))).rejects.toThrow(UnfinishedRun);
    await resumeRun(options(model, stateDir));
    await expect(resumeRun(options(model, stateDir))).rejects.toThrow(NothingToResume);
  });

  it('stops the run where it cannot be written, before the effect', async () => {
    using folders = new TestFolders();
    const stateDir = folders.make();
    const model = modelFor(online);
    let records = 0;
    const openJournal = async () => ({
      append: () => {
        records += 1;
        return records > 8 ? Promise.reject(new JournalError('no space left on device')) : Promise.resolve();
      },
      close: () => Promise.resolve(),
    });
    await expect(runPlan(online, { ...options(model, stateDir), openJournal })).rejects.toThrow(/no space left/);
    expect(model.history).toEqual(['node.boot', 'run.begin', 'guest.facts old']);
  });

  it('reads back what it wrote, cut anywhere', async () => {
    using folders = new TestFolders();
    const { path } = await stopped(folders);
    const whole = readFileSync(path);
    const { records } = readJournal(path);
    for (let bytes = 0; bytes < whole.length; bytes += 97) {
      writeFileSync(path, whole.subarray(0, bytes));
      const read = readJournal(path);
      expect(read.records).toEqual(records.slice(0, read.records.length));
      expect(read.bytes + read.tornBytes).toBe(bytes);
    }
  });
});
