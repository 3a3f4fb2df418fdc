import { readFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import { expect, it } from 'vitest';
import { generate } from '../../tools/generate/artifacts.ts';

const root = join(import.meta.dirname, '../..');

it('every generated file is what its source says (else run node tools/generate-types.ts)', async () => {
  const stale = (await generate(root)).filter(({ path, text }) => readFileSync(path, 'utf8') !== text);
  expect(stale.map(({ path }) => relative(root, path))).toEqual([]);
});
