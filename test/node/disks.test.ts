import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { Disks } from '../../src/node/disks.ts';

const BYTES = 1 << 20;

describe('the disks of a node', () => {
  let folder: string;
  let disks: Disks;

  const image = (name: string, fill: number): string => {
    const path = join(folder, name);
    writeFileSync(path, Buffer.alloc(BYTES, fill));
    return path;
  };
  const firstByte = (name: string): number => {
    const into = new Uint8Array(1);
    disks.open(name).read(0, into);
    return into[0]!;
  };

  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'disks-'));
    disks = new Disks(folder, {});
  });
  afterEach(() => {
    disks.closeAll();
    rmSync(folder, { recursive: true });
  });

  test('take one from outside, and another of that name in its place', () => {
    expect(disks.insert('upgrades', image('first', 1))).toBe(true);
    expect(firstByte('upgrades')).toBe(1);
    disks.open('upgrades').write(0, new Uint8Array([9]));
    disks.close('upgrades');
    expect(disks.insert('upgrades', image('second', 2))).toBe(true);
    expect(firstByte('upgrades')).toBe(2);
  });

  test('keep what was written to one that is put in again', () => {
    const first = image('first', 1);
    disks.insert('upgrades', first);
    disks.open('upgrades').write(0, new Uint8Array([9]));
    expect(disks.insert('upgrades', first)).toBe(true);
    expect(firstByte('upgrades')).toBe(9);
  });

  test('give up none that is in use', () => {
    disks.insert('upgrades', image('first', 1));
    expect(firstByte('upgrades')).toBe(1);
    expect(disks.insert('upgrades', image('second', 2))).toBe(false);
    expect(firstByte('upgrades')).toBe(1);
  });
});
