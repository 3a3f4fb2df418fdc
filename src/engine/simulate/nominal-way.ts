/**
 * The way of a run in which nothing fails, as the statechart goes it: what is asked of the node, how long is waited, which
 * phase it is in. Every run in which nothing fails, and nothing comes too late, goes it too, so its times can be added up
 * on a model node without asking the statechart again. Of any other run nothing is taken from it.
 */
import { ModelNode, type ModelTiming } from '../model/model-node.ts';
import type { ActRequest } from '../node-port.ts';
import type { PlannedPhase } from '../plan/plan.ts';
import { runOnModel } from '../run/run-on-model.ts';
import type { CompiledPlan } from '../statechart/compiled-plan.ts';
import type { RunContext } from '../statechart/run-context.ts';

type Leg =
  | { readonly act: ActRequest; readonly limitMs: number; readonly phase: string | undefined }
  | { readonly waitMs: number; readonly phase: string | undefined };

export interface PhaseFigures {
  readonly id: string;
  readonly nodeMs: number;
  readonly downtimeMs: number;
}

interface Act {
  readonly request: ActRequest;
  readonly startNs: number;
  readonly endNs: number;
}

const NS_PER_MS = 1e6;

export class NominalWay {
  readonly #compiled: CompiledPlan;
  readonly #legs: readonly Leg[];

  private constructor(compiled: CompiledPlan, legs: readonly Leg[]) {
    this.#compiled = compiled;
    this.#legs = legs;
  }

  /** undefined where the way depends on how long things take, or where the model does not succeed. */
  static async find(
    compiled: CompiledPlan,
    timing: (request: ActRequest) => ModelTiming,
  ): Promise<NominalWay | undefined> {
    if (compiled.plan.phases.some(hasBranches)) return undefined;
    const acts: Act[] = [];
    const { outcome, context } = await runOnModel(compiled, {
      timing: (request, nowNs) => {
        const taken = timing(request);
        acts.push({ request, startNs: nowNs, endNs: nowNs + Math.round(taken.ms * NS_PER_MS) });
        return taken;
      },
      assumesAssertions: true,
      admits: true,
    });
    return outcome === 'succeeded' ? new NominalWay(compiled, legsOf(acts, context)) : undefined;
  }

  /** The figures of a run with these times, or undefined where it would not go this way. */
  async figures(timing: (request: ActRequest) => ModelTiming): Promise<readonly PhaseFigures[] | undefined> {
    const { plan } = this.#compiled;
    const node = new ModelNode({ timing, hardware: plan.node });
    const spans = new Map<string, { fromNs: number; toNs: number }>();
    for (const leg of this.#legs) {
      const fromNs = node.nowNs;
      if ('act' in leg) {
        const deadlineNs = fromNs + leg.limitMs * NS_PER_MS;
        const outcome = await node.act({ ...leg.act, deadlineNs });
        if (!outcome.ok) return undefined;
      } else await node.waitUntil(fromNs + leg.waitMs * NS_PER_MS);
      if (leg.phase === undefined) continue;
      const span = spans.get(leg.phase) ?? { fromNs, toNs: fromNs };
      span.toNs = node.nowNs;
      spans.set(leg.phase, span);
    }
    const figures: PhaseFigures[] = [];
    for (const phase of plan.phases) {
      const span = spans.get(phase.id) ?? { fromNs: 0, toNs: 0 };
      const nodeMs = (span.toNs - span.fromNs) / NS_PER_MS;
      const { downtimeMs } = await node.measureService(span.fromNs, span.toNs);
      if (phase.timeoutMs !== null && nodeMs >= phase.timeoutMs) return undefined;
      if (phase.budget?.downtimeMs != null && downtimeMs > phase.budget.downtimeMs) return undefined;
      figures.push({ id: phase.id, nodeMs, downtimeMs });
    }
    const downtimeMs = figures.reduce((sum, one) => sum + one.downtimeMs, 0);
    return plan.budget?.downtimeMs != null && downtimeMs > plan.budget.downtimeMs ? undefined : figures;
  }
}

/** Between two acts the run waits. */
function legsOf(acts: readonly Act[], { phases }: RunContext): readonly Leg[] {
  const phaseAt = (ns: number): string | undefined =>
    phases.find(({ startNs, endNs }) => ns >= startNs && (endNs === null || ns < endNs))?.id;
  const legs: Leg[] = [];
  let nowNs = acts[0]?.startNs ?? 0;
  for (const { request, startNs, endNs } of acts) {
    if (startNs > nowNs) legs.push({ waitMs: (startNs - nowNs) / NS_PER_MS, phase: phaseAt(nowNs) });
    const limitMs = ((request.deadlineNs ?? Number.POSITIVE_INFINITY) - startNs) / NS_PER_MS;
    legs.push({ act: request, limitMs, phase: phaseAt(startNs) });
    nowNs = endNs;
  }
  return legs;
}

const hasBranches = ({ steps }: PlannedPhase): boolean =>
  steps.some(({ needs }, at) => at > 0 && !(needs.length === 1 && needs[0] === steps[at - 1]!.index));
