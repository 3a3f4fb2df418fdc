import { writeFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { ImageError, loadRecipe, lockPathOf } from '../../src/images/index.ts';
import { type Lock, lockedPackage, readLock, selectionDigest, writeLock } from '../../src/images/lock.ts';
import { localPackage } from '../../src/images/recipe.ts';
import { SAMPLE_RECIPE, writeSample } from './sample-recipe.ts';

const WEB_SERVER = new URL('../../recipes/web-server.yaml', import.meta.url).pathname;

const sampleLock = (selectionSha256: string): Lock => ({
  apiVersion: 'mvctl/v1',
  kind: 'ImageLock',
  recipe: 'sample',
  selectionSha256,
  archiveTime: '20261101T000000Z',
  packages: [
    { package: 'base-files', version: '13', suite: 'trixie', path: 'pool/b.deb', bytes: 1, sha256: 'a'.repeat(64) },
  ],
  system: ['base-files=13', 'sample-hook'],
  upgrades: { patch: [['sample-hook']] },
  sources: [],
});

const codeOf = (action: () => unknown): string => {
  try {
    action();
  } catch (error) {
    if (error instanceof ImageError) return error.code;
    throw error;
  }
  return 'none';
};

describe('the lock', () => {
  test("the web server's lock belongs to its recipe and names only packages it has", () => {
    const recipe = loadRecipe(WEB_SERVER);
    const lock = readLock(lockPathOf(recipe), recipe);
    const ids = [...lock.system, ...Object.values(lock.upgrades).flat(2), ...lock.sources];
    for (const id of ids) if (localPackage(recipe, id) === undefined) lockedPackage(lock, id);
    expect(Object.keys(lock.upgrades)).toEqual(recipe.upgrades.map((disk) => disk.name));
    expect(lock.packages.every((locked) => locked.bytes > 0)).toBe(true);
  });

  test('what is written is read back', () => {
    const recipe = loadRecipe(writeSample());
    const lock = sampleLock(selectionDigest(recipe));
    writeLock(lockPathOf(recipe), lock);
    expect(readLock(lockPathOf(recipe), recipe)).toEqual(lock);
  });

  test('a missing lock is named, with the command that writes it', () => {
    const recipe = loadRecipe(writeSample());
    expect(() => readLock(lockPathOf(recipe), recipe)).toThrow(
      expect.objectContaining({ code: 'lock-missing', hint: expect.stringContaining('mvctl image lock') }),
    );
  });

  test('a recipe that asks for other packages makes the lock stale; another description does not', () => {
    const recipe = loadRecipe(writeSample());
    writeLock(lockPathOf(recipe), sampleLock(selectionDigest(recipe)));
    const more = loadRecipe(writeSample(SAMPLE_RECIPE.replace('[base-files, ', '[base-files, nginx, ')));
    expect(codeOf(() => readLock(lockPathOf(recipe), more))).toBe('lock-stale');
    const renamed = loadRecipe(writeSample(SAMPLE_RECIPE.replace('description: a hook', 'description: the hook')));
    expect(codeOf(() => readLock(lockPathOf(recipe), renamed))).toBe('none');
  });

  test.each([
    ['text that is no JSON', 'packages:'],
    ['another kind of file', '{"apiVersion":"mvctl/v1","kind":"Report"}'],
    ['a list that is missing', '{"apiVersion":"mvctl/v1","kind":"ImageLock","packages":[]}'],
    ['a table that is missing', '{"apiVersion":"mvctl/v1","kind":"ImageLock","packages":[],"system":[],"sources":[]}'],
    [
      'a package that is none',
      '{"apiVersion":"mvctl/v1","kind":"ImageLock","packages":[null],"system":[],"sources":[],"upgrades":{}}',
    ],
    ['nothing', 'null'],
  ])('%s is no lock', (_title, text) => {
    const recipe = loadRecipe(writeSample());
    writeFileSync(lockPathOf(recipe), text);
    expect(codeOf(() => readLock(lockPathOf(recipe), recipe))).toBe('lock-invalid');
  });

  test.each([
    ['a hash that is none', { sha256: 'abc' }],
    ['a path outside the pool', { path: 'pool/../../etc/passwd.deb' }],
    ['a size that is none', { bytes: 1.5 }],
  ])('%s is refused', (_title, change) => {
    const recipe = loadRecipe(writeSample());
    const lock = sampleLock(selectionDigest(recipe));
    writeLock(lockPathOf(recipe), { ...lock, packages: lock.packages.map((locked) => ({ ...locked, ...change })) });
    expect(codeOf(() => readLock(lockPathOf(recipe), recipe))).toBe('lock-invalid');
  });
});
