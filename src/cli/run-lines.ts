/** The course of a run as plain lines, for logs and pipes. */
import type { ProgressListener, RunProgress } from '../engine/index.ts';
import { type Paint, paint } from '../engine/report/paint.ts';
import { printable } from '../engine/report/printable.ts';
import { formatMs } from '../engine/values/duration.ts';
import type { CliIo } from './io.ts';

const NS_PER_MS = 1e6;

export function runLines({ stderr }: Pick<CliIo, 'stderr'>): ProgressListener {
  const plain = paint(false);
  return (progress, isReplay) => {
    const line = isReplay ? undefined : describe(progress, plain);
    if (line !== undefined) stderr.write(`${line}\n`);
  };
}

/** One line of what happened, or nothing where it is not worth one. */
export function describe(progress: RunProgress, colors: Paint): string | undefined {
  switch (progress.type) {
    case 'run-start':
      return `${colors.strong(progress.plan.name)}${progress.isResumed ? ' (resumed)' : ''}`;
    case 'phase-start':
      return colors.strong(progress.phase);
    case 'step-start':
      return progress.attempt > 1 ? `  … ${progress.step.id}, attempt ${progress.attempt}` : `  … ${progress.step.id}`;
    case 'step-done':
      return `  ${colors.good('✔')} ${progress.step.id} ${colors.dim(formatMs(progress.nodeNs / NS_PER_MS))}`;
    case 'step-skipped':
      return `  ${colors.dim(`- ${progress.step.id} skipped: ${progress.step.when ?? 'so is its fragment'}`)}`;
    case 'step-done-already':
      return `  ${colors.good('✔')} ${progress.step.id} ${colors.dim('done already')}`;
    case 'step-failed':
      return `  ${colors.bad('✘')} ${progress.step.id} ${progress.code}: ${printable(progress.message)}`;
    case 'undo-start':
      return `  … taking back ${progress.step.id}`;
    case 'undo-done':
      return `  ${colors.good('✔')} took back ${progress.step.id}`;
    case 'undo-failed':
      return `  ${colors.bad('✘')} ${progress.step.id} could not be taken back: ${progress.code}: ${printable(progress.message)}`;
    case 'waiting':
      return `  ${colors.dim(`… waiting ${formatMs(progress.forMs)}`)}`;
    case 'lost-power':
      return colors.bad('the node lost power');
    case 'phase-end':
    case 'run-end':
      return undefined;
  }
}
