import { appendFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { runProgram } from '../../src/cli/program.ts';
import { VERBS } from '../../src/cli/verbs.ts';
import type { ModelNode, Plan, RunEnd } from '../../src/engine/index.ts';
import { modelFor, ONLINE, options, planOf, reportOf, resumeRun, runPlan, TestFolders } from '../engine/model-run.ts';

const HOUR_MS = 3_600_000;
const STARTED_MS = Date.UTC(2026, 0, 1);

/** The online upgrade, with a gate before the service moves. */
function gated(timeoutMs: number | null = null): Plan {
  const plan = planOf(ONLINE);
  const gate = {
    approvers: ['alice', 'bob', 'carol'],
    required: 2,
    timeoutMs,
    onFailure: 'rollback' as const,
    message: 'may the service move?',
    line: 1,
  };
  return { ...plan, phases: plan.phases.map((phase) => (phase.id === 'cut-over' ? { ...phase, gate } : phase)) };
}

let folders: TestFolders;
let stateDir: string;
let nowMs: number;
beforeEach(() => {
  folders = new TestFolders();
  stateDir = folders.make();
  nowMs = STARTED_MS;
});
afterEach(() => folders[Symbol.dispose]());

async function approve(...argv: readonly string[]): Promise<{ out: string; err: string; exitCode: number }> {
  let [out, err, exitCode] = ['', '', 0];
  nowMs += 1;
  const io = {
    stdout: { write: (text: string) => (out += text) },
    stderr: { write: (text: string) => (err += text) },
    isColor: false,
    wallNow: () => nowMs,
    setExitCode: (code: number) => {
      exitCode = code;
    },
  };
  await runProgram(['approve', ...argv, '--state-dir', stateDir], io, VERBS);
  return { out, err, exitCode };
}

const begin = (plan: Plan, model: ModelNode): Promise<RunEnd> =>
  runPlan(plan, { ...options(model, stateDir), wallNow: () => nowMs });
const resume = (model: ModelNode): Promise<RunEnd> => {
  nowMs += 1;
  return resumeRun({ ...options(model, stateDir), wallNow: () => nowMs });
};

describe('a run before a gate', () => {
  it('waits without a process until enough people agree, and says for whom', async () => {
    const plan = gated();
    const [model, reference] = [modelFor(plan), modelFor(plan)];
    await runPlan(planOf(ONLINE), options(reference, folders.make()));
    expect(await begin(plan, model)).toMatchObject({ kind: 'waiting', waiting: { kind: 'gate', phase: 'cut-over' } });
    expect(model.state.serving).toBe('old');

    const first = await approve('cut-over', '--as', 'alice');
    expect(first).toMatchObject({ exitCode: 0, out: 'cut-over approved by alice: 1 of 2\n' });
    expect((await approve('cut-over', '--as', 'alice')).out).toContain('1 of 2');
    expect(await resume(model)).toMatchObject({ kind: 'waiting', waiting: { approvals: ['alice'] } });

    const second = await approve('cut-over', '--as', 'carol', '--comment', 'traffic is low');
    expect(second.out).toContain('approved by carol; go on with: mvctl resume');
    expect(reportOf(await resume(model)).run).toMatchObject({ outcome: 'succeeded', exitCode: 0 });
    expect(model.history).toEqual(reference.history);
  });

  it('is taken back when somebody refuses, with an exit code of its own', async () => {
    const plan = gated();
    const model = modelFor(plan);
    await begin(plan, model);
    expect((await approve('cut-over', '--as', 'bob', '--reject', '--comment', 'incident')).exitCode).toBe(0);
    const report = reportOf(await resume(model));
    expect(report.run).toMatchObject({ outcome: 'rolled-back', exitCode: 25 });
    expect(report.failure).toMatchObject({ code: 'gate-rejected', message: 'bob refused cut-over: incident' });
    expect(model.state.isVirtualized).toBe(false);
  });

  it('is taken back when nobody answered in time', async () => {
    const plan = gated(HOUR_MS);
    const model = modelFor(plan);
    await begin(plan, model);
    nowMs += HOUR_MS;
    const report = reportOf(await resume(model));
    expect(report.run).toMatchObject({ outcome: 'rolled-back', exitCode: 25 });
    expect(report.failure?.code).toBe('gate-timeout');
  });

  it('can be taken back by whoever runs it', async () => {
    const plan = gated();
    const model = modelFor(plan);
    await begin(plan, model);
    const now = AbortSignal.abort();
    const end = await resumeRun({ ...options(model, stateDir), signal: now, rollBack: now });
    expect(reportOf(end).run).toMatchObject({ outcome: 'rolled-back', exitCode: 20 });
  });

  it('hears only who is asked, where it waits', async () => {
    expect(await approve('cut-over', '--as', 'alice')).toMatchObject({ exitCode: 32 });
    const plan = gated();
    const model = modelFor(plan);
    await begin(plan, model);
    const stranger = await approve('cut-over', '--as', 'mallory');
    expect(stranger).toMatchObject({ exitCode: 37 });
    expect(stranger.err).toContain('the gate of cut-over asks alice, bob, carol, not mallory');
    const elsewhere = await approve('soak', '--as', 'alice');
    expect(elsewhere).toMatchObject({ exitCode: 37 });
    expect(elsewhere.err).toContain('it waits for the gate of cut-over');
    expect(await resume(model)).toMatchObject({ kind: 'waiting', waiting: { approvals: [] } });
  });

  it('survives an answer that was torn while it was written', async () => {
    const plan = gated();
    const model = modelFor(plan);
    const end = await begin(plan, model);
    const journalPath = end.kind === 'waiting' ? end.journalPath : '';
    appendFileSync(join(dirname(journalPath), 'answers.jsonl'), '{"gate":"cut-over","by":"ali');
    await approve('cut-over', '--as', 'alice');
    await approve('cut-over', '--as', 'bob');
    expect(reportOf(await resume(model)).run.outcome).toBe('succeeded');
  });
});
