/** Files of a command line: read within bounds, written whole, and what goes wrong said in words. */
import {
  chownSync,
  closeSync,
  existsSync,
  fstatSync,
  mkdirSync,
  openSync,
  readSync,
  realpathSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { dirname } from 'node:path';
import { EXIT } from '../engine/exit-codes.ts';
import { CommandError } from './command-error.ts';

/** More than any file of ours has; a device or a pipe may have no end. */
const INPUT_BYTES_MAX = 64 << 20;
const CHUNK_BYTES = 1 << 16;

/**
 * What is in the file, or the first bytes of it where it has more than `bytesMax`: one more than that, so that whoever
 * has a limit sees that it is exceeded. Throws CommandError.
 */
export function readInput(path: string, bytesMax = INPUT_BYTES_MAX): Uint8Array {
  try {
    return readUpTo(path, bytesMax + 1);
  } catch (error) {
    throw new CommandError(EXIT.usage.code, `cannot read ${shown(path)}: ${why(error)}`);
  }
}

/** As text. Throws CommandError, also for a file that is too large. */
export function readInputText(path: string): string {
  const bytes = readInput(path);
  if (bytes.length > INPUT_BYTES_MAX)
    throw new CommandError(EXIT.usage.code, `cannot read ${shown(path)}: it has more than ${INPUT_BYTES_MAX} bytes`);
  return new TextDecoder().decode(bytes);
}

function readUpTo(path: string, bytesMax: number): Uint8Array {
  const fd = openSync(path, 'r');
  try {
    const stat = fstatSync(fd);
    if (stat.isDirectory()) throw Object.assign(new Error(), { code: 'EISDIR' });
    const chunks: Uint8Array[] = [];
    for (let bytes = 0; bytes < bytesMax; ) {
      const chunk = new Uint8Array(Math.min(bytesMax - bytes, Math.max(CHUNK_BYTES, stat.size)));
      const read = readSync(fd, chunk, 0, chunk.length, null);
      if (read === 0) break;
      chunks.push(chunk.subarray(0, read));
      bytes += read;
    }
    return chunks.length === 1 ? chunks[0]! : Buffer.concat(chunks);
  } finally {
    closeSync(fd);
  }
}

/** Makes the folder where it is missing. Throws CommandError. */
export function writeOutput(path: string, text: string): void {
  try {
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, text);
  } catch (error) {
    throw cannotWrite(path, error);
  }
}

/** A file that a person wrote: it holds what it held or what it shall hold, whatever happens meanwhile. Throws CommandError. */
export function rewrite(path: string, text: string): void {
  let target = path;
  try {
    target = realpathSync(path);
    const { mode, uid, gid } = statSync(target);
    writeFileSync(`${target}.new`, text, { flag: 'wx', mode });
    if (uid !== process.getuid?.()) chownSync(`${target}.new`, uid, gid);
    renameSync(`${target}.new`, target);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') rmSync(`${target}.new`, { force: true });
    throw cannotWrite(path, error);
  }
}

/** That a file can be written where it is asked for, before what it tells of is done. Throws CommandError. */
export function expectWritable(path: string): void {
  try {
    if (path === '') throw Object.assign(new Error(), { code: 'ENOENT' });
    mkdirSync(dirname(path), { recursive: true });
    const isThere = existsSync(path);
    closeSync(openSync(path, 'a'));
    if (!isThere) rmSync(path);
  } catch (error) {
    throw new CommandError(EXIT.usage.code, `cannot write ${shown(path)}: ${why(error)}`);
  }
}

const cannotWrite = (path: string, error: unknown): CommandError =>
  new CommandError(EXIT.notWritten.code, `cannot write ${shown(path)}: ${why(error)}`);

const shown = (path: string): string => (path === '' ? "''" : path);

const WORDS: { readonly [code: string]: string } = {
  EACCES: 'you may not',
  EEXIST: 'a file of that name with .new behind it is there already',
  EISDIR: 'it is a folder',
  ELOOP: 'it is a link to itself',
  ENAMETOOLONG: 'its name is too long',
  ENOENT: 'there is no such file',
  ENOSPC: 'the disk is full',
  ENOTDIR: 'a part of its path is no folder',
  EROFS: 'the file system is read-only',
};

/** In words where there are some. */
export function why(error: unknown): string {
  const { code = '', message } = error as NodeJS.ErrnoException;
  return WORDS[code] ?? message;
}
