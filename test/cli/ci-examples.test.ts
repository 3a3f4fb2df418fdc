import { cpSync, existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { EXIT } from '../../src/engine/exit-codes.ts';
import { runMvctl } from './run-mvctl.ts';

const ROOT = join(import.meta.dirname, '../..');
const PAGE = readFileSync(join(ROOT, 'docs/ci.md'), 'utf8');
const [github, gitlab] = [...PAGE.matchAll(/```yaml\n([\s\S]*?)```/g)].map((match) => parse(match[1]!) as unknown) as [
  {
    readonly jobs: {
      readonly check: {
        readonly steps: readonly { readonly run?: string; readonly with?: { readonly sarif_file?: string } }[];
      };
    };
  },
  {
    readonly playbooks: {
      readonly script: readonly string[];
      readonly artifacts: { readonly reports: { readonly junit: string } };
    };
  },
];

const home = process.cwd();
let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'mvctl-ci-'));
  for (const name of ['playbooks', 'recipes']) cpSync(join(ROOT, name), join(folder, name), { recursive: true });
  process.chdir(folder);
});
afterEach(() => {
  process.chdir(home);
  rmSync(folder, { recursive: true, force: true });
});

/** Runs the commands of a job that are mvctl's, one after another. */
async function runAll(commands: readonly string[]): Promise<void> {
  const own = commands.filter((command) => command.startsWith('npx mvctl '));
  expect(own.length).toBeGreaterThan(1);
  for (const command of own) {
    const { exitCode, out, err } = await runMvctl(command.split(' ').slice(2));
    expect(exitCode, `${command}\n${out}${err}`).toBe(0);
  }
}

describe('the CI example', () => {
  it('of GitHub Actions runs as it stands, and leaves the file that is uploaded', async () => {
    const { steps } = github.jobs.check;
    await runAll(steps.flatMap(({ run }) => run ?? []));
    const uploaded = steps.flatMap((step) => step.with?.sarif_file ?? []);
    expect(uploaded).toHaveLength(1);
    expect(JSON.parse(readFileSync(uploaded[0]!, 'utf8'))).toMatchObject({ version: '2.1.0' });
  });

  it('of GitLab CI runs as it stands, and leaves the report it names', async () => {
    await runAll(gitlab.playbooks.script);
    expect(existsSync(gitlab.playbooks.artifacts.reports.junit)).toBe(true);
  });
});

it('an exit code has one meaning, and a meaning one exit code', () => {
  const rows = Object.values(EXIT);
  expect(new Set(rows.map(({ code }) => code)).size).toBe(rows.length);
  expect(new Set(rows.map(({ means }) => means)).size).toBe(rows.length);
});
