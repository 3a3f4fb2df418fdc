import { describe, expect, test } from 'vitest';
import { keyOf, outlineOf, outlineOfKey } from '../../../src/machine/translator/code-content.ts';
import { assembledRegion, PAGE } from './assembled-region.ts';

const SOURCE = 'loop: addi a0, a0, 1\n beqz a1, done\n c.addi a1, -1\n j loop\n done: ecall\n jalr ra, 0(a2)';

function region() {
  const { code, view } = assembledRegion(SOURCE);
  const word = (at: number, length: number): number =>
    length === 2 ? view.getUint16(at, true) : view.getInt32(at, true);
  return { code, view, word };
}

describe('the key of a region', () => {
  test('tells its outline again where the same code is', () => {
    const { code, word } = region();
    const { pages, entries, ...rest } = outlineOf(code);
    expect(outlineOfKey(keyOf(code), () => PAGE, word)).toEqual({
      ...rest,
      pages,
      entries: entries.map(({ page, offset }) => ({ page, offset })),
    });
  });

  test('tells nothing where one instruction is another, or a page is missing', () => {
    const { code, view, word } = region();
    const key = keyOf(code);
    expect(outlineOfKey(key, () => undefined, word)).toBeUndefined();
    view.setUint8(0, view.getUint8(0) ^ 0x80);
    expect(outlineOfKey(key, () => PAGE, word)).toBeUndefined();
  });
});
