/**
 * The course of a run on a terminal: what is over stays as lines, what goes on is one live line below them, with what
 * the node says at the moment.
 */
import type { ProgressListener } from '../engine/index.ts';
import { paint } from '../engine/report/paint.ts';
import type { CliIo } from './io.ts';
import { ERASE_LINE, liveLine } from './live-line.ts';
import { describe } from './run-lines.ts';

const FRAMES = ['⠋', '⠙', '⠹', '⠸', '⠼', '⠴', '⠦', '⠧', '⠇', '⠏'] as const;
const FRAME_MS = 100;

export interface RunTree extends Disposable {
  readonly listener: ProgressListener;
  /** A line of the node, e.g. of a guest's console. */
  nodeSays(line: string): void;
}

/** No step is called so. */
const WAITING = '';

export function runTree({ stderr, wallNow, isColor }: CliIo): RunTree {
  const colors = paint(isColor);
  /** By step; the one that began last is shown. */
  const underWay = new Map<string, { readonly what: string; readonly sinceMs: number }>();
  let detail = '';
  const draw = (): void => {
    const current = [...underWay.values()].at(-1);
    if (!current) return;
    const elapsedMs = wallNow() - current.sinceMs;
    const frame = FRAMES[Math.floor(elapsedMs / FRAME_MS) % FRAMES.length]!;
    const others = underWay.size > 1 ? ` and ${underWay.size - 1} more` : '';
    const text = `  ${frame} ${current.what}${others} ${Math.floor(elapsedMs / 1_000)}s ${detail}`;
    stderr.write(liveLine(text, stderr.columns));
  };
  const timer = setInterval(draw, FRAME_MS);
  timer.unref();
  const start = (id: string, what: string): void => {
    underWay.delete(id);
    underWay.set(id, { what, sinceMs: wallNow() });
    detail = '';
    draw();
  };
  return {
    listener(progress) {
      if (progress.type === 'step-start') return start(progress.step.id, progress.step.title);
      if (progress.type === 'undo-start') return start(progress.step.id, `taking back ${progress.step.id}`);
      if (progress.type === 'waiting') return start(WAITING, 'waiting');
      const line = describe(progress, colors);
      underWay.delete(WAITING);
      if ('step' in progress) underWay.delete(progress.step.id);
      else underWay.clear();
      if (line !== undefined) stderr.write(`${ERASE_LINE}${line}\n`);
    },
    nodeSays(line) {
      // biome-ignore lint/suspicious/noControlCharactersInRegex: a console may send them, a terminal would obey them
      detail = line.replace(/[\u0000-\u001f\u007f-\u009f]/g, ' ').trim();
      draw();
    },
    [Symbol.dispose]() {
      clearInterval(timer);
      stderr.write(ERASE_LINE);
    },
  };
}
