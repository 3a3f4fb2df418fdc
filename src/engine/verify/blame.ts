/** Whose line to show: the step without which a way through the statechart would have ended well. */
import type { ModelState } from '../model/model-state.ts';
import type { PlannedStep } from '../plan/plan.ts';
import { GUEST_NAMES } from '../primitives.ts';
import { type Deviation, deviationsOf } from './deviations.ts';
import type { Edge, State } from './edge.ts';

export function stepOf({ effect }: Edge, steps: readonly PlannedStep[]): PlannedStep | undefined {
  if (effect?.kind === 'step' || effect?.kind === 'ask') return steps[effect.index];
  return effect?.kind === 'undo' ? steps[effect.entry.index] : undefined;
}

export const changesNode = ({ from, to }: Edge): boolean => from.spot.node.state.key() !== to.spot.node.state.key();

/** In this order: a failure that was passed over or ended the run, what is not taken back, what is taken back wrongly. */
export function blame(
  path: readonly Edge[],
  deviation: Deviation,
  before: ModelState,
  steps: readonly PlannedStep[],
): PlannedStep | undefined {
  const edge =
    passedOver(path, steps) ??
    (path.at(-1)?.to.outcome === 'rolled-back' ? (kept(path, deviation) ?? wronglyTakenBack(path)) : undefined) ??
    turningPoint(path, deviation, before);
  return edge && stepOf(edge, steps);
}

function passedOver(path: readonly Edge[], steps: readonly PlannedStep[]): Edge | undefined {
  return path.findLast((edge) => {
    const policy = edge.effect?.kind === 'step' ? stepOf(edge, steps)?.onFailure : undefined;
    return edge.error !== undefined && (policy === 'continue' || policy === 'abort');
  });
}

/** The last step that changed what deviates and was not taken back. */
function kept(path: readonly Edge[], { facet }: Deviation): Edge | undefined {
  const takenBack = new Set(path.flatMap(({ effect }) => (effect?.kind === 'undo' ? [effect.entry.index] : [])));
  return path.findLast(
    ({ effect, from, to }) =>
      effect?.kind === 'step' && !takenBack.has(effect.index) && aspect(from, facet) !== aspect(to, facet),
  );
}

/** The first undo after which the node is not what it was before its step. */
function wronglyTakenBack(path: readonly Edge[]): Edge | undefined {
  return path.find(({ effect, error, to }) => {
    if (effect?.kind !== 'undo' || error) return false;
    const step = path.find((edge) => edge.effect?.kind === 'step' && edge.effect.index === effect.entry.index);
    return step !== undefined && step.from.spot.node.state.key() !== to.spot.node.state.key();
  });
}

/** The last step of the way after which the node deviated where it had not before. */
function turningPoint(path: readonly Edge[], { facet }: Deviation, before: ModelState): Edge | undefined {
  const outcome = path.at(-1)?.to.outcome ?? 'succeeded';
  const deviates = ({ spot }: State): boolean =>
    deviationsOf(spot.node.state, before, outcome).some((other) => other.facet === facet);
  return path.findLast(({ from, to }) => deviates(to) && !deviates(from));
}

/** The part of the node that a facet is about. */
function aspect({ spot }: State, facet: string): string {
  const { state } = spot.node;
  const [kind, ...rest] = facet.split(':');
  const name = rest.join(':');
  switch (kind) {
    case 'address':
    case 'service':
      return `${[...state.holders]} ${state.answers}`;
    case 'virtualized':
      return String(state.isVirtualized);
    case 'committed':
      return state.committed;
    case 'guest':
      return String(state.guests.has(name === 'old' ? 'old' : 'new'));
    case 'bank':
      return GUEST_NAMES.map((side) => JSON.stringify(state.banks[side])).join();
    case 'hart':
      return JSON.stringify(state.harts[Number(name)]);
    case 'disk':
      return String(state.disks.has(name));
    case 'data':
      return [...state.attached].filter((entry) => entry.endsWith(`:${name}`)).join();
    case 'attached':
      return String(state.attached.has(name));
    default:
      return state.ownerOf(name) ?? '';
  }
}
