import { mkdirSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { cachedImage, listImages } from '../../src/images/cache.ts';
import { temporaryFolder } from './sample-recipe.ts';

const BYTES = 4096;
const MANIFEST = { name: 'a/system', key: 'k', sha256: 'x', bytes: BYTES, label: 'system' };

test('a disk whose writing was cut short, or whose description was, is not in the cache', () => {
  const cache = temporaryFolder();
  const folder = join(cache, 'images/k');
  mkdirSync(folder, { recursive: true });
  const [path, manifest] = [join(folder, 'image.ext4'), join(folder, 'image.json')];
  writeFileSync(path, new Uint8Array(BYTES));
  writeFileSync(manifest, JSON.stringify(MANIFEST));
  expect(cachedImage(cache, 'k')).toEqual({ ...MANIFEST, path });
  truncateSync(path, BYTES / 2);
  expect(cachedImage(cache, 'k')).toBeUndefined();
  writeFileSync(path, new Uint8Array(BYTES));
  truncateSync(manifest, 10);
  expect(cachedImage(cache, 'k')).toBeUndefined();
  expect(listImages(cache)).toEqual([]);
});
