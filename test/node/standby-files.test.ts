import { mkdtempSync, readdirSync, rmSync, statSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { createPhysicalMemory } from '../../src/machine/memory.ts';
import { Disks } from '../../src/node/disks.ts';
import { Standbys } from '../../src/node/standbys.ts';
import { drain } from './drain.ts';

const BASE = 0x8000_0000;
const CHUNK = 0x1_0000;
const DISK_BYTES = 1 << 20;
const CIRCUMSTANCES = {
  side: 'B',
  bankMib: 128,
  harts: [],
  resume: { hart: 0, address: '0x80000000', opaque: '0x1' },
} as const;

describe('what a standby is made of', () => {
  /** Two regions with a gap that is none of the guest's. */
  const regions = [
    { base: BASE, bytes: 2 * CHUNK },
    { base: BASE + 4 * CHUNK, bytes: 4 * CHUNK },
  ];
  let folder: string;
  let disks: Disks;
  let standbys: Standbys;
  let memory: ReturnType<typeof createPhysicalMemory>;

  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'standbys-'));
    const base = join(folder, 'image');
    writeFileSync(base, Buffer.alloc(DISK_BYTES, 1));
    disks = new Disks(folder, { 'system-new': { base, overlay: join(folder, 'system-new.overlay') } });
    standbys = new Standbys(join(folder, 'standbys'), disks, {});
    memory = createPhysicalMemory(BASE, 16 * CHUNK);
  });
  afterEach(() => {
    disks.closeAll();
    rmSync(folder, { recursive: true });
  });

  const byteAt = (address: number): number => memory.view(address, 1)[0]!;
  const firstByteOf = (disk: string): number => {
    const into = new Uint8Array(1);
    disks.open(disk).read(0, into);
    return into[0]!;
  };
  const keep = () => drain(standbys.keep('spare', 'system-new', { memory, regions }, CIRCUMSTANCES));
  const load = (): void => drain(standbys.load('spare', memory, regions));

  test('give back every byte of the memory, and touch no other', () => {
    memory.write(BASE + CHUNK + 5, Uint8Array.of(7));
    memory.write(BASE + 7 * CHUNK, Uint8Array.of(8));
    expect(keep().bytes).toBe(2 * CHUNK);
    for (const address of [BASE + 3, BASE + CHUNK + 5, BASE + 3 * CHUNK, BASE + 5 * CHUNK]) {
      memory.write(address, Uint8Array.of(99));
    }
    load();
    expect([BASE + 3, BASE + CHUNK + 5, BASE + 5 * CHUNK, BASE + 7 * CHUNK].map(byteAt)).toEqual([0, 7, 0, 8]);
    expect(byteAt(BASE + 3 * CHUNK)).toBe(99);
  });

  test('are moved in slices, so that a node with the real clock serves between them', () => {
    const large = createPhysicalMemory(BASE, 256 * CHUNK);
    for (let chunk = 0; chunk < 200; chunk++) large.write(BASE + chunk * CHUNK, Uint8Array.of(1));
    const whole = { memory: large, regions: [{ base: BASE, bytes: 256 * CHUNK }] };
    const slices = [64 * CHUNK, 64 * CHUNK, 64 * CHUNK, 8 * CHUNK];
    expect([...standbys.keep('spare', 'system-new', whole, CIRCUMSTANCES)]).toEqual(slices);
    expect([...standbys.load('spare', large, whole.regions)]).toEqual(slices);
  });

  test('are not there when they were not kept to the end', () => {
    const slices = standbys.keep('spare', 'system-new', { memory, regions }, CIRCUMSTANCES);
    slices.next();
    slices.return(undefined as never);
    expect([standbys.names(), disks.names()]).toEqual([[], ['system-new']]);
    expect(readdirSync(join(folder, 'standbys'))).toEqual([]);
  });

  test('take no room for what is zero', () => {
    memory.write(BASE + 6 * CHUNK, Uint8Array.of(1));
    keep();
    const { size, blocks } = statSync(join(folder, 'standbys/spare.memory'));
    expect(size).toBe(6 * CHUNK);
    expect(blocks * 512).toBeLessThanOrEqual(2 * CHUNK);
  });

  test('keep the disk as it was, whatever is written to it afterwards', () => {
    disks.open('system-new').write(0, Uint8Array.of(5));
    const { disk } = keep();
    disks.open('system-new').write(0, Uint8Array.of(6));
    expect(firstByteOf(disk)).toBe(5);
    disks.clone(disk, 'system-new');
    expect(firstByteOf('system-new')).toBe(5);
  });

  test('are replaced by one of the same name, and leave nothing when they are removed', () => {
    keep();
    memory.write(BASE, Uint8Array.of(3));
    disks.open('system-new').write(0, Uint8Array.of(4));
    const { disk } = keep();
    memory.write(BASE, Uint8Array.of(0));
    load();
    expect([byteAt(BASE), firstByteOf(disk)]).toEqual([3, 4]);
    standbys.remove('spare');
    expect(standbys.names()).toEqual([]);
    expect(disks.names()).toEqual(['system-new']);
    expect(readdirSync(join(folder, 'standbys'))).toEqual([]);
    expect(() => standbys.get('spare')).toThrow(/no standby spare/);
  });

  test('do not take the place of a disk that is none of theirs', () => {
    disks.clone('system-new', 'standby-spare');
    expect(keep).toThrow(/disk standby-spare/);
  });

  test('say so when their file is cut short, or gone, or cannot be written', () => {
    keep();
    const path = join(folder, 'standbys/spare.memory');
    truncateSync(path, CHUNK);
    expect(load).toThrow(/standby spare: .*expected 393216 bytes, found 65536/);
    rmSync(path);
    expect(load).toThrow(/standby spare: ENOENT/);
    standbys = new Standbys(join(folder, 'image', 'standbys'), disks, {});
    disks.remove('standby-spare');
    expect(keep).toThrow(/standby spare: ENOTDIR/);
    expect([standbys.names(), disks.names()]).toEqual([[], ['system-new']]);
  });

  test('leave nothing where the disk cannot be copied, and can be kept when it can', () => {
    const { base, overlay } = disks.config()['system-new']!;
    rmSync(base);
    expect(keep).toThrow(/system-new|image/);
    expect([standbys.names(), disks.names(), readdirSync(join(folder, 'standbys'))]).toEqual([[], ['system-new'], []]);
    writeFileSync(base, Buffer.alloc(DISK_BYTES, 1));
    expect(disks.config()['system-new']).toEqual({ base, overlay });
    expect(keep().bytes).toBe(0);
  });

  test('leave no file behind that a loss of power parted from its standby', () => {
    keep();
    for (const file of ['spare.memory.new', 'other.memory']) writeFileSync(join(folder, 'standbys', file), 'torn');
    new Standbys(join(folder, 'standbys'), disks, standbys.config());
    expect(readdirSync(join(folder, 'standbys'))).toEqual(['spare.memory']);
  });

  test('name their disk as in use', () => {
    const { disk } = keep();
    expect([standbys.ofDisk(disk), standbys.ofDisk('system-new')]).toEqual(['spare', undefined]);
  });
});
