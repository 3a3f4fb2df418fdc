// Every check there is, in the order in which they fail fastest: types, lint and layering, dead code, unit tests, then
// the tests that boot Debian (which build its disks first, from the cache when they are there).
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { installTestTools } from './test-tools.ts';

const root = join(import.meta.dirname, '..');
const bin = (name: string): string => join(root, 'node_modules/.bin', name);

const STAGES: readonly (readonly [what: string, command: string, args: readonly string[]])[] = [
  ['types', bin('tsc'), ['--noEmit']],
  ['lint, format and layering', bin('biome'), ['check', '--error-on-warnings', '.']],
  ['dead code', bin('knip'), []],
  ['disks of the node', process.execPath, [join(root, 'bin/mvctl.js'), 'image', 'build', '--install-tools']],
  ['unit and system tests', bin('vitest'), ['run', ...process.argv.slice(2)]],
];

console.log('── packages that tests are made with');
installTestTools();
for (const [what, command, args] of STAGES) {
  console.log(`\n── ${what}`);
  const startedAt = Date.now();
  const run = spawnSync(command, args, { cwd: root, stdio: 'inherit' });
  if (run.status !== 0) {
    console.error(`test: ${what} failed (${run.signal ?? `exit code ${run.status}`})`);
    process.exit(1);
  }
  console.log(`   ${((Date.now() - startedAt) / 1000).toFixed(1)} s`);
}
