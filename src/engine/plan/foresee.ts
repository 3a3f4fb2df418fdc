/** What of a plan is settled before it runs: which steps run, which are skipped and why, and what has to wait for what. */
import { ExpressionFailure } from '../expression/scope.ts';
import type { Json } from '../node-port.ts';
import { Evaluator } from '../statechart/evaluator.ts';
import type { Plan, PlannedStep } from './plan.ts';
import { type ScopedSource, sourcesBehind, sourcesOf } from './sources-behind.ts';

export type Prospect =
  | { readonly will: 'run' }
  | { readonly will: 'skip'; readonly because: string }
  /** Settled when these are over; none: when the run begins. */
  | { readonly will: 'depend'; readonly on: string; readonly until: readonly string[] };

export interface ForeseenStep {
  readonly step: PlannedStep;
  readonly prospect: Prospect;
  /** Arguments whose values are not known yet, and until which steps are over. */
  readonly unknown: readonly { readonly argument: string; readonly until: readonly string[] }[];
}

/** `facts`: what the node says of itself; null where it does not exist yet. */
export function foresee(plan: Plan, facts: { readonly [name: string]: Json } | null): readonly ForeseenStep[] {
  const evaluator = new Evaluator(plan);
  return plan.phases.flatMap(({ steps }) =>
    steps.map((step) => ({
      step,
      prospect: prospectOf(plan, step, evaluator, facts),
      unknown: Object.entries(step.with).flatMap(([argument, value]) => {
        // A condition is what the step is there to find out.
        const sources =
          step.uses === 'assert' && argument === 'that'
            ? [String(value.as === 'value' && value.value)]
            : sourcesOf(value);
        const until = waitsFor(
          plan,
          sources.map((source) => ({ source, scope: step.scope })),
          facts,
        );
        return until.length > 0 ? [{ argument, until }] : [];
      }),
    })),
  );
}

function prospectOf(
  plan: Plan,
  step: PlannedStep,
  evaluator: Evaluator,
  facts: { readonly [name: string]: Json } | null,
): Prospect {
  const conditions = conditionsOf(plan, step);
  const told = conditions.map(({ source }) => source).join(' and ');
  const until = waitsFor(plan, conditions, facts);
  if (until.length > 0) return { will: 'depend', on: told, until: until.filter((name) => name !== BEGIN) };
  try {
    const runs = evaluator.shouldRun(step, { facts: facts ?? {}, outputs: {} });
    return runs ? { will: 'run' } : { will: 'skip', because: told };
  } catch (error) {
    // What it asks for is not there, which is settled as well: the step will fail there.
    if (error instanceof ExpressionFailure) return { will: 'run' };
    throw error;
  }
}

/** Its own, and those of the fragments that it is part of; the outermost first. */
function conditionsOf(plan: Plan, step: PlannedStep): readonly ScopedSource[] {
  const conditions = step.when === null ? [] : [{ source: step.when, scope: step.scope }];
  for (
    let scope = plan.scopes[step.scope];
    scope;
    scope = scope.parent === null ? undefined : plan.scopes[scope.parent]
  ) {
    if (scope.when !== null && scope.parent !== null) conditions.unshift({ source: scope.when, scope: scope.parent });
  }
  return conditions;
}

/** Stands for the begin of the run, when the node's facts are known. */
const BEGIN = 'the begin of the run';

/** Steps that expressions name, and the facts of a node that does not exist. */
function waitsFor(
  plan: Plan,
  sources: readonly ScopedSource[],
  facts: { readonly [name: string]: Json } | null,
): readonly string[] {
  const texts = sources.flatMap((source) => sourcesBehind(plan, source)).map(({ source }) => source);
  const steps = texts.flatMap((text) => [...text.matchAll(STEP_NAMED)].map(([, plain, quoted]) => plain ?? quoted!));
  const needsFacts = facts === null && texts.some((text) => /\bfacts\s*[.[]/.test(text));
  return [...new Set([...steps, ...(needsFacts ? [BEGIN] : [])])];
}

const STEP_NAMED = /\bsteps\s*(?:\.\s*([A-Za-z_]\w*)|\[\s*["'](\w+)["']\s*\])/g;
