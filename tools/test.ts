// Every check there is, in the order in which they fail fastest: types, lint and layering, dead code, unit tests, then
// the tests that boot Debian (which build its disks first, from the cache when they are there).
import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { installTestTools } from './test-tools.ts';

const root = join(import.meta.dirname, '..');
const bin = (name: string): string => join(root, 'node_modules/.bin', name);

const scratch = mkdtempSync(join(tmpdir(), 'mvctl-test-'));
const results = join(scratch, 'results.json');
const REPORTERS = ['--reporter=default', '--reporter=json', `--outputFile.json=${results}`];

const STAGES: readonly (readonly [what: string, command: string, args: readonly string[]])[] = [
  ['types', bin('tsc'), ['--noEmit']],
  ['lint, format and layering', bin('biome'), ['check', '--error-on-warnings', '.']],
  ['dead code', bin('knip'), []],
  ['disks of the node', process.execPath, [join(root, 'bin/mvctl.js'), 'image', 'build', '--install-tools']],
  ['unit and system tests', bin('vitest'), ['run', ...REPORTERS, ...process.argv.slice(2)]],
];

/** Of all tests that vitest ran, in one line that programs read, too. */
function printTotals(): void {
  if (!existsSync(results)) return;
  const totals = JSON.parse(readFileSync(results, 'utf8')) as Readonly<Record<string, number>>;
  const of = (what: string): number => totals[`num${what}Tests`] ?? 0;
  console.log(`\n${of('Passed')} passed, ${of('Failed')} failed, ${of('Pending') + of('Todo')} skipped`);
}

function runStages(): number {
  for (const [what, command, args] of STAGES) {
    console.log(`\n── ${what}`);
    const startedAt = Date.now();
    const run = spawnSync(command, args, { cwd: root, stdio: 'inherit' });
    if (run.status !== 0) {
      console.error(`test: ${what} failed (${run.signal ?? `exit code ${run.status}`})`);
      return 1;
    }
    console.log(`   ${((Date.now() - startedAt) / 1000).toFixed(1)} s`);
  }
  return 0;
}

console.log('── packages that tests are made with');
installTestTools();
try {
  process.exitCode = runStages();
  printTotals();
} finally {
  rmSync(scratch, { recursive: true, force: true });
}
