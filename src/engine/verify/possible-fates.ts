/** What the world may do to an effect: only what can make a difference. */
import type { Fate } from '../model/fate.ts';
import { effectOf, type ModelEffect } from '../model/model-effects.ts';
import type { ModelState } from '../model/model-state.ts';
import type { ActRequest, NodeFailure } from '../node-port.ts';
import { openBudgets } from '../run/budgets.ts';
import type { CompiledPlan } from '../statechart/compiled-plan.ts';
import type { EffectInput } from '../statechart/run-context.ts';
import { STEP_KINDS, stepKind } from '../steps/table.ts';
import type { Spot } from './edge.ts';

export class PossibleFates {
  readonly #compiled: CompiledPlan;

  constructor(compiled: CompiledPlan) {
    this.#compiled = compiled;
  }

  /** To one that is about to begin on a node in `state`. A node that loses its power does before the first one begins. */
  ofBegin(effect: EffectInput, request: ActRequest, state: ModelState, isFirst: boolean): readonly Fate[] {
    // The engine's own check after a boot: of its many attempts only the number differs.
    if (effect.kind === 'check' && effect.attempt > 1) return ['ok'];
    const loses = isFirst ? (['power-lost-before'] as const) : [];
    if ('code' in wouldDo(request, state)) return ['ok', ...loses];
    return ['ok', 'crash-before', ...loses];
  }

  /** To one that is about to end. `untilNs`: it ends before this. */
  ofEnd(
    { driver }: Spot,
    effect: EffectInput,
    request: ActRequest,
    state: ModelState,
    untilNs: number | null,
  ): readonly Fate[] {
    const does = wouldDo(request, state);
    if ('code' in does) return ['ok'];
    if (effect.kind === 'check' && effect.attempt > 1) return ['ok', 'fails'];
    if (effect.kind === 'ask') return ['ok', 'fails', 'crash-after'];
    const step = effect.kind === 'step' ? this.#compiled.steps[effect.index]! : undefined;
    const kind = step ? stepKind(step.uses) : STEP_KINDS.find(({ name }) => name === request.primitive);
    const changes = does.stages.length > 0;
    const leavesHalf = changes && kind?.atomic !== true;
    const hasTime = untilNs === null || (request.deadlineNs ?? 0) <= untilNs;
    const hasBudget = step !== undefined && openBudgets(this.#compiled.plan, driver.snapshot.context).length > 0;
    return [
      'ok',
      'fails',
      ...(hasTime ? (['times-out'] as const) : []),
      ...(leavesHalf ? (['fails-half-way'] as const) : []),
      ...(leavesHalf && hasTime ? (['times-out-half-way'] as const) : []),
      ...(hasBudget && hasTime ? (['too-much-downtime'] as const) : []),
      'crash-after',
      'fails-then-crash',
      ...(changes ? (['power-lost-after'] as const) : []),
    ];
  }
}

const wouldDo = ({ primitive, args }: ActRequest, state: ModelState): ModelEffect | NodeFailure =>
  effectOf(state, primitive, args, 0);
