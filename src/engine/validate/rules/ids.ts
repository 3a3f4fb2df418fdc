// MV0200: an id names one thing.
import type { Finding, Pointer } from '../../diagnostics/diagnostic.ts';
import { hiddenStepId, RECOVERY_PHASE, ROLLBACK_PHASE } from '../../plan/plan.ts';
import type { Outline } from '../outline.ts';

/** Phases of a report that no playbook has, and what they are there. */
const OWN_PHASES: ReadonlyMap<string, string> = new Map([
  [ROLLBACK_PHASE, 'the phase in which a run is taken back'],
  [RECOVERY_PHASE, 'the phase in which a node is booted after a loss of power'],
]);

export function checkIds(outline: Outline): readonly Finding[] {
  const { playbook, steps } = outline;
  return [
    ...checkOwnPhases(outline),
    ...checkOwnSteps(outline),
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

function checkOwnPhases({ playbook }: Outline): readonly Finding[] {
  return playbook.phases.flatMap(({ id }, index): readonly Finding[] => {
    const what = OWN_PHASES.get(id);
    if (what === undefined) return [];
    const message = `expected a phase id of its own, but ${id} is ${what}`;
    return [{ code: 'MV0200', message, hint: `rename it, e.g. to ${id}-2`, pointer: ['phases', index, 'id'] }];
  });
}

/** A step of a fragment that is included by a step with the name of its phase would be called like one of the planner's. */
function checkOwnSteps({ steps }: Outline): readonly Finding[] {
  return steps.flatMap(({ step, phase, expanded, pointer }): readonly Finding[] => {
    if (!(['begin', 'end'] as const).some((edge) => step.id === hiddenStepId(phase.id, edge))) return [];
    const message = `expected a step id of its own, but ${step.id} is the ${expanded.name} of the phase ${phase.id}`;
    const hint = 'rename it, or the step that includes it';
    return [{ code: 'MV0200', message, hint, pointer: [...pointer, 'id'] }];
  });
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
