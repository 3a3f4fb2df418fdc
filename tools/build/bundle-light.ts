/** The verbs that need no node as a bundle, a chunk each: reading many small modules takes longer than what they do. */
import { join } from 'node:path';
import { build } from 'rolldown';

const SELDOM_NEEDED =
  /node_modules.(?:yaml|tinyglobby|fdir|picomatch).|format-yaml|render-|apply-fixes|starter-|(?:fmt|init|explain)-command/;

/** These verbs start no process. Commander could, and what it would need takes a tenth of their time to load. */
const withoutProcesses = {
  name: 'without-processes',
  resolveId: (id: string) => (id === 'node:child_process' ? '\0no-processes' : null),
  load: (id: string) => (id === '\0no-processes' ? 'export default {}; export const spawn = undefined;' : null),
};

/** Writes it to `dir`, which has to be as deep in its package as src/cli: chunks look for files beside themselves. Tells what it is made of. */
export async function bundleLight(root: string, dir: string): Promise<readonly string[]> {
  const { output } = await build({
    input: join(root, 'src/cli/light-main.ts'),
    platform: 'node',
    // The oldest Node.js release the launcher accepts.
    transform: { target: 'node20' },
    plugins: [withoutProcesses],
    logLevel: 'warn',
    output: {
      dir,
      format: 'esm',
      minify: true,
      entryFileNames: '[name].js',
      chunkFileNames: '[name].js',
      // What validate needs in one file; what it does not in others.
      codeSplitting: { groups: [{ name: 'light', test: (id: string) => !SELDOM_NEEDED.test(id) }] },
    },
  });
  return output.flatMap((part) => (part.type === 'chunk' ? part.moduleIds : []));
}
