import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { createPhysicalMemory } from '../../src/machine/memory.ts';
import { Disks } from '../../src/node/disks.ts';
import { Standbys } from '../../src/node/standbys.ts';
import { drain } from './drain.ts';

const RAM = 0x8000_0000;
const BYTES = 1 << 20;
const REGIONS = [{ base: RAM, bytes: BYTES }];

describe('the standbys of a node', () => {
  let folder: string;
  let disks: Disks;
  let standbys: Standbys;
  const memory = createPhysicalMemory(RAM, BYTES);

  const keep = (name: string): void => {
    const resume = { hart: 0, address: '0x80200000', opaque: '0x0' };
    drain(standbys.keep(name, 'system', { memory, regions: REGIONS }, { side: 'B', bankMib: 512, harts: [], resume }));
  };
  const byteAt = (address: number): number => memory.view(address, 1)[0]!;

  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'standbys-'));
    const base = join(folder, 'image');
    writeFileSync(base, Buffer.alloc(BYTES, 1));
    disks = new Disks(folder, {});
    disks.insert('system', base);
    standbys = new Standbys(join(folder, 'kept'), disks, {});
  });
  afterEach(() => {
    disks.closeAll();
    rmSync(folder, { recursive: true });
  });

  test('give back the memory and the disk as they were, however often', () => {
    memory.write(RAM + 0x2_0000, new Uint8Array([7]));
    keep('standby');
    for (const later of [8, 9]) {
      memory.write(RAM, new Uint8Array([later]));
      memory.write(RAM + 0x2_0000, new Uint8Array([later]));
      disks.open('system').write(0, new Uint8Array([later]));
      drain(standbys.load('standby', memory, REGIONS));
      expect([byteAt(RAM), byteAt(RAM + 0x2_0000)]).toEqual([0, 7]);
      disks.clone(standbys.get('standby').disk, 'system-new');
      const into = new Uint8Array(1);
      disks.open('system-new').read(0, into);
      expect(into[0]).toBe(1);
    }
  });

  test('outlive the commit of the run that kept them, and no other', () => {
    standbys.beginRun(null);
    keep('standby');
    standbys.commit('first');
    standbys.beginRun('first');
    expect(standbys.names()).toEqual(['standby']);
    standbys.commit('second');
    expect(standbys.worthOf('standby', 'second')).toBe('outdated');
    standbys.beginRun('second');
    expect(standbys.names()).toEqual([]);
    expect(disks.names()).toEqual(['system']);
    expect(existsSync(join(folder, 'kept/standby.memory'))).toBe(false);
  });

  test('outlive a run that ends without a commit', () => {
    keep('standby');
    standbys.commit('first');
    standbys.beginRun('first');
    standbys.beginRun('first');
    expect(standbys.get('standby').of).toBe('first');
  });

  test.each([null, 'first'])(
    'are thrown away where the run that kept them did not commit (last commit: %s)',
    (before) => {
      standbys.beginRun(before);
      keep('standby');
      expect(standbys.isGood('standby', before)).toBe(true);
      standbys.beginRun(before);
      expect(standbys.names()).toEqual([]);
    },
  );

  test('of a run that lost the power before it committed are none for the next one', () => {
    keep('standby');
    const again = new Standbys(join(folder, 'kept'), disks, standbys.config());
    again.beginRun(null);
    expect([again.names(), disks.names()]).toEqual([[], ['system']]);
  });

  test('are saved at the same time as their disks, when they come and when they go', () => {
    const saved: (readonly string[])[] = [];
    disks.onChange = () => saved.push([...disks.names(), ...standbys.names()]);
    keep('standby');
    standbys.remove('standby');
    expect(saved).toEqual([['standby-standby', 'system', 'standby'], ['system']]);
  });

  test('refuse a name that is not one of them', () => {
    expect(() => standbys.get('../standby')).toThrow(expect.objectContaining({ code: 'no-such-standby' }));
  });
});
