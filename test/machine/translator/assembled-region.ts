/** The region of a program that is entered at its start, and the code it was made of. */
import { assemble } from '../../../src/machine/isa/assemble.ts';
import { type CodePage, type RegionCode, RegionScan } from '../../../src/machine/translator/basic-blocks.ts';

const BASE = 0x8000_0000;
const INSTRUCTIONS_MAX = 100;

export const PAGE: CodePage = { records: 1, linear: 0, base: 0 };

export function assembledRegion(source: string): { readonly code: RegionCode; readonly view: DataView } {
  const { bytes } = assemble(source, { base: BASE });
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const scan = new RegionScan(
    {
      halfword: (at) => view.getUint16(at, true),
      includes: (_, offset) => offset < bytes.length,
      pageAt: () => undefined,
    },
    INSTRUCTIONS_MAX,
  );
  scan.addRoot(scan.addPage(PAGE), 0, true);
  return { code: scan.finish(), view };
}
