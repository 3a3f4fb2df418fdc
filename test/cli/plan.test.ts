import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { OpenNode } from '../../src/cli/open-node.ts';
import { runProgram } from '../../src/cli/program.ts';
import { VERBS } from '../../src/cli/verbs.ts';
import { makePlanFile, type PlanFile, readPlanFile } from '../../src/engine/plan/plan-file.ts';
import { modelFor, ONLINE, planOf } from '../engine/model-run.ts';

let folder: string;
let playbook: string;
let nowMs: number;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'mvctl-plan-'));
  playbook = join(folder, 'online-os-upgrade.yaml');
  cpSync(ONLINE, playbook);
  nowMs = Date.parse('2026-11-01T00:00:00Z');
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

/** A node that says more of itself than the model does. */
function nodeWith(facts: { readonly [name: string]: string }): OpenNode {
  const model = modelFor(planOf(ONLINE));
  const status = model.status.bind(model);
  model.status = async () => ({ ...(await status()), facts });
  return () => Promise.resolve(model);
}

async function mvctl(
  argv: readonly string[],
  open?: OpenNode,
): Promise<{ out: string; err: string; exitCode: number }> {
  let [out, err, exitCode] = ['', '', 0];
  const io = {
    stdout: { write: (text: string) => (out += text) },
    stderr: { write: (text: string) => (err += text) },
    isColor: false,
    wallNow: () => nowMs,
    setExitCode: (code: number) => {
      exitCode = code;
    },
  };
  await runProgram(argv, io, VERBS, open ? { open } : {});
  expect(err).not.toMatch(/\n\s+at .*:\d+:\d+/);
  return { out, err, exitCode };
}

const state = (): string => join(folder, 'node');
const planPath = (): string => join(folder, 'plan.json');
const save = (open?: OpenNode) =>
  mvctl(['plan', playbook, '--var', 'expectedKernel=2.', '--state-dir', state(), '-o', planPath()], open);
const apply = (open: OpenNode = nodeWith({})) => mvctl(['apply', planPath(), '--state-dir', state()], open);

describe('mvctl plan', () => {
  it('tells what runs, what is skipped and why, what is not known until when, and what it costs', async () => {
    const text = readFileSync(playbook, 'utf8').replace(
      '      - id: soaking\n',
      `      - { id: never, uses: service.check, when: vars.expectedKernel == "x" }
      - { id: perhaps, uses: service.check, when: steps.after.kernel != "" }
      - id: soaking\n`,
    );
    writeFileSync(playbook, text);
    const { out, exitCode } = await mvctl(['plan', playbook, '--state-dir', state()]);
    expect(exitCode).toBe(0);
    expect(out).toContain('+ slipUnder (microvisor.virtualize)');
    expect(out).toContain('- never (service.check)  skipped: vars.expectedKernel == "x" does not hold');
    expect(out).toContain('? perhaps (service.check)  if steps.after.kernel != "": known after after');
    expect(out).toContain('expectSha256: known after page');
    expect(out).toMatch(/boot {2}about [\d.]+s \(p90 [\d.]+s\)/);
    expect(out).toContain('expected from priors: no earlier run on this node');
  });

  it('is executed exactly, once', async () => {
    await save();
    const first = await apply();
    expect(first.exitCode).toBe(0);
    const again = await apply();
    expect(again.exitCode).toBe(38);
    expect(again.err).toContain('it had 1 run since; a plan can be used once');
  });

  it('is refused as a whole where the playbook is another one, and says so', async () => {
    await save();
    writeFileSync(playbook, readFileSync(playbook, 'utf8').replace('default: 10s', 'default: 20s'));
    const { err, exitCode } = await apply();
    expect(exitCode).toBe(38);
    expect(err).toMatch(/playbook .*online-os-upgrade\.yaml: planned with sha256 [0-9a-f]{12}, now [0-9a-f]{12}/);
    expect(err).toContain('nothing was done');
  });

  it('holds where the playbook is not at hand: all that is needed of it is in the file', async () => {
    await save();
    rmSync(playbook);
    expect((await apply()).exitCode).toBe(0);
  });

  it('is refused when it has expired, and for another node', async () => {
    await save();
    nowMs += 25 * 3_600_000;
    expect((await apply()).err).toContain('it expired at 2026-11-02T00:00:00.000Z');
    nowMs -= 25 * 3_600_000;
    const other = await mvctl(['apply', planPath(), '--state-dir', join(folder, 'other')], nodeWith({}));
    expect(other.exitCode).toBe(38);
    expect(other.err).toContain('node: planned for');
  });

  it('is refused where the node says something else of itself than when it was planned', async () => {
    const file = makePlanFile(planOf(ONLINE), {
      path: playbook,
      stateDir: state(),
      runs: 0,
      mvctl: (JSON.parse(readFileSync(join(import.meta.dirname, '../../package.json'), 'utf8')) as { version: string })
        .version,
      facts: { bootSide: 'A', forwardedPort: '1' },
      nowMs,
      holdsMs: 1_000,
    });
    writeFileSync(planPath(), JSON.stringify(file));
    const { err, exitCode } = await apply(nodeWith({ bootSide: 'B', forwardedPort: '2' }));
    expect(exitCode).toBe(38);
    expect(err).toContain('facts.bootSide: planned on "A", now "B"');
    expect(err).not.toContain('forwardedPort');
    expect((await apply(nodeWith({ bootSide: 'A', forwardedPort: '2' }))).exitCode).toBe(0);
  });

  it.each([
    ['not JSON', () => 'oops', 'it is not JSON'],
    ['another kind of file', () => '{"kind":"Report"}', 'expected apiVersion mvctl/v1 and kind Plan'],
    ['a file that was changed', (text: string) => text.replace('"attempts": 3', '"attempts": 4'), 'it was changed'],
    [
      'another version',
      (text: string) => seal(text, (file) => ({ ...file, basis: { ...file.basis, mvctl: '0' } })),
      'mvctl:',
    ],
  ])('is refused where it is %s', async (_, change, told) => {
    await save();
    writeFileSync(planPath(), change(readFileSync(planPath(), 'utf8')));
    const { err, exitCode } = await apply();
    expect(exitCode).toBe(38);
    expect(err).toContain(told);
  });

  it('takes no values: it has them', async () => {
    await save();
    const { exitCode } = await mvctl(
      ['apply', planPath(), '--var', 'soakFor=1s', '--state-dir', state()],
      nodeWith({}),
    );
    expect(exitCode).toBe(2);
  });
});

/** The text of a plan file with something else in it and the right hash. */
function seal(text: string, change: (file: PlanFile) => PlanFile): string {
  const file = change(readPlanFile(text) as PlanFile);
  const { path, stateDir, runs, facts, basis } = file;
  const options = {
    path,
    stateDir,
    runs,
    facts,
    mvctl: basis.mvctl,
    nowMs: Date.parse(file.createdAt),
    holdsMs: 1_000,
  };
  return JSON.stringify(makePlanFile(file.plan, options));
}
