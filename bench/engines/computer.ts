/** Where a figure was measured. */
import { cpus } from 'node:os';

export const describeComputer = (): string =>
  `${new Date().toISOString().slice(0, 10)}, ${cpus()[0]?.model ?? 'unknown CPU'} × ${cpus().length}, Node.js ${process.versions.node}`;
