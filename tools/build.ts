// Builds dist/ from src/: what the installed package and bin/mvctl.js run. The verbs that need no node are bundled as
// well, a chunk each, because reading many small modules takes longer than what those verbs do.
import { execFileSync } from 'node:child_process';
import { rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { build } from 'rolldown';

const root = join(import.meta.dirname, '..');
const tsc = join(dirname(createRequire(import.meta.url).resolve('typescript/package.json')), 'bin/tsc');
rmSync(join(root, 'dist'), { recursive: true, force: true });
execFileSync(process.execPath, [tsc, '-p', join(root, 'tsconfig.build.json')], { stdio: 'inherit' });
const SELDOM_NEEDED =
  /node_modules.(?:yaml|tinyglobby|fdir|picomatch).|format-yaml|render-|apply-fixes|starter-|(?:fmt|init|explain)-command/;

/** These verbs start no process. Commander could, and what it would need takes a tenth of their time to load. */
const withoutProcesses = {
  name: 'without-processes',
  resolveId: (id: string) => (id === 'node:child_process' ? '\0no-processes' : null),
  load: (id: string) => (id === '\0no-processes' ? 'export default {}; export const spawn = undefined;' : null),
};

await build({
  input: join(root, 'src/cli/light-main.ts'),
  platform: 'node',
  // The oldest Node.js release the launcher accepts.
  transform: { target: 'node20' },
  plugins: [withoutProcesses],
  logLevel: 'warn',
  output: {
    // As deep as src/cli, so that what is found relative to a module is found relative to a chunk.
    dir: join(root, 'dist/light'),
    format: 'esm',
    minify: true,
    entryFileNames: '[name].js',
    chunkFileNames: '[name].js',
    // What validate needs in one file; what it does not in others.
    codeSplitting: { groups: [{ name: 'light', test: (id: string) => !SELDOM_NEEDED.test(id) }] },
  },
});
