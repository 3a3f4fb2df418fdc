/**
 * The process in the private namespace: reads a RootJob from the file it is given, says how it goes on standard output.
 * Ends with its parent: that one's end closes standard input, and with this process, the first of its process namespace,
 * all others in it and every mount are gone.
 */
import { readFileSync } from 'node:fs';
import { ImageError } from './image-error.ts';
import { buildRootFilesystem } from './root-filesystem.ts';
import type { RootJob, RootMessage } from './root-job.ts';

const say = (message: RootMessage): void => {
  process.stdout.write(`${JSON.stringify(message)}\n`);
};

process.stdin.resume().on('close', () => process.exit(1));
process.umask(0o022);
try {
  const job = JSON.parse(readFileSync(process.argv[2] ?? '', 'utf8')) as RootJob;
  await buildRootFilesystem(job, (step, done, total) => say({ type: 'progress', step, done, total }));
  say({ type: 'done' });
} catch (error) {
  const known = error instanceof ImageError ? error : undefined;
  const message = error instanceof Error ? error.message : String(error);
  say({ type: 'failed', code: known?.code ?? 'command-failed', message, hint: known?.hint ?? null });
}
process.exit(0);
