/** Judges an explored statechart: every state in which a run can end, every way back, every point of resumption. */
import type { Severity } from '../diagnostics/diagnostic.ts';
import type { PlannedStep } from '../plan/plan.ts';
import { type Deviation, deviationsOf } from './deviations.ts';
import type { Edge, State } from './edge.ts';
import type { Exploration } from './explore.ts';
import { PROPERTIES, type Property } from './properties.ts';

export interface Violation {
  readonly property: Property;
  readonly severity: Severity;
  readonly message: string;
  /** The step to look at, or undefined where none is. */
  readonly step: PlannedStep | undefined;
  /** A shortest way to it; empty where it is not about one way. */
  readonly path: readonly Edge[];
}

export function judge(exploration: Exploration): readonly Violation[] {
  const violations = [
    ...judgeSuccess(exploration),
    ...judgeEnds(exploration),
    ...judgeUndos(exploration),
    ...judgeResumption(exploration),
    ...judgeDeadSteps(exploration),
  ];
  const seen = new Set<string>();
  return violations.filter(({ property, message, step }) => {
    const key = `${property}|${step?.index}|${message}`;
    return !seen.has(key) && seen.add(key);
  });
}

/** From the beginning to the state, shortest way. */
export function pathTo(state: State): readonly Edge[] {
  const path: Edge[] = [];
  for (let edge = state.reachedBy; edge; edge = edge.from.reachedBy) path.unshift(edge);
  return path;
}

const violation = (
  property: Property,
  message: string,
  step: PlannedStep | undefined,
  path: readonly Edge[],
  severity: Severity = PROPERTIES[property].severity,
): Violation => ({ property, severity, message, step, path });

/** The way on which nothing fails, as far as it goes. */
function judgeSuccess({ states, compiled }: Exploration): readonly Violation[] {
  if (states.some(({ outcome }) => outcome === 'succeeded')) return [];
  for (let state = states[0]!; ; ) {
    const edge = state.edges.find(({ fate }) => fate === 'ok' || fate === 'time passes');
    if (!edge || (state.outcome !== undefined && state.outcome !== 'paused')) {
      return [violation('can-succeed', 'no run ends with success', undefined, pathTo(state))];
    }
    if (edge.error) {
      const step = stepOf(edge, compiled.steps);
      const what = step ? `${step.id} cannot work here` : 'the run cannot begin';
      return [violation('can-succeed', `${what}: ${edge.error.message}`, step, [...pathTo(edge.from), edge])];
    }
    state = edge.to;
  }
}

function judgeEnds({ states, compiled }: Exploration): readonly Violation[] {
  const before = states[0]!.spot.node.state;
  return states.flatMap((state) => {
    if (state.outcome === undefined || state.outcome === 'failed-dirty') return [];
    const { outcome } = state;
    const path = pathTo(state);
    return deviationsOf(state.spot.node.state, before, outcome).map((deviation) => {
      const step = culprit(path, deviation, (at) => deviationsOf(at.spot.node.state, before, outcome), compiled.steps);
      const message = `${deviation.message} ${WHEN[outcome]}`;
      return violation(deviation.property, message, step, path, deviation.severity);
    });
  });
}

const WHEN = {
  succeeded: 'when the run has succeeded',
  'rolled-back': 'when the run has been rolled back',
  'failed-safe': 'when the run is over after a failure past the commit',
  paused: 'while the run waits for somebody',
} as const;

/** The last step of the way after which the node deviated where it had not before. */
function culprit(
  path: readonly Edge[],
  { facet }: Deviation,
  deviations: (state: State) => readonly Deviation[],
  steps: readonly PlannedStep[],
): PlannedStep | undefined {
  const deviates = (state: State): boolean => deviations(state).some((other) => other.facet === facet);
  const edge = path.findLast(({ from, to }) => deviates(to) && !deviates(from));
  return edge && stepOf(edge, steps);
}

export function stepOf({ effect }: Edge, steps: readonly PlannedStep[]): PlannedStep | undefined {
  if (effect?.kind === 'step') return steps[effect.index];
  return effect?.kind === 'undo' ? steps[effect.entry.index] : undefined;
}

function judgeUndos({ states, compiled }: Exploration): readonly Violation[] {
  const violations: Violation[] = [];
  for (const state of states) {
    for (const edge of state.edges) {
      if (edge.effect?.kind !== 'undo') continue;
      const { entry } = edge.effect;
      const step = compiled.steps[entry.index]!;
      const { done, steps } = state.spot.driver.snapshot.context;
      const later = done.find(({ index }) => (steps[index]?.endNs ?? 0) > (steps[entry.index]?.endNs ?? 0));
      if (later && steps[entry.index]?.outcome === 'done') {
        const message = `${step.id} is taken back before ${compiled.steps[later.index]!.id}, which was done after it`;
        violations.push(violation('undo-order', message, step, [...pathTo(state), edge]));
      }
      if (edge.fate !== 'ok' || !edge.error) continue;
      const path = [...pathTo(state), edge];
      const message = `taking back ${step.id} fails: ${edge.error.message}`;
      violations.push(violation('undo-works', message, keptStep(path, step, compiled.steps) ?? step, path));
    }
  }
  return violations;
}

/** What was changed after the step and is not taken back is what stands in the way. */
function keptStep(path: readonly Edge[], step: PlannedStep, steps: readonly PlannedStep[]): PlannedStep | undefined {
  const from = path.findIndex(({ effect }) => effect?.kind === 'step' && effect.index === step.index);
  const edge = path.findLast((candidate, position) => {
    const kept = candidate.effect?.kind === 'step' ? steps[candidate.effect.index] : undefined;
    return position > from && kept?.undo === 'none' && changesNode(candidate);
  });
  return edge && stepOf(edge, steps);
}

export const changesNode = ({ from, to }: Edge): boolean => from.spot.node.state.key() !== to.spot.node.state.key();

/** With the same luck in everything else, a run that was taken up again is where the other one is. */
function judgeResumption({ states, compiled }: Exploration): readonly Violation[] {
  const twin = (edge: Edge): Edge['fate'] => (edge.fate === 'fails, then the engine crashes' ? 'fails' : 'ok');
  const others = ({ choices }: Edge): string =>
    JSON.stringify(choices.filter(({ what }) => what !== 'fate').map(({ what, option }) => [what, option]));
  return states.flatMap(({ edges }) =>
    edges
      .filter(({ fate }) => fate.includes('crashes'))
      .filter((edge) =>
        edges.every((other) => other.fate !== twin(edge) || others(other) !== others(edge) || other.to !== edge.to),
      )
      .map((edge) => {
        const step = stepOf(edge, compiled.steps);
        const message = `a run that is resumed at ${step?.id ?? edge.effect?.kind} goes on otherwise than without the crash`;
        return violation('resume-is-the-same', message, step, [...pathTo(edge.from), edge]);
      }),
  );
}

function judgeDeadSteps({ states, compiled }: Exploration): readonly Violation[] {
  const done = new Set<number>();
  const tried = new Map<number, Edge>();
  for (const { edges } of states) {
    for (const edge of edges) {
      if (edge.effect?.kind !== 'step') continue;
      if (edge.error) tried.set(edge.effect.index, tried.get(edge.effect.index) ?? edge);
      else if (!edge.fate.startsWith('power')) done.add(edge.effect.index);
    }
  }
  return compiled.steps
    .filter(({ index }) => !done.has(index))
    .map((step) => {
      const edge = tried.get(step.index);
      const why = edge?.error ? `every time it fails: ${edge.error.message}` : 'no run gets to it';
      const path = edge ? [...pathTo(edge.from), edge] : [];
      return violation('no-dead-step', `${step.id} is never done: ${why}`, step, path);
    });
}
