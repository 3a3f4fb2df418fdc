import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import {
  copyFileSync,
  existsSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { FileLockedError, OverlayDisk, OverlayError, ReadOnlyDisk } from '../../src/node/disk-store.ts';
import { numbers, sectorOf, sectorsOfRound } from './disk-rounds.ts';

const DISK_BYTES = 1_000_448; // whole sectors, not whole clusters

let folder: string;
let basePath: string;
let base: Buffer;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'disk-store-'));
  basePath = join(folder, 'base.img');
  const next = numbers(1);
  base = Buffer.from(Array.from({ length: DISK_BYTES }, () => next(256)));
  writeFileSync(basePath, base);
});

afterEach(() => rmSync(folder, { recursive: true }));

const at = (name: string): string => join(folder, name);
const create = (name: string, cacheBytesMax?: number): OverlayDisk =>
  OverlayDisk.create({ path: at(name), basePath, ...(cacheBytesMax === undefined ? {} : { cacheBytesMax }) });
const open = (name: string): OverlayDisk => OverlayDisk.open({ path: at(name), basePath });

function read(
  disk: { readonly bytes: number; read(offset: number, into: Uint8Array): void },
  offset = 0,
  bytes = disk.bytes - offset,
): Buffer {
  const into = Buffer.alloc(bytes, 0xee);
  disk.read(offset, into);
  return into;
}

const hello = Buffer.alloc(512, 'hello');

describe('a disk', () => {
  test('reads as its base until something is written', () => {
    const disk = create('a');
    expect(disk.bytes).toBe(DISK_BYTES);
    expect(read(disk).equals(base)).toBe(true);
    disk.close();
  });

  test('never changes its base', () => {
    const disk = create('a');
    disk.write(0, Buffer.alloc(DISK_BYTES, 7));
    disk.close();
    expect(readFileSync(basePath).equals(base)).toBe(true);
  });

  test('has after a power cut what was flushed and nothing else', () => {
    const disk = create('a');
    disk.write(512, hello);
    disk.flush();
    disk.write(1024, hello);
    expect(read(disk, 1024, 512).equals(hello)).toBe(true);
    disk.powerOff();
    const again = open('a');
    expect(read(again, 512, 512).equals(hello)).toBe(true);
    expect(read(again, 1024, 512).equals(base.subarray(1024, 1536))).toBe(true);
    again.close();
  });

  test('writes its cache out at an orderly end', () => {
    const disk = create('a');
    disk.write(512, hello);
    disk.close();
    const again = open('a');
    expect(read(again, 512, 512).equals(hello)).toBe(true);
    again.close();
  });

  test('holds no more in its cache than it may', () => {
    const disk = create('a', 64 * 1024);
    for (let offset = 0; offset + 512 <= DISK_BYTES; offset += 4096) {
      disk.write(offset, hello);
      expect(disk.usage.cachedBytes).toBeLessThanOrEqual(64 * 1024);
    }
    disk.close();
  });

  test('takes room for what was written only', () => {
    const disk = create('a');
    disk.write(8192, hello);
    disk.flush();
    disk.write(8192 + 512, hello);
    disk.flush();
    expect(disk.usage).toEqual({ overlayBytes: 4096, cachedBytes: 0 });
    disk.close();
  });

  test.each([
    [-512, 512],
    [DISK_BYTES, 512],
    [DISK_BYTES - 512, 1024],
  ])('refuses %i + %i bytes', (offset, bytes) => {
    const disk = create('a');
    expect(() => disk.read(offset, Buffer.alloc(bytes))).toThrow(RangeError);
    expect(() => disk.write(offset, Buffer.alloc(bytes))).toThrow(RangeError);
    disk.close();
  });

  test('behaves as a plain array of bytes, flushes, clones and power cuts included', () => {
    const operation = fc.oneof(
      {
        weight: 8,
        arbitrary: fc.record({
          kind: fc.constant('write'),
          sector: fc.nat(1900),
          sectors: fc.integer({ min: 1, max: 40 }),
        }),
      },
      {
        weight: 3,
        arbitrary: fc.record({
          kind: fc.constantFrom('flush', 'clone', 'cut'),
          sector: fc.nat(1900),
          sectors: fc.integer({ min: 1, max: 40 }),
        }),
      },
    );
    let run = 0;
    fc.assert(
      fc.property(fc.array(operation, { maxLength: 40 }), (operations) => {
        let name = `p${run++}`;
        let disk = create(name);
        let model = Buffer.from(base);
        let durable = Buffer.from(base);
        for (const [index, { kind, sector, sectors }] of operations.entries()) {
          const content = Buffer.alloc(sectors * 512, index + 1);
          if (kind === 'write') {
            disk.write(sector * 512, content);
            content.copy(model, sector * 512);
          } else if (kind === 'flush') {
            disk.flush();
            durable = Buffer.from(model);
          } else if (kind === 'clone') {
            name = `${name}c`;
            disk.clone(at(name));
            disk.powerOff();
            disk = open(name);
            durable = Buffer.from(model);
          } else {
            disk.powerOff();
            disk = open(name);
            model = Buffer.from(durable);
          }
          expect(
            read(disk, sector * 512, content.length).equals(
              model.subarray(sector * 512, sector * 512 + content.length),
            ),
          ).toBe(true);
        }
        expect(read(disk).equals(model)).toBe(true);
        disk.close();
      }),
      { numRuns: 40 },
    );
  });
});

describe('a copy of a disk', () => {
  test('holds what is only in the cache, and the two part ways', () => {
    const disk = create('a');
    disk.write(512, hello);
    disk.flush();
    disk.write(4096, hello);
    disk.clone(at('b'));
    disk.write(8192, hello);
    const copy = open('b');
    copy.write(0, hello);
    expect(read(copy, 512, 512).equals(hello)).toBe(true);
    expect(read(copy, 4096, 512).equals(hello)).toBe(true);
    expect(read(copy, 8192, 512).equals(base.subarray(8192, 8704))).toBe(true);
    expect(read(disk, 0, 512).equals(base.subarray(0, 512))).toBe(true);
    copy.close();
    disk.powerOff();
    const again = open('a');
    expect(read(again, 4096, 512).equals(base.subarray(4096, 4608))).toBe(true);
    again.close();
  });

  test('is refused where there is a file already', () => {
    const disk = create('a');
    writeFileSync(at('b'), 'mine');
    expect(() => disk.clone(at('b'))).toThrow(OverlayError);
    expect(readFileSync(at('b'), 'utf8')).toBe('mine');
    disk.close();
  });

  test('as a raw image equals the disk, and zeros take no room', () => {
    writeFileSync(basePath, Buffer.alloc(DISK_BYTES));
    const disk = create('a');
    disk.write(512, hello);
    disk.exportRaw(at('raw'));
    expect(readFileSync(at('raw')).equals(read(disk))).toBe(true);
    expect(statSync(at('raw')).blocks * 512).toBeLessThan(64 * 1024);
    disk.close();
  });
});

describe('an overlay file', () => {
  test('is refused over another base', () => {
    create('a').close();
    const other = at('other.img');
    writeFileSync(other, Buffer.from(base).fill(1, 0, 4));
    expect(() => OverlayDisk.open({ path: at('a'), basePath: other })).toThrow(/another base image/);
    writeFileSync(other, Buffer.alloc(DISK_BYTES + 512));
    expect(() => OverlayDisk.open({ path: at('a'), basePath: other })).toThrow(/another base image/);
  });

  test('that is not there, is none, or has a damaged header is refused, and the lock let go', () => {
    expect(() => open('a')).toThrow(/ENOENT/);
    writeFileSync(at('a'), 'x'.repeat(8192));
    expect(() => open('a')).toThrow(/not a disk overlay/);
    rmSync(at('a'));
    create('a').close();
    const bytes = readFileSync(at('a'));
    bytes[40] = (bytes[40] ?? 0) ^ 1;
    writeFileSync(at('a'), bytes);
    expect(() => open('a')).toThrow(/header is damaged/);
    expect(existsSync(at('a.lock'))).toBe(false);
  });

  test('with a map that points past the end, or twice at one place, is refused', () => {
    const disk = create('a');
    disk.write(0, Buffer.alloc(8192, 1));
    disk.close();
    const sound = readFileSync(at('a'));
    truncateSync(at('a'), sound.length - 4096);
    expect(() => open('a')).toThrow(/map is damaged/);
    const twice = Buffer.from(sound);
    twice.writeUInt32LE(1, 4096 + 4);
    writeFileSync(at('a'), twice);
    expect(() => open('a')).toThrow(/map is damaged/);
  });

  test('of which clusters were written and the map not is as before', () => {
    const disk = create('a');
    disk.write(0, hello);
    disk.close();
    copyFileSync(at('a'), at('before'));
    const sound = readFileSync(at('a'));
    writeFileSync(at('a'), Buffer.concat([sound, Buffer.alloc(6000, 9)]));
    const again = open('a');
    again.write(4096, hello);
    again.close();
    const last = open('a');
    expect(read(last, 0, 512).equals(hello)).toBe(true);
    expect(read(last, 4096, 512).equals(hello)).toBe(true);
    expect(read(last, 8192, 512).equals(base.subarray(8192, 8704))).toBe(true);
    last.close();
  });

  test('is made once', () => {
    create('a').close();
    expect(() => create('a')).toThrow(OverlayError);
  });
});

describe('the lock of a disk', () => {
  test('keeps a second owner out, this process included', () => {
    const disk = create('a');
    expect(() => open('a')).toThrow(FileLockedError);
    disk.close();
    open('a').close();
  });

  test('of a process that is no more is taken over', () => {
    create('a').close();
    const gone = spawnSync(process.execPath, ['-e', '']).pid;
    writeFileSync(at('a.lock'), JSON.stringify({ pid: gone, started: '1' }));
    open('a').close();
    expect(existsSync(at('a.lock'))).toBe(false);
  });

  test('of a process that was killed and not reaped by its parent is taken over', async () => {
    create('a').close();
    const parent = spawn('sh', ['-c', 'true & echo $!; exec sleep 30']);
    const [pid] = (await once(parent.stdout, 'data')) as [Buffer];
    await sleep(200);
    writeFileSync(at('a.lock'), JSON.stringify({ pid: Number(pid), started: '' }));
    open('a').close();
    parent.kill();
  });

  test('of an earlier process with the id of a living one is taken over', () => {
    create('a').close();
    writeFileSync(at('a.lock'), JSON.stringify({ pid: process.pid, started: '1' }));
    open('a').close();
  });

  test('that is unreadable is taken over', () => {
    create('a').close();
    writeFileSync(at('a.lock'), '');
    open('a').close();
  });
});

describe('a process killed while it writes', () => {
  const writer = fileURLToPath(new URL('disk-writer.ts', import.meta.url));

  // Large and empty, so that each round writes clusters that were never written before.
  const BIG_BYTES = 256 * 1024 * 1024;
  const KILLS = 5;

  test.each([
    [1, 1 << 30],
    [2, 1 << 30],
    [3, 64 * 1024],
    [4, 64 * 1024],
  ])('leaves all it flushed and a sound file (seed %i, cache of %i bytes)', async (seed, cacheBytes) => {
    writeFileSync(basePath, '');
    truncateSync(basePath, BIG_BYTES);
    let flushed = 0;
    for (let kill = 0; kill < KILLS; kill++) {
      // The rounds start again with each writer, so each starts on a disk of its own.
      const name = `k${kill}`;
      create(name).close();
      const child = spawn(process.execPath, [writer, at(name), basePath, String(seed + kill * 10), String(cacheBytes)]);
      let said = '';
      child.stdout.on('data', (bytes: Buffer) => {
        said += bytes.toString();
      });
      while (said === '') await sleep(1);
      await sleep((seed * 37 + kill * 53) % 90);
      child.kill('SIGKILL');
      await once(child, 'close');
      flushed = Number(said.trim().split('\n').at(-1));
      expectRounds(name, seed + kill * 10, flushed);
    }
    expect(flushed).toBeGreaterThan(0);
  });

  /** Each sector holds the last round that wrote it up to `flushed`, or one of a later round: whole, in any case. */
  function expectRounds(name: string, seed: number, flushed: number): void {
    const disk = open(name);
    const expected = new Map<number, number[]>();
    for (let round = 1; round <= flushed; round++) {
      for (const sector of sectorsOfRound(seed, round, BIG_BYTES)) expected.set(sector, [round]);
    }
    // A flush may have ended, or the next have begun, without anybody hearing of it.
    for (const round of [flushed + 1, flushed + 2]) {
      for (const sector of sectorsOfRound(seed, round, BIG_BYTES)) expected.get(sector)?.push(round);
    }
    for (const [sector, rounds] of expected) {
      const found = read(disk, sector * 512, 512);
      if (rounds.some((round) => found.equals(sectorOf(round, sector)))) continue;
      const [round, of] = [found.readUInt32LE(0), found.readUInt32LE(4)];
      throw new Error(`sector ${sector}: expected round ${rounds.join(' or ')}, found ${round} of sector ${of}`);
    }
    disk.close();
  }
});

describe('a read-only disk', () => {
  test('reads its image and refuses to be written', () => {
    const disk = new ReadOnlyDisk(basePath);
    expect(read(disk).equals(base)).toBe(true);
    expect(() => disk.write()).toThrow(OverlayError);
    disk.close();
  });

  test('needs an image of whole sectors', () => {
    writeFileSync(at('odd'), 'abc');
    expect(() => new ReadOnlyDisk(at('odd'))).toThrow(/512-byte sectors/);
  });
});
