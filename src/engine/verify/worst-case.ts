/**
 * The longest a run can take and be down: the heaviest way through the explored statechart, where everything takes as long
 * as its timeout allows and fails as late and as often as its retries allow. What no playbook limits is left out: the time
 * until somebody resumes a run, answers, or brings a node or an engine back.
 */
import type { Edge, State } from './edge.ts';
import type { Exploration } from './explore.ts';

export interface WorstCase {
  readonly ms: number;
  /** The way it happens. */
  readonly path: readonly Edge[];
}

export interface WorstCases {
  readonly duration: WorstCase;
  readonly downtime: WorstCase;
  /** Downtime by phase. */
  readonly phases: ReadonlyMap<string, WorstCase>;
}

export function worstCases({ states, compiled }: Exploration): WorstCases {
  const longest = (weight: (edge: Edge) => number): WorstCase => heaviest(states[0]!, weight);
  return {
    duration: longest(({ msMax }) => msMax),
    downtime: longest(({ downtimeMsMax }) => downtimeMsMax),
    phases: new Map(
      compiled.plan.phases.map(({ id }) => [
        id,
        longest(({ phase, downtimeMsMax }) => (phase === id ? downtimeMsMax : 0)),
      ]),
    ),
  };
}

const isLimited = ({ fate }: Edge): boolean => !/crash|power|resumed|too-much/.test(fate);

/** Depth first without recursion: a chart is as deep as a run is long. */
function heaviest(start: State, weight: (edge: Edge) => number): WorstCase {
  const best = new Map<State, { readonly ms: number; readonly via: Edge | undefined }>();
  const stack: State[] = [start];
  const entered = new Set<State>();
  while (stack.length > 0) {
    const state = stack.at(-1)!;
    const edges = state.edges.filter(isLimited);
    const open = entered.has(state) ? [] : edges.filter(({ to }) => !entered.has(to));
    entered.add(state);
    if (open.length > 0) {
      stack.push(...open.map(({ to }) => to));
      continue;
    }
    stack.pop();
    if (best.has(state)) continue;
    let found: { ms: number; via: Edge | undefined } = { ms: 0, via: undefined };
    for (const edge of edges) {
      const ms = weight(edge) + (best.get(edge.to)?.ms ?? 0);
      if (ms > found.ms) found = { ms, via: edge };
    }
    best.set(state, found);
  }
  const path: Edge[] = [];
  for (let edge = best.get(start)?.via; edge; edge = best.get(edge.to)?.via) path.push(edge);
  return { ms: best.get(start)?.ms ?? 0, path };
}
