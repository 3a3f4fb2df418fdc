/** Judges an explored statechart: every state in which a run can end, every way back, every point of resumption. */
import type { Severity } from '../diagnostics/diagnostic.ts';
import type { Plan, PlannedStep } from '../plan/plan.ts';
import { formatMs } from '../values/duration.ts';
import { blame, changesNode, stepOf } from './blame.ts';
import type { Choice } from './choices.ts';
import { deviationsOf } from './deviations.ts';
import type { Edge, State } from './edge.ts';
import type { Exploration } from './explore.ts';
import { PROPERTIES, type Property } from './properties.ts';
import { isSwitchedOff } from './satisfiable.ts';
import type { WorstCases } from './worst-case.ts';

export interface Violation {
  readonly property: Property;
  readonly severity: Severity;
  readonly message: string;
  /** The step to look at, or undefined where none is. */
  readonly step: PlannedStep | undefined;
  /** Line of the step, or of what else there is to look at; 1: the playbook as a whole. */
  readonly line: number;
  /** null: the playbook itself. */
  readonly file: string | null;
  /** A shortest way to it; empty where it is not about one way. */
  readonly path: readonly Edge[];
}

export function judge(exploration: Exploration, worst: WorstCases): readonly Violation[] {
  const { plan } = exploration.compiled;
  // Of states that were not seen nothing can be said.
  const failures = exploration.isComplete ? judgeSuccess(exploration) : [];
  const violations = [
    ...failures,
    ...judgeEnds(exploration),
    ...judgeUndos(exploration),
    ...judgeResumption(exploration),
    // Where no run comes to its end the steps that are never done say nothing new.
    ...(failures.length > 0 || !exploration.isComplete ? [] : judgeDeadSteps(exploration)),
    ...judgeWaits(plan),
    ...judgeBudgets(exploration, worst),
  ];
  const seen = new Set<string>();
  return violations
    .filter(({ property, line }) => !seen.has(`${property}|${line}`) && seen.add(`${property}|${line}`))
    .sort((a, b) => rank(a) - rank(b) || a.line - b.line);
}

const rank = ({ severity }: Violation): number => (severity === 'error' ? 0 : 1);

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
): Violation => ({ property, severity, message, step, line: step?.line ?? 1, file: step?.file ?? null, path });

/** The way on which nothing fails, as far as it goes. */
function judgeSuccess(exploration: Exploration): readonly Violation[] {
  const { states, compiled } = exploration;
  const success = states.find(({ outcome }) => outcome === 'succeeded');
  if (success) return judgeOrders(exploration, success);
  for (let state = states[0]!; ; ) {
    const edge = state.edges.find(({ fate }) => fate === 'ok' || fate === 'time-passes');
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

/**
 * Steps that run beside each other end in any order: as long as nothing fails and conditions are what they were on the way
 * to `success`, every order has to come there.
 */
function judgeOrders({ states, compiled }: Exploration, success: State): readonly Violation[] {
  const decided = new Map(
    pathTo(success).flatMap(({ choices }) =>
      choices.filter(isCondition).map(({ what, option }): [string, string] => [what, option]),
    ),
  );
  const goesWell = ({ fate, choices }: Edge): boolean =>
    (fate === 'ok' || fate === 'time-passes') &&
    choices.every((choice) => !isCondition(choice) || (decided.get(choice.what) ?? choice.option) === choice.option);
  const reached = new Map<State, readonly Edge[]>([[states[0]!, []]]);
  for (const [state, path] of reached) {
    for (const edge of state.edges.filter(goesWell)) if (!reached.has(edge.to)) reached.set(edge.to, [...path, edge]);
  }
  const succeeding = new Set([...reached.keys()].filter(({ outcome }) => outcome === 'succeeded'));
  for (let before = -1; before < succeeding.size; ) {
    before = succeeding.size;
    for (const state of reached.keys()) {
      if (state.edges.some((edge) => goesWell(edge) && succeeding.has(edge.to))) succeeding.add(state);
    }
  }
  for (const [state, path] of reached) {
    const refused = state.edges.find((edge) => edge.error && goesWell(edge) && !succeeding.has(edge.to));
    if (!refused?.error || !path.concat(refused).some(({ from }) => succeeding.has(from))) continue;
    const step = stepOf(refused, compiled.steps);
    const message = `${step?.id} cannot work where steps beside each other end in this order: ${refused.error.message}`;
    return [violation('can-succeed', message, step, [...path, refused])];
  }
  return [];
}

const isCondition = ({ option }: Choice): boolean => option === 'holds' || option === 'does not hold';

function judgeEnds(exploration: Exploration): readonly Violation[] {
  const { states, compiled } = exploration;
  const before = states[0]!.spot.node.state;
  const isUpAt = stepsWithService(exploration);
  return states.flatMap((state) => {
    if (state.outcome === undefined || state.outcome === 'failed-dirty') return [];
    const { outcome } = state;
    const path = pathTo(state);
    return deviationsOf(state.spot.node.state, before, outcome).map((deviation) => {
      const step = blame(path, deviation, before, compiled.steps);
      const message = `${deviation.message} ${WHEN[outcome]}`;
      const last = path.findLast(({ effect }) => effect?.kind === 'step');
      const isPlanned = last?.effect?.kind === 'step' && !isUpAt.has(last.effect.index);
      if (outcome === 'paused' && !isPlanned) return violation('service-stays', message, step, path);
      return violation(deviation.property, message, step, path, deviation.severity);
    });
  });
}

/** Steps during which the service is up where nothing fails. */
function stepsWithService({ states }: Exploration): ReadonlySet<number> {
  const isUp = new Set<number>();
  const seen = new Set<State>();
  for (let state = states[0]!; !seen.has(state); ) {
    seen.add(state);
    const edge = state.edges.find(({ fate, error }) => (fate === 'ok' || fate === 'time-passes') && !error);
    if (!edge) break;
    const isAnswered = edge.from.spot.node.state.answers && edge.to.spot.node.state.answers;
    if (edge.effect?.kind === 'step' && isAnswered) isUp.add(edge.effect.index);
    state = edge.to;
  }
  return isUp;
}

const WHEN = {
  succeeded: 'when the run has succeeded',
  'rolled-back': 'when the run has been rolled back',
  'failed-safe': 'when the run is over after a failure past the commit',
  paused: 'while the run waits for somebody',
} as const;

function judgeUndos({ states, compiled }: Exploration): readonly Violation[] {
  const violations: Violation[] = [];
  for (const state of states) {
    for (const edge of state.edges) {
      if (edge.effect?.kind !== 'undo') continue;
      const { entry } = edge.effect;
      const step = compiled.steps[entry.index]!;
      const { done, steps } = state.spot.driver.snapshot.context;
      // A step that was asked whether it is done had done it before it was asked.
      const later = done.find(
        ({ index }) => !compiled.steps[index]!.doneIf && (steps[index]?.endNs ?? 0) > (steps[entry.index]?.endNs ?? 0),
      );
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

/** What was changed first after the step and is not taken back stands in the way. */
function keptStep(path: readonly Edge[], step: PlannedStep, steps: readonly PlannedStep[]): PlannedStep | undefined {
  const from = path.findIndex(({ effect }) => effect?.kind === 'step' && effect.index === step.index);
  const edge = path.slice(from + 1).find((candidate) => {
    const kept = candidate.effect?.kind === 'step' ? steps[candidate.effect.index] : undefined;
    return kept?.undo === 'none' && changesNode(candidate);
  });
  return edge && stepOf(edge, steps);
}

/** A run that was taken up again is where one is that did not die and had the same luck. */
function judgeResumption({ states, compiled }: Exploration): readonly Violation[] {
  const isTwin = (edge: Edge, { fate, to }: Edge): boolean =>
    to === edge.to && (edge.fate === 'fails-then-crash' ? fate === 'fails' : fate === 'ok' || fate === 'time-passes');
  return states.flatMap(({ edges }) =>
    edges
      .filter((edge) => edge.fate.includes('crash') && !edges.some((other) => isTwin(edge, other)))
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
      // What is resumed after a crash may be another step that was under way.
      if (edge.effect?.kind !== 'step' || /crash|power/.test(edge.fate)) continue;
      if (edge.error) tried.set(edge.effect.index, tried.get(edge.effect.index) ?? edge);
      else done.add(edge.effect.index);
    }
  }
  // What values of variables switch off others switch on.
  return compiled.steps
    .filter((step) => !done.has(step.index) && (tried.has(step.index) || !isSwitchedOff(compiled.plan, step)))
    .map((step) => {
      const edge = tried.get(step.index);
      const why = edge?.error ? `every time it fails: ${edge.error.message}` : 'no run gets to it';
      const path = edge ? [...pathTo(edge.from), edge] : [];
      return violation('no-dead-step', `${step.id} is never done: ${why}`, step, path);
    });
}

/** Windows open again by the calendar; people may never answer. */
function judgeWaits({ phases }: Plan): readonly Violation[] {
  return phases.flatMap(({ id, gate }) =>
    gate && gate.timeoutMs === null
      ? [
          {
            ...violation('no-endless-wait', `the run can wait at the gate of ${id} for ever`, undefined, []),
            line: gate.line,
          },
        ]
      : [],
  );
}

function judgeBudgets({ compiled }: Exploration, { downtime, phases }: WorstCases): readonly Violation[] {
  const { plan, steps } = compiled;
  const budgets = [
    ...plan.phases.map(({ id, budget }) => ({ of: `phase ${id}`, phase: id, budget, worst: phases.get(id) })),
    { of: 'the run', phase: undefined, budget: plan.budget, worst: downtime },
  ];
  return budgets.flatMap(({ of, phase, budget, worst }) => {
    if (!budget || !worst || budget.downtimeMs === null || worst.ms <= budget.downtimeMs) return [];
    const counted = worst.path.filter((edge) => phase === undefined || edge.phase === phase);
    const heaviest = counted.reduce((a, b) => (b.downtimeMsMax > a.downtimeMsMax ? b : a));
    const step = stepOf(heaviest, steps);
    const message = `the service can be down for ${formatMs(worst.ms)} in ${of}, and its budget is ${formatMs(budget.downtimeMs)}`;
    return [violation('within-budget', message, step, worst.path.slice(0, worst.path.indexOf(heaviest) + 1))];
  });
}
