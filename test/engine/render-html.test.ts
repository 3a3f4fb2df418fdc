import { describe, expect, it } from 'vitest';
import { dryRun, type Interference, type Report } from '../../src/engine/index.ts';
import { renderHtml } from '../../src/engine/report/render-html.ts';
import {
  modelFor,
  OFFLINE,
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

async function failing(step: string, undo?: string): Promise<Report> {
  using folders = new TestFolders();
  const fails = ({ key }: { readonly key: string }): Interference | undefined =>
    key.split('/')[2] === step || (undo !== undefined && key.includes(`/${undo}/undo/`))
      ? { fails: 'refused' }
      : undefined;
  return reportOf(await runPlan(online, options(modelFor(online, fails), folders.make())));
}

async function powerLost(record: number): Promise<Report> {
  using folders = new TestFolders();
  const model = modelFor(online);
  const crashed = await runUntilCrash(online, model, record, folders);
  if ('end' in crashed) throw new Error(`expected more than ${record} records`);
  model.losePower();
  return reportOf(await resumeRun(options(model, crashed.left)));
}

const REPORTS: readonly (readonly [what: string, outcome: string, make: () => Promise<Report>])[] = [
  ['that is only a rehearsal', 'succeeded', () => dryRun(planOf(OFFLINE))],
  ['that failed in its first step', 'rolled-back', () => failing('before')],
  ['that failed before the commit', 'rolled-back', () => failing('install')],
  ['that could not be taken back', 'failed-dirty', () => failing('install', 'createVm')],
  ['that pauses', 'paused', () => failing('takeUpMemory')],
  ['whose node lost power before the commit', 'rolled-back', () => powerLost(30)],
  ['whose node lost power after it', 'failed-safe', () => powerLost(85)],
];

describe('the page of a run', () => {
  it.each(REPORTS)('%s says what is known, and nothing else (%s)', async (_, outcome, make) => {
    const report = await make();
    expect(report.run.outcome).toBe(outcome);
    const html = renderHtml(report);
    expect(html).not.toMatch(/NaN|Infinity|undefined|\[object|null</);
    expect(html).not.toMatch(/<(script|img|link|iframe)|https?:\/\/|url\(/);
    expect(html.match(/<(\w+)/g)!.length).toBeGreaterThan(50);
    for (const { id } of report.phases) expect(html).toContain(`data-row="${id}"`);
    if (report.failure) expect(html).toContain(`<strong>${report.failure.phase}/${report.failure.step}</strong>`);
  });
});
