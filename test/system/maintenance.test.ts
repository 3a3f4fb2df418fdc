/** Other maintenance than the upgrade of an OS, each playbook as a user runs it, under load. */
import { spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import type { Report } from '../../src/engine/index.ts';
import { connectNode } from '../../src/node/index.ts';

const ROOT = join(import.meta.dirname, '../..');
const scratch = mkdtempSync(join(tmpdir(), 'mvctl-maintenance-'));

afterAll(() => {
  rmSync(scratch, { recursive: true, force: true });
});

/** The report of a run on a new node, or on that of the name, which is powered off afterwards. */
async function apply(playbook: string, more: readonly string[] = [], node = playbook): Promise<Report> {
  const [stateDir, report] = [join(scratch, node), join(scratch, `${playbook}.json`)];
  const where = ['--state-dir', stateDir, '--output', `json=${report}`];
  const args = [join(ROOT, 'src/cli/main.ts'), 'apply', join(ROOT, `playbooks/${playbook}.yaml`), ...where, ...more];
  const child = spawn(process.execPath, args, { cwd: ROOT });
  let printed = '';
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk) => (printed += chunk));
  const exitCode = await new Promise((resolve) => child.once('close', resolve));
  const connection = await connectNode({ stateDir });
  await connection.shutDown();
  await connection.close();
  expect(exitCode, printed).toBe(0);
  return JSON.parse(readFileSync(report, 'utf8'));
}

const stepsOf = (report: Report) => report.phases.flatMap(({ steps }) => steps);

describe('maintenance of a live server', () => {
  for (const playbook of ['disk-replacement', 'nic-replacement', 'memory-replacement', 'microvisor-replacement']) {
    it(`${playbook} succeeds, and no client of any kind notices`, async () => {
      const { run, service, failure } = await apply(playbook);
      expect(run.outcome, JSON.stringify(failure)).toBe('succeeded');
      expect(service).toMatchObject({ failed: 0, downtimeMs: 0, resolutionMs: 5 });
      expect(service?.load).toMatchObject({ short: { failed: 0 }, keepAlive: { failed: 0 }, download: { failed: 0 } });
      expect(service?.load?.keepAlive.requests).toBeGreaterThan(50);
    });
  }

  it('moves a store with its disk in less than a second, and no acknowledged record is lost', async () => {
    const report = await apply('stateful-os-upgrade', ['--var', 'install=false']);
    expect(report.run.outcome, JSON.stringify(report.failure)).toBe('succeeded');
    expect(report.service?.downtimeMs).toBeGreaterThan(0);
    expect(report.service?.downtimeMs).toBeLessThanOrEqual(1000);
    expect(stepsOf(report).filter(({ uses }) => uses === 'service.records')).toHaveLength(2);
  });

  it('keeps a standby, which wakes after the node was off, and takes the store over', async () => {
    const kept = await apply('prepare-standby', [], 'with-standby');
    expect(kept.service).toMatchObject({ failed: 0, downtimeMs: 0 });
    const wakes = ['--var', 'install=false', '--var', 'standby=standby'];
    const woken = await apply('stateful-os-upgrade', wakes, 'with-standby');
    const stepNamed = (id: string) => stepsOf(woken).find((step) => step.id === id);
    expect(stepNamed('cloneDisk')?.outcome).toBe('skipped');
    expect(stepNamed('wakeStandby')?.nodeMs).toBeLessThan(1000);
    expect(woken.service?.downtimeMs).toBeLessThanOrEqual(1000);
  });
});
