// MV0200: an id names one thing.
import type { Finding, Pointer } from '../../diagnostics/diagnostic.ts';
import type { Outline } from '../outline.ts';

export function checkIds({ playbook, steps }: Outline): readonly Finding[] {
  return [
    ...repeated(
      'phase',
      playbook.phases.map(({ id }, index) => ({ id, pointer: ['phases', index, 'id'] })),
    ),
    ...repeated(
      'step',
      steps.map(({ step, pointer }) => ({ id: step.id, pointer: [...pointer, 'id'] })),
    ),
    ...repeated(
      'disk',
      (playbook.node?.disks ?? []).map(({ name }, index) => ({ id: name, pointer: ['node', 'disks', index, 'name'] })),
    ),
  ];
}

function repeated(noun: string, ids: readonly { id: string; pointer: Pointer }[]): readonly Finding[] {
  const seen = new Set<string>();
  return ids.flatMap(({ id, pointer }) => {
    if (!seen.has(id)) {
      seen.add(id);
      return [];
    }
    const hint = `rename it, e.g. to ${freeName(id, ids)}`;
    return [{ code: 'MV0200', message: `expected a ${noun} id of its own, but ${id} was used before`, hint, pointer }];
  });
}

function freeName(id: string, ids: readonly { id: string }[]): string {
  for (let n = 2; ; n++) {
    const name = `${id}${n}`;
    if (!ids.some((other) => other.id === name)) return name;
  }
}
