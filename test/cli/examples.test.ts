import { cpSync, globSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { VERBS } from '../../src/cli/verbs.ts';
import { EXIT } from '../../src/engine/exit-codes.ts';
import { modelFor, ONLINE, planOf } from '../engine/model-run.ts';
import { runMvctl } from './run-mvctl.ts';

const ROOT = join(import.meta.dirname, '../..');

/** Examples that build disks or boot a node: test/system/help-examples.test.ts. */
const ELSEWHERE = ['mvctl image', 'mvctl node'];
/** Outcomes of an example that needs a run which was left: there is none, or no gate waits, or no report was written. */
const NOTHING_LEFT: readonly number[] = [EXIT.nothingToResume.code, EXIT.noSuchRun.code, EXIT.unfinishedRun.code];
const NEEDS_A_RUN = /^mvctl (?:resume|rollback|approve|runs|report|lock|apply --resume)\b/;
/** Scores predictions by runs of the node, of which the model has none. */
const NEEDS_MANY_RUNS = /--backtest/;
/** A saved plan is refused: other examples ran on the node since it was made. */
const SAVED_PLAN = /^mvctl apply \S+plan\.json/;
/** What the model's new OS calls itself. */
const MODEL = ['--var', 'expectedKernel=2.'];
/** Where the examples keep a node; the test keeps it in its own folder. */
const STATE_DIR = '/var/lib/mvctl/web1';

const HELP = new Map<string, string>();
for (const { name } of VERBS) HELP.set(name, await helpOf([name]));

/** The help of a verb and of its verbs. */
async function helpOf(path: readonly string[]): Promise<string> {
  const { out } = await runMvctl([...path, '--help']);
  const below = /^Commands:\n((?: {2}.*\n)*)/m.exec(out)?.[1] ?? '';
  const names = [...below.matchAll(/^ {2}([a-z][\w-]*)/gm)].map((match) => match[1]!).filter((name) => name !== 'help');
  const parts = [out];
  for (const name of names) parts.push(await helpOf([...path, name]));
  return parts.join('\n');
}

function examplesOf(help: string): readonly string[] {
  return [...help.matchAll(/^ {2}(?:\$ )?(mvctl [^\n]*?)(?: {2,}\S.*)?$/gm)].map((match) => match[1]!);
}

/** Words of a line as a shell would part them. */
function wordsOf(line: string): readonly string[] {
  return [...line.matchAll(/'([^']*)'|"([^"]*)"|(\S+)/g)].flatMap(([, single, double, bare = '']) => {
    const quoted = single ?? double;
    if (quoted !== undefined) return [quoted];
    return bare.includes('*') ? globSync(bare).sort() : [bare];
  });
}

describe('the help', () => {
  it.each([...HELP])('of %s has examples', (_, help) => {
    expect(examplesOf(help).length).toBeGreaterThan(0);
  });
});

describe('an example of the help', () => {
  const home = process.cwd();
  let folder: string;
  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'mvctl-examples-'));
    for (const name of ['playbooks', 'recipes', 'docs', 'schemas']) {
      cpSync(join(ROOT, name), join(folder, name), { recursive: true });
    }
    process.chdir(folder);
    mkdirSync('reports');
    await runMvctl(['apply', 'playbooks/online-os-upgrade.yaml', '--dry-run', '--output', 'json=reports/online.json']);
    await runMvctl([
      'apply',
      'playbooks/offline-os-upgrade.yaml',
      '--dry-run',
      '--output',
      'json=reports/offline.json',
    ]);
  });
  afterAll(() => {
    process.chdir(home);
    rmSync(folder, { recursive: true, force: true });
  });

  const all = [...new Set([...HELP.values()].flatMap(examplesOf))];
  const runHere = all.filter((line) => !ELSEWHERE.some((start) => line.startsWith(start)));

  // One after another, in the order of the help, on a model of the node: what one makes the next one uses.
  it.each(runHere)('%s', async (line) => {
    const words = wordsOf(line.replaceAll(STATE_DIR, join(folder, 'web1')));
    const argv = [...words.slice(1), ...(/ apply playbooks/.test(line) ? MODEL : [])];
    const { exitCode, err } = await runMvctl(argv, () => Promise.resolve(modelFor(planOf(ONLINE))));
    expect(err).not.toMatch(/internal error|\n\s+at .*:\d+:\d+/);
    const allowed = [
      EXIT.ok.code,
      ...(NEEDS_A_RUN.test(line) ? NOTHING_LEFT : []),
      ...(NEEDS_MANY_RUNS.test(line) ? [EXIT.usage.code] : []),
      ...(SAVED_PLAN.test(line) ? [EXIT.planStale.code] : []),
    ];
    expect(allowed, err).toContain(exitCode);
  });
});
