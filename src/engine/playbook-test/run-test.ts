/** One test of a playbook: a run on a model node with the faults the test wants, against what it expects. */
import type { Mock, Mocks, TestCase } from '../generated/playbook-test.ts';
import type { ModelTiming } from '../model/model-node.ts';
import type { ActRequest, Json } from '../node-port.ts';
import type { Plan, PlannedStep } from '../plan/plan.ts';
import type { FailureCode } from '../primitives.ts';
import { priorTiming } from '../run/dry-run.ts';
import { type Occasion, occasionOf } from '../run/occasion.ts';
import { type OrderedFate, runOnModel } from '../run/run-on-model.ts';
import { type CompiledPlan, compilePlan } from '../statechart/compiled-plan.ts';
import { Evaluator } from '../statechart/evaluator.ts';
import type { RunContext } from '../statechart/run-context.ts';
import { parseDuration } from '../values/duration.ts';
import { isJsonObject } from '../values/json.ts';
import { type Mismatch, mismatches } from './expect.ts';

export interface TestResult {
  readonly name: string;
  /** In node time. */
  readonly durationMs: number;
  /** None where the test passes. */
  readonly mismatches: readonly Mismatch[];
}

/** `plan` with the values of variables that the test wants. */
export async function runTest(plan: Plan, test: TestCase, common: Mocks = {}): Promise<TestResult> {
  const compiled = compilePlan(plan, new AssumingEvaluator(plan, test.assume ?? {}));
  const mocks: Mocks = { ...common, ...test.mocks };
  const run = await runOnModel(compiled, {
    timing: timingOf(compiled, mocks),
    fateOf: fatesOf(test),
    answer: ({ at, isStep, isUndo }, result) => (isStep && !isUndo ? mocked(mocks[at], result) : result),
    resumes: test.resumes ?? 0,
  });
  const { context, node } = run;
  const fromNs = context.phases[0]?.startNs ?? context.beganNs;
  const toNs = context.phases.at(-1)?.endNs ?? context.nowNs;
  const { downtimeMs } = await node.measureService(fromNs, toNs);
  const measured = { downtimeMs, durationMs: (toNs - fromNs) / NS_PER_MS };
  return {
    name: test.name,
    durationMs: measured.durationMs,
    mismatches: mismatches(test.expect, { ...measured, run, steps: compiled.steps }),
  };
}

/** Says of a condition what the test says, and asks the model only for the others. */
class AssumingEvaluator extends Evaluator {
  readonly #assumed: ReadonlyMap<string, boolean>;

  constructor(plan: Plan, assumed: { readonly [text: string]: boolean | undefined }) {
    super(plan);
    this.#assumed = new Map(
      Object.entries(assumed).flatMap(([text, holds]) => (holds === undefined ? [] : [[text, holds]])),
    );
  }

  override condition(source: string, step: PlannedStep, context: RunContext): boolean {
    const isAssertion = source !== step.when;
    return this.#assumed.get(isAssertion ? step.id : source) ?? super.condition(source, step, context);
  }
}

const NS_PER_MS = 1e6;

function timingOf({ plan, steps }: CompiledPlan, mocks: Mocks): (request: ActRequest) => ModelTiming {
  const prior = priorTiming(plan);
  const ids = new Set(steps.map(({ id }) => id));
  return (request) => {
    const { at, isStep, isUndo } = occasionOf(request.key, ids);
    const usual = prior(request);
    const mock = isStep && !isUndo ? mocks[at] : undefined;
    return { ms: msOf(mock?.takes) ?? usual.ms, downtimeMs: msOf(mock?.downtime) ?? usual.downtimeMs };
  };
}

/** Durations were checked when the file was read. */
function msOf(text: string | undefined): number | undefined {
  const ms = text === undefined ? undefined : parseDuration(text);
  return typeof ms === 'number' ? ms : undefined;
}

function mocked(mock: Mock | undefined, result: Json): Json {
  return mock?.result && isJsonObject(result) ? { ...result, ...(mock.result as { [name: string]: Json }) } : result;
}

/** A crash or a loss of power that came at every attempt would come for ever. */
const happensOnce = (what: string): boolean => /crash|power-lost|goes-down/.test(what);

function fatesOf({ faults = [] }: TestCase): (occasion: Occasion) => OrderedFate | undefined {
  const tried = new Map<string, number>();
  return ({ at, isUndo }) => {
    const key = `${at} ${isUndo}`;
    const attempt = (tried.get(key) ?? 0) + 1;
    tried.set(key, attempt);
    const fault = faults.find(
      ({ at: where, undo = false, attempt: wanted, what }) =>
        where === at && undo === isUndo && (wanted ?? (happensOnce(what) ? 1 : attempt)) === attempt,
    );
    return fault && { fate: fault.what, code: fault.code as FailureCode | undefined, message: fault.message };
  };
}
