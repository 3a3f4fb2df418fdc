import { describe, expect, test } from 'vitest';
import { controlFlow } from '../../../src/machine/translator/control-flow.ts';
import { RegisterFlow } from '../../../src/machine/translator/register-flow.ts';
import { assembledRegion } from './assembled-region.ts';

const [A0, A1, A2, A3] = [10, 11, 12, 13] as const;

/** Registers x of a region that is entered at its start. */
function flowOf(source: string) {
  const { code } = assembledRegion(source);
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
