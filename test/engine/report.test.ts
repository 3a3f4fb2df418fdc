import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Ajv } from 'ajv';
import { describe, expect, it } from 'vitest';
import { compareReports, dryRun, type Report, readJournal, renderJson, renderPretty } from '../../src/engine/index.ts';
import { renderJunit } from '../../src/engine/report/render-junit.ts';
import { modelFor, OFFLINE, ONLINE, options, planOf, reportOf, runPlan, TestFolders } from './model-run.ts';

const root = join(import.meta.dirname, '../..');
const schema = (name: string) => JSON.parse(readFileSync(join(root, `schemas/${name}.schema.json`), 'utf8'));
const ajv = new Ajv({ allErrors: true, strictTypes: false });

async function modelReport(file: string): Promise<Report> {
  using folders = new TestFolders();
  const plan = planOf(file);
  return reportOf(await runPlan(plan, options(modelFor(plan), folders.make())));
}

describe('a report', () => {
  it('is a document of its schema, whatever the outcome', async () => {
    using folders = new TestFolders();
    const validate = ajv.compile(schema('report'));
    const plan = planOf(ONLINE);
    for (const step of ['', 'install', 'takeUpMemory']) {
      const model = modelFor(plan, ({ key }) =>
        step !== '' && key.split('/')[2] === step ? { fails: 'refused' } : undefined,
      );
      const end = await runPlan(plan, options(model, folders.make()));
      expect(validate(reportOf(end)), ajv.errorsText(validate.errors)).toBe(true);
    }
    const compared = compareReports(await modelReport(ONLINE), await modelReport(OFFLINE));
    expect(validate(compared), ajv.errorsText(validate.errors)).toBe(true);
  });

  it('has a timeline that adds up to its figures', async () => {
    const { service, phases, timeline, run } = await modelReport(ONLINE);
    const sum = (column: readonly number[]): number => column.reduce((total, value) => total + value, 0);
    expect(sum(timeline!.requests!.requests)).toBe(service!.requests);
    expect(sum(timeline!.requests!.failed)).toBe(service!.failed);
    let endMs = 0;
    for (const { startMs, nodeMs, steps } of phases) {
      expect(startMs).toBeCloseTo(endMs, 6);
      endMs = startMs! + nodeMs;
      for (const step of steps.filter(({ outcome }) => outcome !== 'not-reached')) {
        expect(step.startMs).toBeGreaterThanOrEqual(startMs!);
        expect(step.startMs! + step.nodeMs).toBeLessThanOrEqual(endMs + 1e-6);
      }
    }
    expect(endMs).toBeCloseTo(run.nodeMs, 6);
    const spans = timeline!.owners.filter(({ part }) => part === 'service');
    expect(spans.map(({ owner }) => owner)).toEqual(['old', 'new']);
    expect(spans.at(-1)!.toMs).toBeCloseTo(endMs, 6);
  });

  it('is written with a line for a list of numbers, and reads back the same', async () => {
    const report = await modelReport(ONLINE);
    const odd = { ...report, undone: ['[\n  1,\n  2\n]', '[ 1 ]'] };
    expect(JSON.parse(renderJson(odd))).toEqual(odd);
    expect(renderJson(report).split('\n').length).toBeLessThan(1_000);
  });

  it('of the online upgrade beside the offline one is this', async () => {
    const compared = compareReports(await modelReport(ONLINE), await modelReport(OFFLINE));
    const golden = join(import.meta.dirname, 'golden/online-beside-offline.txt');
    // The run id changes with every word of the playbook.
    const text = renderPretty(compared, { color: false }).replace(compared.run.id, '<run id>');
    if (process.env['UPDATE_GOLDEN']) writeFileSync(golden, text);
    expect(text).toBe(readFileSync(golden, 'utf8'));
  });

  it('takes the resolution of the prober for downtime where none was seen', async () => {
    const [online, offline] = [await modelReport(ONLINE), await modelReport(OFFLINE)];
    expect(online.service!.downtimeMs).toBe(0);
    const { improvement } = compareReports(online, offline);
    const { downtimeMs, resolutionMs } = offline.service!;
    expect(improvement).toEqual({ factor: downtimeMs / resolutionMs, isLowerBound: true });
  });

  it('of a dry run makes nothing up', async () => {
    const report = await dryRun(planOf(ONLINE));
    expect(report.run.dryRun).toBe(true);
    expect(report.os).toEqual({ before: null, after: null });
    expect(report.microvisor).toBeNull();
  });
});

describe('a report as JUnit XML', () => {
  it('has a suite a phase, a case a step, and the failure where it was', async () => {
    using folders = new TestFolders();
    const plan = planOf(ONLINE);
    const model = modelFor(plan, ({ key }) =>
      key.split('/')[2] === 'install' ? { fails: 'refused', message: 'a <bad> "disk" & \u0007' } : undefined,
    );
    const report = reportOf(await runPlan(plan, options(model, folders.make())));
    const xml = renderJunit(report);
    expect(xml.match(/<testsuite /g)).toHaveLength(report.phases.length);
    const steps = report.phases.flatMap(({ steps }) => steps);
    // Taking back is a phase without steps and one case.
    expect(xml.match(/<testcase /g)).toHaveLength(steps.length + 1);
    expect(xml.match(/<skipped>not reached<\/skipped>/g)).toHaveLength(
      steps.filter(({ outcome }) => outcome === 'not-reached').length,
    );
    expect(xml).toContain('<failure type="refused" message="a &lt;bad&gt; &quot;disk&quot; &amp; \ufffd">');
    expect(xml.match(/<failure /g)).toHaveLength(1);
  });
});

describe('a journal', () => {
  it('holds records of its schema', async () => {
    using folders = new TestFolders();
    const validate = ajv.compile(schema('journal'));
    const plan = planOf(ONLINE);
    const end = await runPlan(plan, options(modelFor(plan), folders.make()));
    const { records } = readJournal(end.journalPath);
    expect(new Set(records.map(({ type }) => type))).toEqual(
      new Set(['begin', 'intent', 'event', 'timer', 'phase', 'end']),
    );
    for (const record of records)
      expect(validate(record), `${record.seq}: ${ajv.errorsText(validate.errors)}`).toBe(true);
  });
});
