import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { type Disk, SECTOR_BYTES } from '../../src/firmware/boot/disk.ts';
import type { Waiting } from '../../src/firmware/waiting.ts';

export interface ImageContents {
  readonly files?: Readonly<Record<string, string | Uint8Array>>;
  readonly symlinks?: Readonly<Record<string, string>>;
}

const PATH = `${process.env['PATH']}:/usr/sbin:/sbin`;
const env = { ...process.env, PATH };

export function hasTool(tool: string): boolean {
  try {
    execFileSync('sh', ['-c', `command -v ${tool}`], { env, stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
}

/** Makes an ext4 file system with the ordinary tools; `debugfs` commands are run on it afterwards. */
export function makeExt4(
  contents: ImageContents,
  { options = [], mebibytes = 16, debugfs = [] }: { options?: string[]; mebibytes?: number; debugfs?: string[] } = {},
): Uint8Array {
  const folder = mkdtempSync(join(tmpdir(), 'ext4-'));
  try {
    const root = join(folder, 'root');
    mkdirSync(root);
    for (const [path, data] of Object.entries(contents.files ?? {})) {
      mkdirSync(dirname(join(root, path)), { recursive: true });
      writeFileSync(join(root, path), data);
    }
    for (const [path, target] of Object.entries(contents.symlinks ?? {})) {
      mkdirSync(dirname(join(root, path)), { recursive: true });
      symlinkSync(target, join(root, path));
    }
    const image = join(folder, 'image');
    execFileSync('mkfs.ext4', ['-q', ...options, '-d', root, image, `${mebibytes}M`], { env });
    if (debugfs.length > 0) {
      writeFileSync(join(folder, 'commands'), `${debugfs.join('\n')}\n`);
      execFileSync('debugfs', ['-w', '-f', join(folder, 'commands'), image], { env, stdio: 'pipe', cwd: folder });
    }
    return new Uint8Array(readFileSync(image));
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** A disk that is an array; what is loaded lands in `memory` at its address. */
export class ArrayDisk implements Disk {
  readonly bytes: number;
  readonly memory: Uint8Array;
  readonly #contents: Uint8Array;

  constructor(contents: Uint8Array, memoryBytes = 8 << 20) {
    this.#contents = contents;
    this.bytes = contents.length;
    this.memory = new Uint8Array(memoryBytes);
  }

  *read(offset: number, bytes: number): Waiting<Uint8Array> {
    yield 'wfi';
    this.#check(offset, bytes);
    return this.#contents.slice(offset, offset + bytes);
  }

  *readInto(pieces: readonly { offset: number; address: number; bytes: number }[]): Waiting<void> {
    yield 'wfi';
    for (const { offset, address, bytes } of pieces) {
      this.#check(offset, bytes);
      this.memory.set(this.#contents.subarray(offset, offset + bytes), address);
    }
  }

  #check(offset: number, bytes: number): void {
    if (offset % SECTOR_BYTES !== 0 || bytes % SECTOR_BYTES !== 0 || offset + bytes > this.bytes) {
      throw new RangeError(`a read of ${bytes} bytes at ${offset}`);
    }
  }
}

/** Runs work that waits, without waiting. */
export function finish<T>(work: Waiting<T>): T {
  for (;;) {
    const step = work.next();
    if (step.done === true) return step.value;
  }
}
