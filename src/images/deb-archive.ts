/**
 * The outer format of a .deb: an ar archive of debian-binary, control.tar.* and data.tar.* [deb(5)]. Used to replace the
 * compressed data member by a plain one, so that an emulated dpkg has nothing to decompress.
 */
import { closeSync, openSync, readSync, statSync, writeSync } from 'node:fs';
import { ImageError } from './image-error.ts';
import { runCommand } from './run-command.ts';

const AR_MAGIC = '!<arch>\n';
const AR_HEADER_BYTES = 60;
/** Field offsets and widths of an ar member header. */
const AR_NAME = { offset: 0, width: 16 };
const AR_SIZE = { offset: 48, width: 10 };
const AR_END = '`\n';

export interface ArMember {
  readonly name: string;
  readonly offset: number;
  readonly bytes: number;
}

/** Members of the ar archive at `path`. Throws `package-corrupt` for anything else. */
export function arMembers(path: string): ArMember[] {
  const bad = (what: string): ImageError => new ImageError('package-corrupt', `${path}: ${what}`);
  const fd = openSync(path, 'r');
  try {
    const size = statSync(path).size;
    const read = (offset: number, bytes: number): string => {
      const buffer = Buffer.alloc(bytes);
      const got = readSync(fd, buffer, 0, bytes, offset);
      return buffer.toString('latin1', 0, got);
    };
    if (read(0, AR_MAGIC.length) !== AR_MAGIC) throw bad('is no ar archive');
    const members: ArMember[] = [];
    for (let offset = AR_MAGIC.length; offset + AR_HEADER_BYTES <= size; ) {
      const header = read(offset, AR_HEADER_BYTES);
      const bytes = Number(header.slice(AR_SIZE.offset, AR_SIZE.offset + AR_SIZE.width));
      if (!header.endsWith(AR_END) || !Number.isSafeInteger(bytes)) throw bad(`no ar member at offset ${offset}`);
      const name = header.slice(AR_NAME.offset, AR_NAME.width).trimEnd().replace(/\/$/, '');
      members.push({ name, offset: offset + AR_HEADER_BYTES, bytes });
      offset += AR_HEADER_BYTES + bytes + (bytes % 2);
    }
    return members;
  } finally {
    closeSync(fd);
  }
}

const arHeader = (name: string, bytes: number): string =>
  `${name.padEnd(16)}${'0'.padEnd(12)}${'0'.padEnd(6)}${'0'.padEnd(6)}${'100644'.padEnd(8)}${String(bytes).padEnd(10)}${AR_END}`;

/** Writes `target`: the package `source` with its data member as plain tar. */
export async function writePlainDeb(source: string, target: string, signal?: AbortSignal): Promise<void> {
  const members = arMembers(source);
  const control = members.find((member) => member.name.startsWith('control.tar'));
  if (control === undefined) throw new ImageError('package-corrupt', `${source}: has no control member`);
  const input = openSync(source, 'r');
  const output = openSync(target, 'w');
  try {
    writeSync(output, AR_MAGIC);
    writeSync(output, `${arHeader('debian-binary', 4)}2.0\n`);
    const buffer = Buffer.alloc(control.bytes);
    readSync(input, buffer, 0, control.bytes, control.offset);
    writeSync(output, arHeader(control.name, control.bytes));
    writeSync(output, buffer);
    if (control.bytes % 2 === 1) writeSync(output, '\n');
    const headerAt = statSync(target).size;
    writeSync(output, arHeader('data.tar', 0));
    await runCommand('dpkg-deb', ['--fsys-tarfile', source], {
      stdoutFd: output,
      ...(signal === undefined ? {} : { signal }),
    });
    // dpkg-deb wrote through the shared file offset; a tar is a multiple of 512 bytes, so no padding follows.
    const bytes = statSync(target).size - headerAt - AR_HEADER_BYTES;
    writeSync(output, arHeader('data.tar', bytes), headerAt);
  } finally {
    closeSync(input);
    closeSync(output);
  }
}
