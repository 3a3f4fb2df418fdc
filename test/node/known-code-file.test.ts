import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { KnownCode } from '../../src/machine/index.ts';
import { contains } from '../../src/machine/translator/known-code.ts';
import { KnownCodeFile } from '../../src/node/known-code-file.ts';

const CONTENT = 4711;
const learn = (known: KnownCode, content: number): void => {
  const instructions = new Uint8Array(256).fill(content);
  known.keepRecipe({ pages: [{ distance: 0, content, instructions }], entries: new Uint8Array(256), key: undefined });
};

describe('the file of known code', () => {
  let cache: string;
  const open = (version = 'one'): KnownCodeFile => new KnownCodeFile(cache, version);
  const pathOf = (version: string): string => join(cache, 'known-code', `${version}.bin`);

  beforeEach(() => {
    cache = mkdtempSync(join(tmpdir(), 'known-code-'));
    const file = open();
    learn(file.known, CONTENT);
    file.save();
  });
  afterEach(() => rmSync(cache, { recursive: true }));

  test('gives the next node what this one learned', () => {
    expect(open().known.recipe(CONTENT)?.pages[0].instructions[0]).toBe(CONTENT & 0xff);
  });

  test('keeps where regions were entered beyond what their code tells', () => {
    const file = open();
    file.known.wantEntry(CONTENT, 0x20);
    file.save();
    expect([0x20, 0x22].map((offset) => contains(open().known.recipe(CONTENT)!.entries, offset))).toEqual([
      true,
      false,
    ]);
  });

  test('is not found by other sources', () => {
    expect(open('two').known.recipe(CONTENT)).toBeUndefined();
  });

  test('counts as absent when a byte of it is another', () => {
    const bytes = readFileSync(pathOf('one'));
    bytes[bytes.length - 20]! ^= 1;
    writeFileSync(pathOf('one'), bytes);
    expect(open().known.recipe(CONTENT)).toBeUndefined();
  });

  test('keeps what another node wrote meanwhile', () => {
    const [a, b] = [open(), open()];
    learn(a.known, 1);
    a.save();
    learn(b.known, 2);
    b.save();
    const { known } = open();
    expect([CONTENT, 1, 2].map((content) => known.recipe(content) !== undefined)).toEqual([true, true, true]);
  });

  test('is left alone when nothing was learned', () => {
    rmSync(pathOf('one'));
    open().save();
    expect(readdirSync(join(cache, 'known-code'))).toEqual([]);
  });

  test('goes when two newer versions have been written', () => {
    for (const version of ['two', 'three', 'four']) {
      const file = open(version);
      learn(file.known, CONTENT);
      file.save();
    }
    expect(readdirSync(join(cache, 'known-code')).sort()).toEqual(['four.bin', 'three.bin', 'two.bin']);
  });
});
