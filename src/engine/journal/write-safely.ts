/** A file that is there whole or not at all, and survives a loss of power once this returns. */
import { closeSync, fdatasyncSync, fsyncSync, openSync, renameSync, writeSync } from 'node:fs';
import { dirname } from 'node:path';
import { JournalError } from './journal-error.ts';

/** Replaces what `path` held. Throws JournalError, and then it still holds that. */
export function writeSafely(path: string, content: string | Uint8Array): void {
  const bytes = typeof content === 'string' ? Buffer.from(content) : content;
  try {
    const fd = openSync(`${path}.new`, 'w', 0o600);
    try {
      for (let written = 0; written < bytes.length; ) written += writeSync(fd, bytes, written);
      fdatasyncSync(fd);
    } finally {
      closeSync(fd);
    }
    renameSync(`${path}.new`, path);
    syncDirectory(dirname(path));
  } catch (error) {
    throw new JournalError(`cannot write ${path}: ${(error as Error).message}`, { cause: error });
  }
}

/** A name is safe when its directory is. */
export function syncDirectory(path: string): void {
  const fd = openSync(path, 'r');
  try {
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
}
