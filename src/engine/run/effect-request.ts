/** What an effect of the statechart asks of the node. */

import { ExpressionFailure } from '../expression/scope.ts';
import type { ActRequest, Json } from '../node-port.ts';
import { type Plan, type PlannedArgs, type PlannedCall, type PlannedStep, runIdOf } from '../plan/plan.ts';
import type { Evaluator } from '../statechart/evaluator.ts';
import type { EffectInput, RunContext } from '../statechart/run-context.ts';
import type { NodeCall, StepArgs, StepKind } from '../steps/step-kind.ts';
import { stepKind } from '../steps/table.ts';
import { parseDuration } from '../values/duration.ts';
import { isJsonObject, type JsonObject } from '../values/json.ts';

export interface EffectRequest {
  readonly call: NodeCall;
  /** Arguments of the step, for its undo. */
  readonly args: StepArgs;
  readonly key: string;
  readonly timeoutMs: number;
}

/** Limits of what the engine does on its own account. */
const RUN_EDGE_TIMEOUT_MS = 120_000;
const BOOT_TIMEOUT_MS = 600_000;
const CHECK_TIMEOUT_MS = 30_000;

export interface RequestContext {
  readonly plan: Plan;
  readonly steps: readonly PlannedStep[];
  readonly evaluator: Evaluator;
  readonly keyPrefix: string;
  readonly bootId: string;
  /** What a secret stands for. */
  readonly secret?: (name: string) => string;
}

/** Arguments of a step, evaluated. Throws ExpressionFailure. */
export function stepArgs(
  { evaluator, plan, secret }: Pick<RequestContext, 'evaluator' | 'plan' | 'secret'>,
  kind: StepKind,
  args: PlannedArgs,
  step: PlannedStep,
  context: RunContext,
): StepArgs {
  const resolved = evaluator.args(args, step, context, secret);
  for (const [name, spec] of Object.entries(kind.args)) {
    const value = resolved[name];
    if (value === undefined || spec.type === 'expression') continue;
    // The plan has given durations that were known their milliseconds.
    if (spec.type === 'duration' && args[name]?.as === 'value') continue;
    resolved[name] = conform(name, spec.type, value);
  }
  // A check without a path asks for the page of the service.
  if (resolved['path'] === '' && 'path' in kind.args) resolved['path'] = plan.service.path;
  return resolved;
}

/** The request of an effect that the node brings about. Throws ExpressionFailure. */
export function effectRequest(effect: EffectInput, context: RunContext, of: RequestContext): EffectRequest {
  const { plan, steps, keyPrefix, bootId } = of;
  switch (effect.kind) {
    case 'begin': {
      const args = { run: runIdOf(plan), service: plan.service, packages: plan.packages, hangMs: plan.hangMs };
      return engineRequest({ primitive: 'run.begin', args }, `${keyPrefix}/begin`, RUN_EDGE_TIMEOUT_MS);
    }
    case 'end':
      return engineRequest(
        { primitive: 'run.end', args: { packages: plan.packages } },
        `${keyPrefix}/end/${bootId}`,
        RUN_EDGE_TIMEOUT_MS,
      );
    case 'boot':
      return engineRequest(
        { primitive: 'node.boot', args: {} },
        `${keyPrefix}/boot/${bootId}/${effect.attempt}`,
        BOOT_TIMEOUT_MS,
      );
    case 'check':
      return engineRequest(recoveryCheck(plan), `${keyPrefix}/check/${bootId}/${effect.attempt}`, CHECK_TIMEOUT_MS);
    case 'step': {
      const step = steps[effect.index]!;
      const kind = stepKind(step.uses);
      if (kind.does.by !== 'node') throw new Error(`${kind.name} asks nothing of the node`);
      const args = stepArgs(of, kind, step.with, step, context);
      return {
        call: kind.does.call(args),
        args,
        key: `${keyPrefix}/${step.phase}/${step.id}/${effect.attempt}`,
        timeoutMs: step.timeoutMs,
      };
    }
    case 'ask': {
      const step = steps[effect.index]!;
      if (!step.doneIf) throw new Error(`${step.id} has nothing to ask`);
      const { call, timeoutMs } = plannedCall(step.doneIf, step, context, of);
      // Where the answer is that an earlier attempt did it, they are what it is taken back with.
      const args = stepArgs(of, stepKind(step.uses), step.with, step, context);
      return { call, args, key: `${keyPrefix}/${step.phase}/${step.id}/done-if/${effect.attempt}`, timeoutMs };
    }
    case 'undo': {
      const step = steps[effect.entry.index]!;
      const { call, timeoutMs } = undoCall(effect.entry, step, context, of);
      return {
        call,
        args: {},
        key: `${keyPrefix}/${step.phase}/${step.id}/undo/${bootId}/${effect.entry.attempt}.${effect.attempt}`,
        timeoutMs,
      };
    }
  }
}

function undoCall(
  entry: (EffectInput & { kind: 'undo' })['entry'],
  step: PlannedStep,
  context: RunContext,
  of: RequestContext,
): { readonly call: NodeCall; readonly timeoutMs: number } {
  if (step.undo === 'none') throw new Error(`${step.id} has no undo`);
  const kind = stepKind(step.uses);
  if (step.undo === 'default') {
    if (kind.undo.how !== 'default') throw new Error(`${kind.name} has no undo of its own`);
    const undoKind = stepKind(kind.undo.uses);
    const timeoutMs = undoKind.timeoutMs === 'must' ? step.timeoutMs : undoKind.timeoutMs;
    return { call: kind.undo.call(entry.args, entry.result ?? undefined), timeoutMs };
  }
  return plannedCall(step.undo, step, context, of);
}

/** A call that goes with a step. */
function plannedCall(
  { uses, with: planned, timeoutMs }: PlannedCall,
  step: PlannedStep,
  context: RunContext,
  of: RequestContext,
): { readonly call: NodeCall; readonly timeoutMs: number } {
  const kind = stepKind(uses);
  if (kind.does.by !== 'node') throw new Error(`${uses} asks nothing of the node`);
  return { call: kind.does.call(stepArgs(of, kind, planned, step, context)), timeoutMs };
}

function recoveryCheck({ service }: Plan): NodeCall {
  return {
    primitive: 'service.check',
    args: {
      guest: null,
      service: { protocol: service.protocol, port: service.port },
      path: service.path,
      times: 1,
      intervalMs: 0,
      deadlineMs: Math.max(service.deadlineMs, 1_000),
      expectStatus: service.expectStatus,
      expectContains: service.expectContains,
      expectSha256: '',
    },
  };
}

const engineRequest = (call: NodeCall, key: string, timeoutMs: number): EffectRequest => ({
  call,
  args: {},
  key,
  timeoutMs,
});

/** What an expression gave, in the form the primitive wants; the schema has seen plain values, but not these. */
function conform(name: string, type: string, value: Json): Json {
  const wrong = (expected: string): ExpressionFailure =>
    new ExpressionFailure(`argument ${name}: expected ${expected}, found ${JSON.stringify(value)}`);
  switch (type) {
    case 'duration': {
      const ms = parseDuration(value);
      if (typeof ms !== 'number') throw wrong('a duration');
      return ms;
    }
    case 'int':
      if (!Number.isSafeInteger(value)) throw wrong('a whole number');
      return value;
    case 'bool':
      if (typeof value !== 'boolean') throw wrong('true or false');
      return value;
    case 'list<string>':
      if (!Array.isArray(value) || value.some((item) => typeof item !== 'string')) throw wrong('a list of texts');
      return value;
    case 'map<string, string>':
      if (!isJsonObject(value) || Object.values(value).some((item) => typeof item !== 'string'))
        throw wrong('texts by name');
      return value;
    case 'string':
      if (typeof value !== 'string') throw wrong('text');
      return value;
    default:
      return value;
  }
}

/** The part of a primitive's result that expressions see, and what the step adds to it. Throws ExpressionFailure. */
export function stepOutputs(
  evaluator: Evaluator,
  step: PlannedStep,
  result: Json,
  context: RunContext,
): { readonly [name: string]: Json } {
  const kind = stepKind(step.uses);
  const given: JsonObject = isJsonObject(result) ? result : {};
  const declared = Object.fromEntries(
    Object.keys(kind.outputs).flatMap((name) => (given[name] === undefined ? [] : [[name, given[name]]])),
  );
  return { ...declared, ...evaluator.outputs(step, declared, context) };
}

/** The table's types tie arguments to names; what crosses the port is JSON. */
export const toActRequest = (
  { primitive, args }: NodeCall,
  key: string,
  deadlineNs: number | null,
): Omit<ActRequest, 'epoch'> => ({
  primitive,
  args: args as unknown as ActRequest['args'],
  key,
  ...(deadlineNs === null ? {} : { deadlineNs }),
});

/** Whichever comes first, the timeout of the effect or that of the phase of its step. */
export function deadlineNs(
  effect: EffectInput,
  { plan, steps }: Pick<RequestContext, 'plan' | 'steps'>,
  context: RunContext,
  nowNs: number,
  timeoutMs: number,
): number {
  const ownNs = nowNs + timeoutMs * 1e6;
  if (effect.kind !== 'step') return ownNs;
  const { phase } = steps[effect.index]!;
  const planned = plan.phases.find(({ id }) => id === phase);
  const open = context.phases.findLast(({ id }) => id === phase);
  if (planned?.timeoutMs == null || !open) return ownNs;
  return Math.min(ownNs, open.roundNs + planned.timeoutMs * 1e6);
}
