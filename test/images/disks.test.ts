import { execFileSync } from 'node:child_process';
import { chmodSync, mkdirSync, readFileSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { arMembers, writePlainDeb } from '../../src/images/deb-archive.ts';
import { sha256 } from '../../src/images/digest.ts';
import { mke2fsArguments } from '../../src/images/ext4-image.ts';
import { normaliseExt4 } from '../../src/images/ext4-times.ts';
import { loadRecipe } from '../../src/images/index.ts';
import { buildLocalPackage } from '../../src/images/local-package.ts';
import { epochSeconds, type LoadedRecipe } from '../../src/images/recipe.ts';
import { runCommand } from '../../src/images/run-command.ts';
import { toolPath } from '../../src/images/tools.ts';
import { writeUpgradeDisk } from '../../src/images/upgrade-disk.ts';
import { temporaryFolder, writeSample } from './sample-recipe.ts';

const EPOCH = Date.parse('2026-11-01T00:00:00Z') / 1000;
const env = { ...process.env, PATH: toolPath(), LC_ALL: 'C.UTF-8' };
const output = (program: string, ...args: string[]): string =>
  execFileSync(program, args, { env, encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] });
const hashOf = (path: string): string => sha256(readFileSync(path));

async function sampleDeb(recipe: LoadedRecipe): Promise<string> {
  const scratch = temporaryFolder();
  const target = join(scratch, 'sample.deb');
  const local = recipe.localPackages[0];
  if (local === undefined) throw new Error('the sample has a local package');
  await buildLocalPackage(recipe, local, { scratch, target });
  return target;
}

describe('a local package', () => {
  test('has the control fields of the recipe, the files of its tree and its scripts', async () => {
    const deb = await sampleDeb(loadRecipe(writeSample()));
    expect(output('dpkg-deb', '-f', deb)).toContain('Package: sample-hook\nVersion: 1\nArchitecture: all\n');
    expect(output('dpkg-deb', '-f', deb, 'Provides')).toBe('sample-tool\n');
    expect(output('dpkg-deb', '-I', deb, 'postinst')).toBe('#!/bin/sh\nexit 0\n');
    expect(output('dpkg-deb', '-c', deb)).toMatch(/-rwxr-xr-x root\/root .* \.\/etc\/sample\/run\n/);
  });

  test('is the same to the byte whatever umask and clock the checkout was made with', async () => {
    const one = writeSample();
    const other = writeSample();
    const setting = join(other, '../tree/etc/sample/setting');
    chmodSync(setting, 0o600);
    utimesSync(setting, 1, 1);
    expect(hashOf(await sampleDeb(loadRecipe(one)))).toBe(hashOf(await sampleDeb(loadRecipe(other))));
  });
});

describe('a plain package', () => {
  test('has the control member and the files of the package it was made from', async () => {
    const folder = temporaryFolder();
    mkdirSync(join(folder, 'p/DEBIAN'), { recursive: true });
    writeFileSync(
      join(folder, 'p/DEBIAN/control'),
      'Package: p\nVersion: 1\nArchitecture: all\nMaintainer: m\nDescription: d\n',
    );
    writeFileSync(join(folder, 'p/data'), 'x'.repeat(100_000));
    const packed = join(folder, 'packed.deb');
    const plain = join(folder, 'plain.deb');
    await runCommand('dpkg-deb', ['-Zxz', '--root-owner-group', '-b', join(folder, 'p'), packed]);
    await writePlainDeb(packed, plain);
    expect(arMembers(packed).map((member) => member.name)).toEqual(['debian-binary', 'control.tar.xz', 'data.tar.xz']);
    expect(arMembers(plain).map((member) => member.name)).toEqual(['debian-binary', 'control.tar.xz', 'data.tar']);
    expect(output('dpkg-deb', '-c', plain)).toBe(output('dpkg-deb', '-c', packed));
    expect(output('dpkg-deb', '-f', plain)).toBe(output('dpkg-deb', '-f', packed));
  });

  test('is not made from a file that is no package', async () => {
    const path = join(temporaryFolder(), 'no.deb');
    writeFileSync(path, 'a text');
    await expect(writePlainDeb(path, `${path}.plain`)).rejects.toMatchObject({ code: 'package-corrupt' });
  });
});

describe('an upgrade disk', () => {
  async function build(): Promise<string> {
    const recipe = loadRecipe(writeSample());
    const deb = { path: await sampleDeb(recipe), fileName: 'sample-hook_1_all.deb' };
    const scratch = temporaryFolder();
    const target = join(scratch, 'disk.ext4');
    await writeUpgradeDisk([[deb], [deb]], { identity: 'sample/patch', target, scratch });
    normaliseExt4(target, { epochSeconds: epochSeconds(recipe), ownedByRoot: true });
    return target;
  }

  test('lists its stages and is a clean file system', async () => {
    const disk = await build();
    expect(output('debugfs', '-R', 'cat stages', disk)).toBe('sample-hook_1_all.deb\n---\nsample-hook_1_all.deb\n');
    expect(output('dumpe2fs', '-h', disk)).toMatch(/volume name: +upgrades\n/);
    expect(() => output('e2fsck', '-fn', disk)).not.toThrow();
  });

  test('is the same to the byte when it is built again', async () => {
    const first = await build();
    await new Promise((done) => setTimeout(done, 1100));
    expect(hashOf(await build())).toBe(hashOf(first));
  });
});

describe('normaliseExt4', () => {
  async function image(folder: string, sizeMiB: number): Promise<string> {
    const layout = { label: 'test', sizeMiB, inodes: 4096, journalMiB: 4, identity: 'test' };
    const target = join(temporaryFolder(), 'image.ext4');
    await runCommand('mke2fs', mke2fsArguments(layout, folder, target), { env });
    return target;
  }

  test('gives every file, in every block group, the time stamp and leaves the file system clean', async () => {
    const folder = temporaryFolder();
    for (let index = 0; index < 300; index++) {
      mkdirSync(join(folder, `d${index}`));
      writeFileSync(join(folder, `d${index}/file`), `${index}`);
    }
    const target = await image(folder, 300);
    expect(normaliseExt4(target, { epochSeconds: EPOCH, ownedByRoot: false })).toBeGreaterThan(600);
    expect(() => output('e2fsck', '-fn', target)).not.toThrow();
    for (const path of ['/', '/d0/file', '/d299/file']) {
      const stat = output('debugfs', '-R', `stat ${path}`, target);
      const times = [...stat.matchAll(/(?:c|a|m|cr)time: (0x[0-9a-f]+):00000000/g)].map((match) => Number(match[1]));
      expect(times).toEqual([EPOCH, EPOCH, EPOCH, EPOCH]);
    }
  });

  test('refuses a file system with checksums, which it would break', async () => {
    const target = join(temporaryFolder(), 'checksums.ext4');
    await runCommand('mke2fs', ['-q', '-t', 'ext4', '-O', 'metadata_csum', target, '16M'], { env });
    expect(() => normaliseExt4(target, { epochSeconds: EPOCH, ownedByRoot: false })).toThrow(/checksums/);
  });
});
