/**
 * Loaded into mvctl before anything else (node --import): ends its process with SIGKILL at one record of the journal, or
 * lets the disk fail there. The record is chosen by MVCTL_CRASH, e.g. `after:17`.
 *
 *   before   the records before it are safe, it is not
 *   after    it is safe, and nothing more happened
 *   torn     half of it is on the disk
 *   doubled  it is on the disk twice
 *   corrupt  one of its bytes is another
 *   full     the disk takes half of it and is full (ENOSPC)
 *   read-only  the disk takes nothing any more (EROFS)
 */
import fs from 'node:fs';
import fsPromises, { type FileHandle } from 'node:fs/promises';
import { syncBuiltinESMExports } from 'node:module';

export const CRASHES = ['before', 'after', 'torn', 'doubled', 'corrupt', 'full', 'read-only'] as const;
export type Crash = (typeof CRASHES)[number];

const SEQ = /^\{"seq":(\d+),/;

function arm(crash: Crash, record: number): void {
  const { open } = fsPromises;
  fsPromises.open = async (path, ...rest) => {
    const file = await open(path, ...rest);
    if (String(path).endsWith('journal.jsonl')) watch(file, crash, record);
    return file;
  };
  syncBuiltinESMExports();
}

function watch(file: FileHandle, crash: Crash, record: number): void {
  const { appendFile } = file;
  file.appendFile = async (data, ...rest) => {
    const lines = String(data).split(/(?<=\n)/);
    const at = lines.findIndex((line) => Number(SEQ.exec(line)?.[1]) === record);
    if (at < 0) return appendFile.call(file, data, ...rest);
    const safe = lines.slice(0, at).join('');
    fs.writeSync(file.fd, safe + remains(crash, lines[at]!));
    fs.fdatasyncSync(file.fd);
    if (crash === 'full') throw systemError('ENOSPC', 'no space left on device');
    if (crash === 'read-only') throw systemError('EROFS', 'read-only file system');
    process.kill(process.pid, 'SIGKILL');
    return new Promise(() => {});
  };
}

/** What of the record is on the disk afterwards. */
function remains(crash: Crash, line: string): string {
  const half = line.slice(0, Math.floor(line.length / 2));
  switch (crash) {
    case 'before':
    case 'read-only':
      return '';
    case 'after':
      return line;
    case 'torn':
    case 'full':
      return half;
    case 'doubled':
      return line + line;
    case 'corrupt':
      return `${half}${line[half.length] === '0' ? '1' : '0'}${line.slice(half.length + 1)}`;
  }
}

const systemError = (code: string, message: string): Error =>
  Object.assign(new Error(`${code}: ${message}, write`), { code });

const [crash, record] = (process.env['MVCTL_CRASH'] ?? '').split(':');
const known = CRASHES.find((name) => name === crash);
if (known) arm(known, Number(record));
