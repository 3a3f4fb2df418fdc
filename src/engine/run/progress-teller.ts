/** Tells a person what the statechart and its effects do. */
import type { PlannedStep } from '../plan/plan.ts';
import type { EffectError, EffectInput, EffectOutput, RunContext } from '../statechart/run-context.ts';
import type { Announcement } from './outstanding.ts';
import type { ProgressListener } from './run-progress.ts';

/** The begin or end of a phase, if that is what is announced. */
export function phaseEdge({ type, params }: Announcement): { phase: string; edge: 'start' | 'end' } | undefined {
  if (type !== 'phaseStarts' && type !== 'phaseEnds') return undefined;
  return { phase: String(params['phase']), edge: type === 'phaseStarts' ? 'start' : 'end' };
}

export class ProgressTeller {
  readonly #steps: readonly PlannedStep[];
  readonly #tell: ProgressListener;

  constructor(steps: readonly PlannedStep[], tell: ProgressListener) {
    this.#steps = steps;
    this.#tell = tell;
  }

  announce(announcement: Announcement, context: RunContext, atNs: number, isReplay: boolean): void {
    const { type, params } = announcement;
    const step = params['step'] as PlannedStep;
    const edge = phaseEdge(announcement);
    if (edge)
      this.#tell({ type: edge.edge === 'start' ? 'phase-start' : 'phase-end', phase: edge.phase, atNs }, isReplay);
    else if (type === 'stepIsSkipped') this.#tell({ type: 'step-skipped', step }, isReplay);
    else if (type === 'pauseIsOver') {
      const { startNs = atNs } = context.steps[step.index] ?? {};
      this.#tell({ type: 'step-done', step, nodeNs: atNs - startNs, atNs }, isReplay);
    }
  }

  effectStarts(effect: EffectInput, atNs: number, isReplay: boolean): void {
    if (effect.kind === 'step') {
      this.#tell({ type: 'step-start', step: this.#steps[effect.index]!, attempt: effect.attempt, atNs }, isReplay);
    } else if (effect.kind === 'undo') {
      this.#tell(
        { type: 'undo-start', step: this.#steps[effect.entry.index]!, attempt: effect.attempt, atNs },
        isReplay,
      );
    }
  }

  effectEnds(
    effect: EffectInput,
    { output, error, atNs }: { readonly output?: unknown; readonly error?: unknown; readonly atNs: number },
    isReplay: boolean,
  ): void {
    if (effect.kind === 'ask') {
      if (output !== undefined) this.#tell({ type: 'step-done-already', step: this.#steps[effect.index]! }, isReplay);
      return;
    }
    if (effect.kind !== 'step' && effect.kind !== 'undo') return;
    const step = this.#steps[effect.kind === 'step' ? effect.index : effect.entry.index]!;
    if (output !== undefined) {
      const { startNs, endNs } = output as EffectOutput;
      // A pause is done when its time has passed.
      if (effect.kind === 'step' && step.uses === 'pause') return;
      if (effect.kind === 'step') this.#tell({ type: 'step-done', step, nodeNs: endNs - startNs, atNs }, isReplay);
      else this.#tell({ type: 'undo-done', step, atNs }, isReplay);
    } else if (error !== undefined) {
      const { code, message } = error as EffectError;
      if (effect.kind === 'step')
        this.#tell({ type: 'step-failed', step, attempt: effect.attempt, code, message, atNs }, isReplay);
      else this.#tell({ type: 'undo-failed', step, code, message, atNs }, isReplay);
    }
  }
}
