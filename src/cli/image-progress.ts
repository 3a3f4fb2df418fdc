/** Progress of a build of disks: one live line on a terminal, a line a step elsewhere. */
import type { BuildProgress } from '../images/index.ts';
import { ERASE_LINE, liveLine } from './live-line.ts';

export interface ProgressStream {
  write(text: string): unknown;
  readonly isTTY?: boolean;
  readonly columns?: number;
}

const STEPS: Readonly<Record<BuildProgress['step'], string>> = {
  tools: 'installing tools with apt-get',
  fetch: 'fetching packages',
  unpack: 'unpacking',
  install: 'installing',
  configure: 'configuring',
  write: 'writing the disk',
};

const MB = 1_000_000;

function describe(progress: BuildProgress): string {
  const { disk, step, done, total, unit } = progress;
  const what = disk === 'packages' ? STEPS[step] : `${disk}: ${STEPS[step]}`;
  if (unit === 'bytes') return `${what} ${(done / MB).toFixed(1)} of ${(total / MB).toFixed(1)} MB`;
  return unit === 'packages' ? `${what} ${done} of ${total}` : what;
}

export class ImageProgress {
  private readonly stream: ProgressStream;
  private current = '';

  constructor(stream: ProgressStream) {
    this.stream = stream;
  }

  update(progress: BuildProgress): void {
    const step = `${progress.disk} ${progress.step}`;
    if (this.stream.isTTY === true) {
      this.stream.write(liveLine(describe(progress), this.stream.columns));
    } else if (step !== this.current) {
      const { unit, total } = progress;
      const size = unit === 'bytes' ? ` (${(total / MB).toFixed(1)} MB)` : unit === 'packages' ? ` (${total})` : '';
      this.stream.write(`${progress.disk === 'packages' ? '' : `${progress.disk}: `}${STEPS[progress.step]}${size}\n`);
    }
    this.current = step;
  }

  /** A line that stays. */
  say(line: string): void {
    this.clear();
    this.stream.write(`${line}\n`);
  }

  clear(): void {
    if (this.stream.isTTY === true && this.current !== '') this.stream.write(ERASE_LINE);
    this.current = '';
  }
}
