import { describe, expect, test } from 'vitest';
import { assemble } from '../../../src/machine/isa/assemble.ts';
import { type CodePage, RegionScan } from '../../../src/machine/translator/basic-blocks.ts';
import { keyOf, outlineOf, outlineOfKey } from '../../../src/machine/translator/code-content.ts';

const PAGE: CodePage = { records: 1, linear: 0, base: 0 };

function region() {
  const source = 'loop: addi a0, a0, 1\n beqz a1, done\n c.addi a1, -1\n j loop\n done: ecall\n jalr ra, 0(a2)';
  const { bytes } = assemble(source, { base: 0x8000_0000 });
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const scan = new RegionScan(
    {
      halfword: (at) => view.getUint16(at, true),
      includes: (_, offset) => offset < bytes.length,
      pageAt: () => undefined,
    },
    100,
  );
  scan.addRoot(scan.addPage(PAGE), 0, true);
  const word = (at: number, length: number): number =>
    length === 2 ? view.getUint16(at, true) : view.getInt32(at, true);
  return { code: scan.finish(), view, word };
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
