import { describe, expect, test } from 'vitest';
import { assemble } from '../../../src/machine/isa/assemble.ts';
import { type RegionCode, RegionScan } from '../../../src/machine/translator/basic-blocks.ts';
import { controlFlow } from '../../../src/machine/translator/control-flow.ts';
import { RegisterFlow } from '../../../src/machine/translator/register-flow.ts';

const [A0, A1, A2, A3] = [10, 11, 12, 13] as const;

/** Registers x of a region that is entered at its start. */
function flowOf(source: string) {
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
  scan.addRoot(scan.addPage({ records: 1, linear: 0, base: 0 }), 0, true);
  const code: RegionCode = scan.finish();
  const successors = [
    [],
    ...code.blocks.map(({ end }) => {
      const edges = end.kind === 'branch' ? [end.taken, end.next] : end.kind === 'next' ? [end.next] : [];
      return edges.flatMap(({ block }) => (block === undefined ? [] : [block + 1]));
    }),
  ];
  const control = controlFlow(
    successors,
    code.entries.map((entry) => entry + 1),
  );
  return { code, control, x: new RegisterFlow('x', code.blocks, control, successors) };
}

describe('registers of a region', () => {
  test('are loaded where they can be read before they are written', () => {
    const { x } = flowOf('add a1, a0, a0\n beqz a1, end\n mv a2, a3\n end: ret');
    expect(x.liveIn(1)).toEqual([1, A0, A3]);
  });

  test('are not stored when they are written again before the region can be left', () => {
    const { code, x } = flowOf('lui a1, 5\n addi a1, a1, 1\n lui a2, 1\n ld a3, 0(a1)\n lui a2, 2\n ret');
    expect(x.stores(code.blocks[0]!.instructions)).toEqual([false, true, true, true, true, false]);
  });

  test('stay in locals in a loop, which loads what it will store when it is left', () => {
    const { control, x } = flowOf('li a1, 0\n loop: mv a2, a3\n addi a1, a1, 1\n bne a1, a0, loop\n ret');
    const head = control.order.find((node) => control.isLoopHeader[node] === 1)!;
    expect(control.loopOf[head]).toBe(head);
    expect(x.writtenIn(head)).toEqual([A1, A2]);
    expect(x.liveIn(head)).toEqual([1, A0, A1, A2, A3]);
  });
});
