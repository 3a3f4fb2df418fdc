/** Runs a RootJob in a process of its own in a private namespace. */
import { writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { ImageError } from './image-error.ts';
import { spawnInPrivateNamespace } from './private-namespace.ts';
import type { Report } from './root-filesystem.ts';
import type { RootJob, RootMessage } from './root-job.ts';

/** The same extension as this file has: TypeScript in the checkout, JavaScript in the package. */
const extension = import.meta.url.slice(import.meta.url.lastIndexOf('.'));
const BUILDER = fileURLToPath(new URL(`./root-builder${extension}`, import.meta.url));
const TAIL_CHARS = 2000;

/** Throws what the job failed with; `cancelled` after `signal`. */
export async function runRootJob(job: RootJob, report: Report, signal: AbortSignal | undefined): Promise<void> {
  const jobFile = `${job.target}.job.json`;
  writeFileSync(jobFile, JSON.stringify(job));
  const child = await spawnInPrivateNamespace(process.execPath, [BUILDER, jobFile]);
  const stop = (): void => {
    child.kill('SIGKILL');
  };
  if (signal?.aborted === true) stop();
  signal?.addEventListener('abort', stop);

  let outcome: RootMessage | undefined;
  let words = '';
  let rest = '';
  child.stderr?.on('data', (text: string) => {
    words = (words + text).slice(-TAIL_CHARS);
  });
  child.stdout?.setEncoding('utf8').on('data', (text: string) => {
    const lines = (rest + text).split('\n');
    rest = lines.pop() ?? '';
    for (const line of lines) {
      const message = JSON.parse(line) as RootMessage;
      if (message.type === 'progress') report(message.step, message.done, message.total);
      else outcome = message;
    }
  });
  const status = await new Promise<number | null>((done) => child.on('close', done));
  signal?.removeEventListener('abort', stop);
  if (outcome?.type === 'done') return;
  if (signal?.aborted === true) throw new ImageError('cancelled', 'the build was cancelled');
  if (outcome?.type === 'failed') {
    throw new ImageError(outcome.code, outcome.message, outcome.hint === null ? {} : { hint: outcome.hint });
  }
  throw new ImageError('command-failed', `the builder ended with status ${status}\n${words.trim()}`);
}
